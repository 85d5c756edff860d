//! What was delivered into a folder of this host, and nothing else of it.
//!
//! Each job has a folder named by its id. In it is the folder of its delivery, with a report that names the files. A
//! file counts if the report of its job names it, and it is a file there: a name is compared, and becomes part of a
//! path only if it is one component. Links are not followed.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::REPORT;
use crate::job_id::JobId;
use crate::report::{BuildReport, FileRecord};

/// The largest report that is read.
const LARGEST_REPORT: u64 = 64 << 20;

/// What is larger is no record of a build, unless its name says that it is one.
const LARGEST_RECORD: u64 = 16 << 20;

/// How names of records end, whatever their size.
const RECORDS: [&str; 5] = ["json", "ks", "log", "png", "txt"];

/// What was delivered of a job.
#[derive(Debug)]
pub struct Delivered {
    images: PathBuf,
    job: JobId,
    name: OsString,
    /// The report that was delivered with it.
    pub report: BuildReport,
}

/// A file of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredFile {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 as hex, where the report has it.
    pub sha256: Option<String>,
}

/// Whether a file is an image or as large as one, and no record of its build: an ISO, or anything of more than 16 MiB
/// that is not called a log, a list or a picture.
#[must_use]
pub fn is_image(name: &str, size: u64) -> bool {
    let end = Path::new(name).extension().and_then(|end| end.to_str());
    match end.map(str::to_ascii_lowercase).as_deref() {
        Some("iso") => true,
        Some(end) if RECORDS.contains(&end) => false,
        _ => size > LARGEST_RECORD,
    }
}

impl Delivered {
    /// That of a job, the newest of several. Below `images` each job has a folder.
    pub async fn of(images: &Path, job: &JobId) -> Option<Self> {
        let (images, job) = (images.to_owned(), job.clone());
        let found = tokio::task::spawn_blocking(move || Self::found(&images, &job).next());
        found.await.ok().flatten()
    }

    /// All of a job, the newest first. Reads the reports.
    #[must_use]
    pub fn all(images: &Path, job: &JobId) -> Vec<Self> {
        Self::found(images, job).collect()
    }

    fn found(images: &Path, job: &JobId) -> impl Iterator<Item = Self> {
        let top = images.join(job.as_str());
        let mut reports: Vec<_> = folders(&top)
            .filter_map(|(name, folder)| {
                let path = folder.join(REPORT);
                let meta = fs::symlink_metadata(&path).ok()?;
                let fits = meta.is_file() && meta.len() <= LARGEST_REPORT;
                fits.then(|| Some((meta.modified().ok()?, path, name)))?
            })
            .collect();
        reports.sort();
        let (images, job) = (images.to_owned(), job.clone());
        reports
            .into_iter()
            .rev()
            .filter_map(move |(_, path, name)| {
                let report = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
                Some(Self {
                    images: images.clone(),
                    job: job.clone(),
                    name,
                    report,
                })
            })
    }

    fn folder(&self) -> PathBuf {
        self.images.join(self.job.as_str()).join(&self.name)
    }

    /// All that is there, in the report's order.
    #[must_use]
    pub fn files(&self) -> Vec<DeliveredFile> {
        let records = self.report.files.iter();
        let recorded = records.map(|file| (file.name.as_str(), Some(file.sha256.clone())));
        let last = [(self.report.log.as_str(), None), (REPORT, None)];
        let there = recorded.chain(last).filter_map(|(name, sha256)| {
            let path = self.file(name)?;
            Some(DeliveredFile {
                name: name.to_owned(),
                size: path.metadata().ok()?.len(),
                sha256,
            })
        });
        there.collect()
    }

    /// The file of this name, if it belongs to the job and is there.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        let known = name == REPORT
            || name == self.report.log
            || self.report.files.iter().any(|file| file.name == name);
        if !known || !is_plain(name) {
            return None;
        }
        let path = self.folder().join(name);
        is_file(&path).then_some(path)
    }

    /// The images that the report names, whether they are still there or not.
    pub fn images(&self) -> impl Iterator<Item = &FileRecord> {
        let files = self.report.files.iter();
        files.filter(|file| {
            let last = file.name == REPORT || file.name == self.report.log;
            !last && is_plain(&file.name) && is_image(&file.name, file.size)
        })
    }

    /// Removes an image. One that is being read stays readable for those who have it open.
    ///
    /// # Errors
    ///
    /// The operating system's; of one that is not there, that is a link, or that is no image of the report, there is
    /// none, and nothing is removed.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        if !self.images().any(|file| file.name == name) {
            return Ok(());
        }
        let removed = self.unlink(name);
        let code = removed.as_ref().err().and_then(io::Error::raw_os_error);
        match code.map(Errno::from_raw) {
            // The last two: a link in the place of a folder.
            Some(Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR) => Ok(()),
            _ => removed,
        }
    }

    /// Each folder is opened in the one before, so that none can be replaced by a link meanwhile.
    fn unlink(&self, name: &str) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let images = fs::File::open(&self.images)?;
        let job = openat(&images, self.job.as_str(), flags, Mode::empty())?;
        let folder = openat(&job, self.name.as_os_str(), flags, Mode::empty())?;
        let found = fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
        if kind == SFlag::S_IFREG {
            unlinkat(&folder, name, UnlinkatFlags::NoRemoveDir)?;
        }
        Ok(())
    }
}

/// The folders in a folder, with their names; links are none.
pub(crate) fn folders(top: &Path) -> impl Iterator<Item = (OsString, PathBuf)> + use<> {
    let entries = is_folder(top).then(|| top.read_dir().ok()).flatten();
    entries.into_iter().flatten().filter_map(|entry| {
        let entry = entry.ok()?;
        let path = entry.path();
        is_folder(&path).then(|| (entry.file_name(), path))
    })
}

/// A report is not trusted with paths.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != ".."
}

/// Whether it is a folder, and no link to one.
fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// Whether it is a file, and no link to one.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_no_images_whatever_their_size() {
        let large = LARGEST_RECORD + 1;
        for (name, size, image) in [
            ("boot.iso", 1, true),
            ("BOOT.ISO", 1, true),
            ("disk.qcow2", large, true),
            ("disk.qcow2", LARGEST_RECORD, false),
            ("rootfs", large, true),
            ("CHECKSUM", 300, false),
            ("serial.log", large, false),
            ("sbom.spdx.json", large, false),
            ("boot.iso.log", large, false),
            ("boot-uefi.png", 4000, false),
        ] {
            assert_eq!(is_image(name, size), image, "{name} of {size}");
        }
    }
}
