//! The FAT image that UEFI firmware reads: its files read and replaced by mtools.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::RespinError;
use crate::context::BuildContext;
use crate::process::Invocation;
use crate::source_date;

/// A copy of an image's UEFI partition.
#[derive(Debug)]
pub(super) struct EspFiles {
    /// The FAT image.
    image: PathBuf,
    /// A folder for files on their way.
    work: PathBuf,
    /// Paths inside, without a leading slash.
    pub(super) paths: Vec<String>,
}

impl EspFiles {
    /// Lists the FAT image at `image`.
    pub(super) async fn open(
        ctx: &BuildContext,
        image: PathBuf,
        work: &Path,
    ) -> Result<Self, RespinError> {
        // -b: one full path a line, -/: those below folders, too.
        let list = Invocation::new("mdir")
            .args(["-b", "-/", "-i"])
            .path(&image)
            .arg("::");
        let lines = ctx.query(&list).await?;
        Ok(Self {
            paths: paths(&lines),
            image,
            work: work.to_owned(),
        })
    }

    /// The FAT image.
    pub(super) fn image(&self) -> &Path {
        &self.image
    }

    /// The bytes of the file at `path`.
    pub(super) async fn read(
        &self,
        ctx: &BuildContext,
        path: &str,
    ) -> Result<Vec<u8>, RespinError> {
        let copy = self.work.join("from-esp");
        ctx.run(&copy_out(&self.image, path, &copy)).await?;
        std::fs::read(&copy).map_err(RespinError::io(&copy))
    }

    /// Replaces the file at `path`, and sees that it was.
    pub(super) async fn replace(
        &self,
        ctx: &BuildContext,
        path: &str,
        bytes: &[u8],
        time: Option<SystemTime>,
    ) -> Result<(), RespinError> {
        let file = self.work.join("to-esp");
        std::fs::write(&file, bytes).map_err(RespinError::io(&file))?;
        set_time(&file, time)?;
        ctx.run(&copy_in(&self.image, &file, path, time)).await?;
        if self.read(ctx, path).await? == bytes {
            return Ok(());
        }
        Err(RespinError::Result {
            program: "mcopy",
            problem: format!("/{path} of the UEFI partition is not what was written"),
        })
    }
}

/// Gives a file the time that files of the new image are to have.
pub(super) fn set_time(path: &Path, time: Option<SystemTime>) -> Result<(), RespinError> {
    let Some(time) = time else { return Ok(()) };
    let file = std::fs::File::options().write(true).open(path);
    file.and_then(|file| file.set_modified(time))
        .map_err(RespinError::io(path))
}

fn copy_out(image: &Path, path: &str, to: &Path) -> Invocation {
    Invocation::new("mcopy")
        .args(["-n", "-o", "-i"])
        .path(image)
        .arg(format!("::{path}"))
        .path(to)
}

fn copy_in(image: &Path, from: &Path, path: &str, time: Option<SystemTime>) -> Invocation {
    // -o overwrites without a question, -m keeps the time, which FAT has as that of a wall clock.
    let mcopy = Invocation::new("mcopy")
        .args(["-o", "-m", "-i"])
        .path(image)
        .path(from)
        .arg(format!("::{path}"))
        .env("TZ", "UTC");
    let epoch = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    match epoch {
        Some(epoch) => mcopy.env(source_date::VARIABLE, epoch.as_secs().to_string()),
        None => mcopy,
    }
}

/// `::/EFI/BOOT/grub.cfg`; folders end in a slash.
fn paths(lines: &[String]) -> Vec<String> {
    let files = lines.iter().filter_map(|line| line.strip_prefix("::/"));
    files
        .filter(|path| !path.ends_with('/'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_listed_read_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("esp.img");
        let ctx = BuildContext::default();
        let menu = dir.path().join("grub.cfg");
        std::fs::write(&menu, "old").unwrap();
        for command in [
            Invocation::new("mkfs.vfat")
                .args(["-C"])
                .path(&image)
                .arg("512"),
            Invocation::new("mmd")
                .arg("-i")
                .path(&image)
                .args(["::EFI", "::EFI/BOOT"]),
            copy_in(&image, &menu, "EFI/BOOT/grub.cfg", None),
        ] {
            ctx.run(&command).await.unwrap();
        }
        let esp = EspFiles::open(&ctx, image, dir.path()).await.unwrap();
        assert_eq!(esp.paths, ["EFI/BOOT/grub.cfg"]);
        assert_eq!(esp.read(&ctx, &esp.paths[0]).await.unwrap(), b"old");
        let long = vec![b'n'; 5000];
        esp.replace(&ctx, &esp.paths[0], &long, None).await.unwrap();
        assert_eq!(esp.read(&ctx, "EFI/BOOT/grub.cfg").await.unwrap(), long);
        // More than there is room for.
        let error = esp
            .replace(&ctx, &esp.paths[0], &vec![0; 1 << 20], None)
            .await;
        assert!(error.is_err());
    }
}
