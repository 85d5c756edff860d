//! Mounts that nobody else sees: a thread with a mount namespace of its own, and overlays and folders in
//! memory in it.
//!
//! A namespace belongs to a thread ([mount_namespaces(7)]). What the thread mounts is seen by it, by the
//! threads and programs that it starts, and by nobody else; when the last of them is gone, however it
//! went, the kernel takes the mounts away. So nothing can be left mounted.
//!
//! [mount_namespaces(7)]: https://man7.org/linux/man-pages/man7/mount_namespaces.7.html

use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use tokio::sync::oneshot;

/// Runs `work` on a thread with mounts of its own.
///
/// Where the kernel allows none (a container without `CAP_SYS_ADMIN`), `work` runs without, and
/// [`Overlay::mount`] fails in it.
///
/// # Errors
///
/// That no thread could be had, or that `work` panicked.
pub(crate) async fn apart<T, W, F>(work: W) -> io::Result<T>
where
    T: Send + 'static,
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = T>,
{
    let (done, result) = oneshot::channel();
    std::thread::Builder::new()
        .name("fbs-build".to_owned())
        .spawn(move || {
            let own = own_mounts();
            if let Err(error) = own {
                tracing::debug!("no mount namespace: {error}");
            }
            let worked = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map(|runtime| runtime.block_on(work()));
            // Nobody listens any more when the build was dropped.
            let _ = done.send(worked);
        })?;
    result
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the build's thread panicked")))
}

fn own_mounts() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    // What the host mounts or unmounts later is seen here, and nothing goes the other way.
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_SLAVE,
        None::<&str>,
    )
}

/// Folders shown as one ([overlayfs]); unmounted when dropped.
///
/// [overlayfs]: https://docs.kernel.org/filesystems/overlayfs.html
#[derive(Debug)]
pub(crate) struct Overlay {
    at: PathBuf,
    mounted: bool,
}

impl Overlay {
    /// Shows at `at`, which is there, what `lowers` have, the first above the others, and puts every
    /// change into `upper`. `scratch` is for the kernel, on the file system of `upper`; both are made.
    ///
    /// The mount is volatile: programs that wait for the disk (`fsync`) do not, since a root that a
    /// power cut spoils is thrown away.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub(crate) fn mount(
        lowers: &[PathBuf],
        upper: &Path,
        scratch: &Path,
        at: &Path,
    ) -> io::Result<Self> {
        for folder in [upper, scratch, at] {
            std::fs::create_dir_all(folder)?;
        }
        let lowers: Vec<String> = lowers.iter().map(|lower| escaped(lower)).collect();
        // Without the features that would make a layer mean something only together with others.
        let options = format!(
            "lowerdir={},upperdir={},workdir={},volatile,index=off,redirect_dir=off,metacopy=off",
            lowers.join(":"),
            escaped(upper),
            escaped(scratch)
        );
        let made = mount(
            Some("overlay"),
            at,
            Some("overlay"),
            MsFlags::empty(),
            Some(options.as_str()),
        );
        made?;
        Ok(Self {
            at: at.to_owned(),
            mounted: true,
        })
    }

    /// Unmounts it: all changes are in `upper` from now on.
    ///
    /// # Errors
    ///
    /// The operating system's: something still uses it.
    pub(crate) fn unmount(mut self) -> io::Result<()> {
        umount2(&self.at, MntFlags::empty())?;
        self.mounted = false;
        Ok(())
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        if self.mounted
            && let Err(error) = umount2(&self.at, MntFlags::MNT_DETACH)
        {
            tracing::warn!("{}: {error}", self.at.display());
        }
    }
}

/// A folder in memory ([tmpfs]); unmounted when dropped, with all that is in it.
///
/// [tmpfs]: https://docs.kernel.org/filesystems/tmpfs.html
#[derive(Debug)]
pub(crate) struct Memory {
    at: PathBuf,
}

impl Memory {
    /// Shows an empty folder at `at`, which is made, for `bytes` at most.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub(crate) fn mount(at: &Path, bytes: u64) -> io::Result<Self> {
        std::fs::create_dir_all(at)?;
        let options = format!("size={bytes},mode=0755");
        mount(
            Some("fbs-root"),
            at,
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        )?;
        Ok(Self { at: at.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Err(error) = umount2(&self.at, MntFlags::MNT_DETACH) {
            tracing::warn!("{}: {error}", self.at.display());
        }
    }
}

/// A path as it stands in the options of a mount.
fn escaped(path: &Path) -> String {
    path.to_string_lossy()
        .replace('\\', "\\\\")
        .replace(',', "\\,")
        .replace(':', "\\:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::BuildContext;
    use crate::process::Invocation;

    fn is_mounted(mountinfo: &str, path: &Path) -> bool {
        let text = std::fs::read_to_string(mountinfo).unwrap();
        text.contains(&path.display().to_string())
    }

    #[tokio::test]
    async fn an_overlay_is_seen_by_its_thread_alone_and_leaves_its_changes() {
        let dir = tempfile::Builder::new().prefix("a,b:c").tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("low")).unwrap();
        std::fs::create_dir_all(path("lower")).unwrap();
        std::fs::write(path("low/a"), "low").unwrap();
        std::fs::write(path("lower/a"), "lower").unwrap();
        std::fs::write(path("lower/b"), "lower").unwrap();
        let (lowers, upper) = (vec![path("low"), path("lower")], path("upper"));
        let (scratch, at) = (path("scratch"), path("at"));
        let there = at.clone();
        let made = apart(move || async move {
            let overlay = Overlay::mount(&lowers, &upper, &scratch, &at).unwrap();
            let read = |name: &str| std::fs::read_to_string(at.join(name)).unwrap();
            assert_eq!(
                (read("a"), read("b")),
                ("low".to_owned(), "lower".to_owned())
            );
            std::fs::write(at.join("b"), "changed").unwrap();
            // Programs that are started here see it, too.
            let cat = Invocation::new("cat").path(&at.join("b"));
            let seen = BuildContext::default().query(&cat).await;
            assert_eq!(seen.unwrap(), ["changed"]);
            // As do the threads for what blocks.
            let path = at.join("b");
            let seen = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
            assert_eq!(seen.unwrap().unwrap(), b"changed");
            assert!(is_mounted("/proc/thread-self/mountinfo", &at));
            overlay.unmount().unwrap();
            assert!(!at.join("b").exists());
            let again = Overlay::mount(
                &[upper.clone(), path_of(&lowers)],
                &at.with_file_name("u2"),
                &at.with_file_name("s2"),
                &at,
            );
            let again = again.unwrap();
            let text = std::fs::read_to_string(at.join("b")).unwrap();
            std::mem::forget(again);
            text
        });
        assert_eq!(made.await.unwrap(), "changed");
        assert!(!is_mounted("/proc/self/mountinfo", &there));
        assert_eq!(std::fs::read_to_string(path("upper/b")).unwrap(), "changed");
        assert_eq!(std::fs::read_to_string(path("lower/b")).unwrap(), "lower");
    }

    #[tokio::test]
    async fn a_folder_in_memory_has_its_limit_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("memory");
        let there = at.clone();
        let full = apart(move || async move {
            let memory = Memory::mount(&at, 1 << 20).unwrap();
            std::fs::write(memory.path().join("a"), vec![1; 1 << 19]).unwrap();
            let full = std::fs::write(memory.path().join("b"), vec![1; 1 << 20]).unwrap_err();
            drop(memory);
            assert!(!is_mounted("/proc/thread-self/mountinfo", &at));
            std::mem::forget(Memory::mount(&at, 1 << 20).unwrap());
            full.kind()
        });
        assert_eq!(full.await.unwrap(), io::ErrorKind::StorageFull);
        assert!(!is_mounted("/proc/self/mountinfo", &there));
        assert_eq!(std::fs::read_dir(there).unwrap().count(), 0);
    }

    fn path_of(lowers: &[PathBuf]) -> PathBuf {
        lowers[1].clone()
    }

    #[tokio::test]
    async fn a_panic_is_told() {
        let error = apart(|| async { panic!("as this test wants it") }).await;
        let error: io::Result<()> = error;
        assert!(error.unwrap_err().to_string().contains("panicked"));
    }
}
