//! The locks of dnf 4 in the cache that all builds of a host share (`dnf/lock.py`): files with the number of the process
//! that took one, which that process removes. One that was killed leaves its file behind; the next dnf takes the lock
//! over unless there is a process of that number, whatever that is, and waits for it without end otherwise.
//!
//! So nothing takes such a lock in a sandbox, where dnf has a number of the sandbox's: it works on a [`view`] of the
//! cache. And what no dnf has is [released](release_stale) before one runs.
//!
//! dnf5 has none of these: its locks go with their process.
//!
//! Pruning takes none of them; what it leaves alone is said by [`hold`].

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use crate::cache::{self, EntryLock, Phase};
use crate::compose::files::{at, empty_folder};
use crate::compose::{ComposeError, dnf};
use crate::context::BuildContext;
use crate::process::CommandError;

/// The names of the locks.
const LOCKS: [&str; 2] = ["download_lock.pid", "metadata_lock.pid"];

/// So often dnf is begun that another build's dnf keeps from beginning.
const TRIES: u32 = 5;

/// Runs a dnf that works on `cache`, once more where another one kept it from beginning.
pub(crate) async fn run<T, F>(
    ctx: &BuildContext,
    cache: &Path,
    run: impl Fn() -> F,
) -> Result<T, CommandError>
where
    F: Future<Output = Result<T, CommandError>>,
{
    let mut tries = 1;
    loop {
        // What cannot be released is dnf's to tell.
        if let Err(error) = release_stale(cache) {
            tracing::debug!("{}: {error}", cache.display());
        }
        match run().await {
            Err(error) if tries < TRIES && dnf::was_disturbed(error.tail()) => {
                tries += 1;
                ctx.events
                    .info("Another build's dnf was in the way: once more");
            }
            result => return result,
        }
    }
}

/// Keeps what dnf has, in the folder `cache` that all builds share, from being pruned until what this gives is dropped.
pub(crate) async fn hold(cache: &Path, phase: Phase) -> Option<EntryLock> {
    let folder = cache.to_owned();
    let held = tokio::task::spawn_blocking(move || cache::hold(&folder, phase)).await;
    match held.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
        Ok(lock) => Some(lock),
        // Where no lock can be made, nobody prunes either.
        Err(error) => {
            tracing::debug!("{}: {error}", cache.display());
            None
        }
    }
}

/// Shows what is in `cache` in the folder `own`, without the locks: what is read there is the same, and what
/// is written, of this build alone.
///
/// # Errors
///
/// [`ComposeError::Io`], [`ComposeError::NoSpace`].
pub(crate) fn view(cache: &Path, own: &Path) -> Result<(), ComposeError> {
    empty_folder(own)?;
    let link = || {
        for entry in cache.read_dir()? {
            let name = entry?.file_name();
            if !LOCKS.iter().any(|lock| name == *lock) {
                std::os::unix::fs::symlink(cache.join(&name), own.join(&name))?;
            }
        }
        Ok(())
    };
    link().map_err(at(own))
}

/// Empties the locks in `cache` that no dnf has: dnf takes an empty one.
fn release_stale(cache: &Path) -> io::Result<()> {
    for lock in LOCKS {
        match release_if_stale(&cache.join(lock)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            released => released?,
        }
    }
    Ok(())
}

fn release_if_stale(lock: &Path) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(lock)?;
    // Held while dnf looks at it, and not longer.
    if file.try_lock().is_err() {
        return Ok(());
    }
    let mut owner = String::new();
    (&mut file).take(64).read_to_string(&mut owner)?;
    match owner.trim().parse() {
        Ok(process) if is_dnf(process) => Ok(()),
        _ if owner.is_empty() => Ok(()),
        _ => file.set_len(0),
    }
}

/// Whether `process` is there, and a dnf.
fn is_dnf(process: u32) -> bool {
    let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    command.windows(3).any(|part| part == b"dnf")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process of this name, which waits for the end of its input.
    #[expect(clippy::disallowed_methods, reason = "its number is what is looked at")]
    fn waiting(name: &str) -> Child {
        let mut shell = Command::new("sh");
        shell.args(["-c", "read wait", name]);
        let child = shell.stdin(Stdio::piped()).spawn().unwrap();
        // Whoever has begun it goes on before its words are there.
        let words = format!("/proc/{}/cmdline", child.id());
        while !String::from_utf8_lossy(&fs::read(&words).unwrap()).contains(name) {
            std::thread::yield_now();
        }
        child
    }

    #[test]
    fn a_lock_is_released_unless_a_dnf_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("metadata_lock.pid");
        let released = |owner: &str| {
            fs::write(&lock, owner).unwrap();
            release_stale(dir.path()).unwrap();
            fs::read_to_string(&lock).unwrap().is_empty()
        };
        let (mut dnf, mut other) = (waiting("/usr/bin/dnf"), waiting("/usr/bin/rpm"));
        assert!(!released(&dnf.id().to_string()));
        assert!(released(&other.id().to_string()));
        // One that has not written its number yet is looking at it.
        fs::write(&lock, "2").unwrap();
        let looking = File::open(&lock).unwrap();
        looking.lock().unwrap();
        release_stale(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(&lock).unwrap(), "2");
        drop(looking);

        for process in [&mut dnf, &mut other] {
            drop(process.stdin.take());
            process.wait().unwrap();
        }
        assert!(released(&dnf.id().to_string()), "of one that has ended");
        assert!(released("no number"));
        fs::write(dir.path().join("99.solv"), "1").unwrap();
        release_stale(dir.path()).unwrap();
        assert_eq!(fs::read(dir.path().join("99.solv")).unwrap(), b"1");
        release_stale(&dir.path().join("none")).unwrap();
    }

    #[test]
    fn a_view_has_everything_but_the_locks() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, own) = (dir.path().join("cache"), dir.path().join("own"));
        fs::create_dir_all(cache.join("99-0123")).unwrap();
        for name in ["99.solv", "metadata_lock.pid", "99-0123/mirrorlist"] {
            fs::write(cache.join(name), "1").unwrap();
        }
        for _ in 0..2 {
            view(&cache, &own).unwrap();
            assert!(own.join("99-0123/mirrorlist").is_file());
            assert!(!own.join("metadata_lock.pid").exists());
            // What is left there by one dnf is not there for the next.
            fs::write(own.join("metadata_lock.pid"), "2").unwrap();
        }
        assert!(cache.join("99-0123/mirrorlist").is_file());
        assert_eq!(fs::read(cache.join("metadata_lock.pid")).unwrap(), b"1");
    }
}
