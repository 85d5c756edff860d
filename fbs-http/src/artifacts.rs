//! What was delivered here of a job, and nothing else of this machine.
//!
//! Each job has a folder named by its id. In it is the folder of its delivery, with a report that names the files. A
//! file is served if the report of its job names it, and it is a file there: what a client asks for is compared with
//! names, and never made part of a path.

use std::fs;
use std::path::{Path, PathBuf};

use image_builder::delivery::REPORT;
use image_builder::jobs::JobId;
use image_builder::report::BuildReport;

/// The largest report that is read.
const LARGEST: u64 = 64 << 20;

/// What was delivered of a job.
#[derive(Debug)]
pub(crate) struct Delivered {
    folder: PathBuf,
    pub(crate) report: BuildReport,
}

/// A file of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveredFile {
    pub(crate) name: String,
    pub(crate) size: u64,
    /// As hex, where the report has it.
    pub(crate) sha256: Option<String>,
}

impl Delivered {
    /// That of a job, the newest of several.
    pub(crate) async fn of(images: &Path, job: &JobId) -> Option<Self> {
        let folder = images.join(job.as_str());
        let found = tokio::task::spawn_blocking(move || newest(&folder));
        found.await.ok().flatten()
    }

    /// All that is there, in the report's order.
    pub(crate) fn files(&self) -> Vec<DeliveredFile> {
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
    pub(crate) fn file(&self, name: &str) -> Option<PathBuf> {
        let known = name == REPORT
            || name == self.report.log
            || self.report.files.iter().any(|file| file.name == name);
        // A report is not trusted with paths either.
        let plain = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
        if !known || !plain {
            return None;
        }
        let path = self.folder.join(name);
        is_file(&path).then_some(path)
    }
}

fn newest(folder: &Path) -> Option<Delivered> {
    if !is_folder(folder) {
        return None;
    }
    let entries = folder.read_dir().ok()?;
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut reports: Vec<_> = folders
        .filter(|folder| is_folder(folder))
        .filter_map(|folder| {
            let path = folder.join(REPORT);
            let meta = fs::symlink_metadata(&path).ok()?;
            let fits = meta.is_file() && meta.len() <= LARGEST;
            fits.then(|| Some((meta.modified().ok()?, path, folder)))?
        })
        .collect();
    reports.sort();
    reports.into_iter().rev().find_map(|(_, path, folder)| {
        let text = fs::read(path).ok()?;
        let report = serde_json::from_slice(&text).ok()?;
        Some(Delivered { folder, report })
    })
}

/// Whether it is a folder, and no link to one.
fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// Whether it is a file, and no link to one.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
}

/// What a browser is told of a file. What could act in it is sent as bytes.
pub(crate) fn content_type(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map(|(_, end)| end);
    match end {
        Some("json") => "application/json",
        Some("log" | "txt" | "ks") => "text/plain; charset=utf-8",
        Some("png") => "image/png",
        _ if name == "CHECKSUM" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
