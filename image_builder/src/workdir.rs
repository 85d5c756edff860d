//! The work directory of one build, gone when the build is over.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A folder that only this build uses and only root reads; removed when dropped.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    keep: bool,
}

impl WorkDir {
    /// Makes `path`, which must not exist yet; its parents are made too.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn create(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::DirBuilder::new().mode(0o700).create(path)?;
        Ok(Self {
            path: path.to_owned(),
            keep: false,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what is in it, but for what `kept` names, off the async threads.
    ///
    /// # Errors
    ///
    /// As of [`WorkDir::remove`].
    pub async fn clear(&self, kept: &[&Path]) -> io::Result<()> {
        let path = self.path.clone();
        let kept: Vec<PathBuf> = kept.iter().map(|&kept| kept.to_owned()).collect();
        let cleared = tokio::task::spawn_blocking(move || clear(&path, &kept)).await;
        cleared.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }

    /// Leaves the folder where it is.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Removes it now.
    ///
    /// # Errors
    ///
    /// The operating system's; or that something is mounted inside, which must not happen and
    /// would make removing it dangerous.
    pub fn remove(mut self) -> io::Result<()> {
        self.keep = true;
        remove(&self.path)
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = remove(&self.path)
        {
            tracing::warn!("{} could not be removed: {error}", self.path.display());
        }
    }
}

fn clear(path: &Path, kept: &[PathBuf]) -> io::Result<()> {
    for entry in path.read_dir()? {
        let entry = entry?;
        if kept.contains(&entry.path()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes a folder of a build, unless something is mounted in it.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo")?;
    if let Some(mount) = mount_below(&mounts, path) {
        return Err(io::Error::other(format!("{mount} is mounted inside")));
    }
    std::fs::remove_dir_all(path)
}

/// The first mount point at or below `path` in the text of
/// [mountinfo](https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html).
fn mount_below(mountinfo: &str, path: &Path) -> Option<String> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    // Blanks are written as octal escapes.
    let mut points = points.map(|point| point.replace("\\040", " "));
    points.find(|point| Path::new(point).starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn it_is_private_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let work = WorkDir::create(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::create_dir_all(work.path().join("root/etc")).unwrap();
        assert!(WorkDir::create(&path).is_err());
        let (log, other) = (path.join("log"), path.join("other"));
        std::fs::write(&log, "").unwrap();
        std::fs::write(other, "").unwrap();
        work.clear(&[&log]).await.unwrap();
        let left: Vec<_> = path
            .read_dir()
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        assert_eq!(left, [log]);
        drop(work);
        assert!(!path.exists() && dir.path().join("a").exists());
    }

    #[test]
    fn a_mount_inside_is_found() {
        let mountinfo = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                         30 22 0:5 / /w/my\\040job/root/dev rw - devtmpfs dev rw\n";
        assert_eq!(
            mount_below(mountinfo, Path::new("/w/my job")).as_deref(),
            Some("/w/my job/root/dev")
        );
        assert_eq!(mount_below(mountinfo, Path::new("/w/my")), None);
    }
}
