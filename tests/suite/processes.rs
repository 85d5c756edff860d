//! Processes and mounts that belong to a folder.

use std::fs;
use std::path::{Path, PathBuf};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its short name: `xorriso`.
    pub name: String,
    /// Its command line.
    pub command: String,
}

/// The processes that have to do with `folder`: by their command line, their working directory,
/// their root, or by what is mounted where they are (a sandbox).
pub fn of(folder: &Path) -> Vec<Process> {
    let pids = fs::read_dir("/proc")
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| process(pid, folder)).collect()
}

fn process(pid: i32, folder: &Path) -> Option<Process> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let text = folder.to_str()?;
    let command = fs::read(proc.join("cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let leads_there =
        |name: &str| fs::read_link(proc.join(name)).is_ok_and(|path| path.starts_with(folder));
    let mounts = || fs::read_to_string(proc.join("mountinfo")).unwrap_or_default();
    let ours = command.contains(text)
        || leads_there("cwd")
        || leads_there("root")
        || mounts().contains(text);
    // A process that has ended and waits for its parent has no command line.
    (ours && !command.is_empty()).then(|| Process {
        pid,
        name: fs::read_to_string(proc.join("comm"))
            .unwrap_or_default()
            .trim()
            .to_owned(),
        command,
    })
}

/// The mount points of this process at or below `folder`.
pub fn mounts(folder: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points
        .filter(|point| Path::new(point).starts_with(folder))
        .map(str::to_owned)
        .collect()
}
