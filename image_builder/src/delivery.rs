//! What a build hands over, and under which names.

use std::io::Write;

use crate::builders::Built;
use crate::digest;
use crate::job_log::JobLog;
use crate::plan::BuildPlan;
use crate::redact;
use crate::report::{BuildReport, FileRecord};
use crate::transfer::{Delivery, Transfer, TransferError};
use crate::verify::BootVerdict;

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
    if let Some(built) = built {
        files.push(Delivery {
            file: built.iso.clone(),
            name: format!("{}.iso", plan.name),
        });
    }
    let evidence = verdicts
        .iter()
        .flat_map(|verdict| verdict.screenshot.iter().chain(Some(&verdict.serial_log)));
    for file in evidence.chain(logs).filter(|file| file.is_file()) {
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

/// A delivered file's line in the report; nothing when it cannot be read any more.
pub async fn record(delivery: &Delivery, built: Option<&Built>) -> Option<FileRecord> {
    let size = delivery.file.metadata().ok()?.len();
    let known = built
        .filter(|built| built.iso == delivery.file)
        .and_then(|built| built.iso_sha256.clone());
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

/// Hands over the job's log and the report, the last files of a build. Nothing happens where no
/// folder could be reserved.
///
/// # Errors
///
/// [`TransferError`].
pub async fn log_and_report(
    staging: &dyn Transfer,
    report: &BuildReport,
    log: &JobLog,
) -> Result<(), TransferError> {
    let Some(folder) = &report.delivered_to else {
        return Ok(());
    };
    let name = log
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    staging
        .put(
            folder,
            &Delivery {
                file: log.path().to_owned(),
                name,
            },
        )
        .await?;
    let file = log.path().with_file_name(REPORT);
    let failed = |source| TransferError::Put {
        file: file.clone(),
        to: folder.join(REPORT),
        source,
    };
    let mut json = serde_json::to_value(report).map_err(|error| failed(error.into()))?;
    redact::json(&mut json);
    std::fs::File::create(&file)
        .and_then(|mut out| writeln!(out, "{json:#}"))
        .map_err(failed)?;
    staging
        .put(
            folder,
            &Delivery {
                file: file.clone(),
                name: REPORT.to_owned(),
            },
        )
        .await?;
    Ok(())
}
