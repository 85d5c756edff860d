//! What builds have left whose worker was killed.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// For so long processes are waited for that were told to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends the processes that work below the folders in `jobs`, and removes these, but for those that hold a file
/// `kept`. Nothing is mounted for the host by builds: what they mount is gone with their processes.
pub(super) fn clear(jobs: &Path, kept: &str) -> io::Result<()> {
    for entry in jobs.read_dir()? {
        let folder = entry?.path();
        if folder.join(kept).exists() {
            continue;
        }
        let since = Instant::now();
        loop {
            let processes = processes_below(&folder);
            if processes.is_empty() || since.elapsed() > PATIENCE {
                break;
            }
            for process in processes {
                // It may have ended since.
                let _ = kill(process, Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        tracing::info!(
            "{} is of a build that was killed: removed",
            folder.display()
        );
        match fs::metadata(&folder)?.is_dir() {
            true => fs::remove_dir_all(&folder)?,
            false => fs::remove_file(&folder)?,
        }
    }
    Ok(())
}

/// The processes that name `folder` in their command line, or are in it.
fn processes_below(folder: &Path) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id();
    let text = folder.to_string_lossy();
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if u32::try_from(pid) == Ok(own) {
            continue;
        }
        let inside =
            fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if inside || String::from_utf8_lossy(&command).contains(&*text) {
            found.push(Pid::from_raw(pid));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_build_left_is_ended_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let dead = dir.path().join("dead");
        fs::create_dir_all(dead.join("work/x")).unwrap();
        let kept = dir.path().join("mine");
        fs::create_dir_all(&kept).unwrap();
        fs::write(kept.join("kept"), "").unwrap();
        #[allow(clippy::disallowed_methods, reason = "it is what the test is about")]
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .current_dir(dead.join("work"))
            .spawn()
            .unwrap();
        // The child is ours: it has to be waited for.
        let ended = std::thread::spawn(move || child.wait().unwrap());
        clear(dir.path(), "kept").unwrap();
        assert!(!ended.join().unwrap().success());
        assert!(!dead.exists());
        assert!(kept.exists());
    }
}
