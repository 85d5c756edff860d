//! What a build hands over and under which names, and what of it is still there.

mod again;
mod checksum;
mod delivered;
mod images_json;
mod outbox;
mod sbom;

pub use again::{DeliverError, deliver};
pub(crate) use delivered::folders;
pub use delivered::{Delivered, DeliveredFile, is_image};
pub use outbox::Outbox;

use std::path::PathBuf;

use crate::builders::Built;
use crate::digest;
use crate::plan::BuildPlan;
use crate::redact;
use crate::report::{BuildReport, FileRecord};
use crate::transfer::{Delivery, TransferError};
use crate::verify::{BootVerdict, IsoContents};

/// The report's name in the staging folder.
pub const REPORT: &str = "build-report.json";

/// Puts the files of a build into its outbox, in the order in which they are handed over: image,
/// boot tests, logs of tools.
///
/// # Errors
///
/// [`TransferError::Put`] for one that cannot be put there or read.
pub async fn files(
    outbox: &Outbox,
    plan: &BuildPlan,
    built: Option<&Built>,
    image_sha256: Option<&str>,
    verdicts: &[BootVerdict],
    logs: &[PathBuf],
) -> Result<Vec<Delivery>, TransferError> {
    let mut files = Vec::new();
    if let Some(iso) = built.and_then(|built| built.iso.as_ref()) {
        let name = plan.image_file();
        files.push(Delivery {
            file: outbox.add(iso, &name)?,
            name,
            sha256: image_sha256.map(str::to_owned),
        });
    }
    let evidence = verdicts
        .iter()
        .flat_map(|verdict| verdict.screenshot.iter().chain(Some(&verdict.serial_log)));
    let extra = built.iter().flat_map(|built| &built.extra);
    for file in evidence
        .chain(extra)
        .chain(logs)
        .filter(|file| file.is_file())
    {
        let name = file.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        files.push(Delivery {
            file: outbox.add(file, &name)?,
            name,
            sha256: None,
        });
    }
    hash(&mut files).await?;
    Ok(files)
}

/// The lists that go with an image, written into the outbox: `CHECKSUM` of all images among the
/// `delivered`, `images.json` and an SPDX bill of materials of the first of them.
///
/// # Errors
///
/// [`TransferError::Put`] for one that cannot be written.
pub async fn lists(
    outbox: &Outbox,
    plan: &BuildPlan,
    contents: &IsoContents,
    delivered: &[FileRecord],
) -> Result<Vec<Delivery>, TransferError> {
    let is_image = |file: &&FileRecord| file.name.ends_with(".iso");
    let images: Vec<FileRecord> = delivered.iter().filter(is_image).cloned().collect();
    let Some(image) = images.first() else {
        return Ok(Vec::new());
    };
    let pretty = |value: serde_json::Value| format!("{value:#}\n");
    let packages = contents.delivered_packages();
    let texts = [
        ("CHECKSUM".to_owned(), checksum::text(&images)),
        (
            "images.json".to_owned(),
            pretty(images_json::json(plan, image, contents)),
        ),
        (
            format!("{}.spdx.json", plan.name),
            pretty(sbom::json(plan, image, packages)),
        ),
    ];
    let mut lists = Vec::new();
    for (name, text) in texts {
        lists.push(Delivery {
            file: outbox.write(&name, &text)?,
            name,
            sha256: None,
        });
    }
    hash(&mut lists).await?;
    Ok(lists)
}

/// Fills in the checksums that are not known.
async fn hash(files: &mut [Delivery]) -> Result<(), TransferError> {
    let unknown: Vec<_> = files
        .iter()
        .filter(|file| file.sha256.is_none())
        .map(|file| file.file.clone())
        .collect();
    let sums = digest::sha256_files(&unknown).await;
    let sums = sums.map_err(|(file, source)| TransferError::Put {
        to: file.clone(),
        file,
        source,
    })?;
    let unknown = files.iter_mut().filter(|file| file.sha256.is_none());
    for (file, sum) in unknown.zip(sums) {
        file.sha256 = Some(sum);
    }
    Ok(())
}

/// The lines of files in the report.
pub fn records(files: &[Delivery]) -> impl Iterator<Item = FileRecord> {
    files.iter().map(|file| FileRecord {
        name: file.name.clone(),
        size: file.file.metadata().map_or(0, |file| file.len()),
        sha256: file.sha256.clone().unwrap_or_default(),
    })
}

/// The job's log and the report, the last files of a build, in its outbox.
///
/// # Errors
///
/// [`TransferError::Put`]
pub fn log_and_report(
    outbox: &Outbox,
    report: &BuildReport,
    log: &std::path::Path,
) -> Result<[Delivery; 2], TransferError> {
    let log_there = outbox.folder().join(&report.log);
    let log_there = match log == log_there {
        true => log_there,
        false => outbox.add(log, &report.log)?,
    };
    let report_there = outbox.write(REPORT, &text(report)?)?;
    Ok(last(report, log_there, report_there))
}

/// The files `log` and `there`, the report, as they are delivered.
fn last(report: &BuildReport, log: PathBuf, there: PathBuf) -> [Delivery; 2] {
    let files = [(log, report.log.clone()), (there, REPORT.to_owned())];
    files.map(|(file, name)| Delivery {
        file,
        name,
        sha256: None,
    })
}

/// The report as it is written, without passwords.
fn text(report: &BuildReport) -> Result<String, TransferError> {
    let mut json = serde_json::to_value(report).map_err(|error| TransferError::Put {
        file: REPORT.into(),
        to: REPORT.into(),
        source: error.into(),
    })?;
    redact::json(&mut json);
    Ok(format!("{json:#}\n"))
}
