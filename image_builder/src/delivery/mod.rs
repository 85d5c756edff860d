//! What a build hands over, and under which names.

mod checksum;
mod images_json;
mod sbom;

use std::io::Write;

use crate::builders::Built;
use crate::context::CancellationToken;
use crate::digest;
use crate::job_log::JobLog;
use crate::plan::BuildPlan;
use crate::redact;
use crate::report::{BuildReport, FileRecord};
use crate::transfer::{Delivery, Transfer, TransferError};
use crate::verify::{BootVerdict, IsoContents};

/// The report's name in the staging folder.
pub const REPORT: &str = "build-report.json";

/// The files of a build in the order in which they are handed over: image, boot tests, logs of
/// tools.
#[must_use]
pub fn files(
    plan: &BuildPlan,
    built: Option<&Built>,
    verdicts: &[BootVerdict],
    logs: &[std::path::PathBuf],
) -> Vec<Delivery> {
    let mut files = Vec::new();
    let image = built.and_then(|built| built.iso.as_ref());
    if let Some(iso) = image {
        files.push(Delivery {
            file: iso.clone(),
            name: plan.image_file(),
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
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        files.push(Delivery {
            file: file.clone(),
            name,
        });
    }
    files
}

/// The lists that go with an image, written into the work directory: `CHECKSUM` of all images among
/// the `delivered`, `images.json` and an SPDX bill of materials of the first of them.
///
/// # Errors
///
/// [`TransferError::Put`] for one that cannot be written.
pub fn lists(
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
    let folder = plan.paths.work.join("lists");
    let write = |(name, text): (String, String)| {
        let file = folder.join(&name);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&file, text))
            .map_err(|source| TransferError::Put {
                file: file.clone(),
                to: file.clone(),
                source,
            })?;
        Ok(Delivery { file, name })
    };
    texts.into_iter().map(write).collect()
}

/// A delivered file's line in the report, with its checksum if that is known; nothing when the file
/// cannot be read any more.
pub async fn record(delivery: &Delivery, known: Option<String>) -> Option<FileRecord> {
    let size = delivery.file.metadata().ok()?.len();
    let sha256 = match known {
        Some(sha256) => sha256,
        None => digest::sha256_files(std::slice::from_ref(&delivery.file))
            .await
            .ok()?
            .pop()?,
    };
    Some(FileRecord {
        name: delivery.name.clone(),
        size,
        sha256,
    })
}

/// Writes the report beside the job's log and hands both over, the last files of a build. They stay
/// where they are when no folder could be reserved.
///
/// # Errors
///
/// [`TransferError`].
pub async fn log_and_report(
    staging: &dyn Transfer,
    report: &BuildReport,
    log: &JobLog,
) -> Result<(), TransferError> {
    let file = log.path().with_file_name(REPORT);
    let failed = |source| TransferError::Put {
        file: file.clone(),
        to: file.clone(),
        source,
    };
    let mut json = serde_json::to_value(report).map_err(|error| failed(error.into()))?;
    redact::json(&mut json);
    std::fs::File::create(&file)
        .and_then(|mut out| writeln!(out, "{json:#}"))
        .map_err(failed)?;
    let Some(folder) = &report.delivered_to else {
        return Ok(());
    };
    for file in [log.path(), &file] {
        let name = file.file_name().unwrap_or_default();
        let delivery = Delivery {
            file: file.to_owned(),
            name: name.to_string_lossy().into_owned(),
        };
        // They come last whatever happened, and are small.
        staging
            .put(folder, &delivery, &CancellationToken::new())
            .await?;
    }
    Ok(())
}
