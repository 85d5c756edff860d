//! Delivering what a build left, once more or to another place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Outbox, REPORT, log_and_report};
use crate::context::CancellationToken;
use crate::digest;
use crate::error::{ErrorKind, StageError};
use crate::events::{Events, Outcome, Stage};
use crate::plan::Staging;
use crate::report::{BuildReport, ErrorRecord, FileRecord, VERSION};
use crate::spec::Address;
use crate::transfer::{Courier, Delivery, DeliveryRecord, StagingSettings, TransferError};

/// Why nothing could be delivered again.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The report cannot be read.
    #[error("{}: {problem}", .path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The report's files are not beside it.
    #[error("{}: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// There is nothing to do.
    #[error("everything in {} was delivered", .0.display())]
    Nothing(PathBuf),
    /// The place cannot be reached with what the report says of it.
    #[error("the report does not say how to log in to {0}: passwords are not written down")]
    Password(String),
    /// The delivery failed again; what is left is where it was.
    #[error(transparent)]
    Transfer(#[from] TransferError),
}

impl StageError for DeliverError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Report { .. } | Self::Nothing(_) | Self::Password(_) => ErrorKind::Usage,
            Self::File { .. } => ErrorKind::Failed,
            Self::Transfer(error) => error.kind(),
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Transfer(error) if error.is_transient())
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Report { .. } => {
                format!("name the {REPORT} of the folder that the failed build named")
            }
            Self::File { .. } => "build the image again".to_owned(),
            Self::Nothing(_) => "name another place with --staging".to_owned(),
            Self::Password(_) => "name the place with --staging".to_owned(),
            Self::Transfer(error) => return error.hint(),
        })
    }
}

/// Delivers the files beside a report to `places`; where none are given, to those where the build
/// could not deliver all. What is there already is not sent again. When all is delivered, the
/// report says so, and the folder in which the build kept its files is removed.
///
/// # Errors
///
/// [`DeliverError`]. What is left stays where it is.
pub async fn deliver(
    report: &Path,
    places: &[Staging],
    settings: &[StagingSettings],
    events: &Events,
    cancel: &CancellationToken,
) -> Result<BuildReport, DeliverError> {
    let kept = Kept::read(report)?;
    let places = match places {
        [] => kept.places_left()?,
        places => places.to_vec(),
    };
    let files = kept.files().await?;
    let mut courier = Courier::new(&places, settings)?;
    for record in &kept.report.deliveries {
        courier.resume(record);
    }
    let name = &kept.report.name;
    tokio::select! {
        checked = courier.check() => checked?,
        () = cancel.cancelled() => return Err(TransferError::Cancelled.into()),
    }
    let mut sent = courier.put(name, &files, events, cancel).await;
    if sent.is_ok() {
        let last = kept.write(&kept.updated(courier.records()))?;
        sent = courier.put(name, &last, events, cancel).await;
    }
    // What the last files met with is told, too.
    let mut records = courier.records();
    if sent.is_err() {
        let names = kept.report.files.iter().map(|file| file.name.as_str());
        let names: Vec<&str> = names.chain([kept.report.log.as_str(), REPORT]).collect();
        records.iter_mut().for_each(|one| one.mark_stopped(&names));
    }
    let report = kept.updated(records);
    kept.write(&report)?;
    sent?;
    if let Some(error) = courier.take_error() {
        return Err(error.into());
    }
    if report.kept_in.is_none() {
        kept.remove_outbox(events);
    }
    Ok(report)
}

/// A report with its files beside it.
struct Kept {
    path: PathBuf,
    folder: PathBuf,
    report: BuildReport,
}

impl Kept {
    fn read(path: &Path) -> Result<Self, DeliverError> {
        // A folder is taken for the report in it.
        let path = &match path.is_dir() {
            true => path.join(REPORT),
            false => path.to_owned(),
        };
        let wrong = |problem: String| DeliverError::Report {
            path: path.to_owned(),
            problem,
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let report: BuildReport = serde_json::from_str(&text)
            .map_err(|error| wrong(format!("it is not a report: {error}")))?;
        if report.version > VERSION {
            return Err(wrong(format!(
                "it has the version {}, and this program reads {VERSION}",
                report.version
            )));
        }
        let folder = path
            .canonicalize()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            folder: folder.parent().unwrap_or(Path::new("/")).to_owned(),
            path: path.clone(),
            report,
        })
    }

    fn places_left(&self) -> Result<Vec<Staging>, DeliverError> {
        let left = self.report.deliveries.iter();
        let left: Vec<_> = left.filter(|one| one.error.is_some()).collect();
        if left.is_empty() {
            return Err(DeliverError::Nothing(self.path.clone()));
        }
        let place = |one: &&DeliveryRecord| {
            if one.staging.contains(":***@") {
                return Err(DeliverError::Password(one.staging.clone()));
            }
            let address: Result<Address, _> = one.staging.parse();
            let address = address.map_err(|error| DeliverError::Report {
                path: self.path.clone(),
                problem: format!("its staging place {}: {}", one.staging, error.problem),
            })?;
            Ok(Staging::of(&address, Path::to_owned))
        };
        left.iter().map(place).collect()
    }

    /// The files as the report lists them.
    async fn files(&self) -> Result<Vec<Delivery>, DeliverError> {
        let mut files = Vec::new();
        for FileRecord { name, size, sha256 } in &self.report.files {
            let file = self.folder.join(name);
            let wrong = |problem: String| DeliverError::File {
                path: file.clone(),
                problem,
            };
            // The report may come from anywhere: its names stay in its folder.
            if name.contains('/') || matches!(name.as_str(), "" | "." | "..") {
                return Err(wrong("it is no name of a file".to_owned()));
            }
            let found = file.metadata().map_err(|error| wrong(error.to_string()))?;
            if found.len() != *size {
                return Err(wrong(format!(
                    "it has {} bytes, and not {size}",
                    found.len()
                )));
            }
            let found = digest::sha256_file(&file).await;
            if found.map_err(|error| wrong(error.to_string()))? != *sha256 {
                return Err(wrong("its checksum is not that of the report".to_owned()));
            }
            files.push(Delivery {
                file,
                name: name.clone(),
                sha256: Some(sha256.clone()),
            });
        }
        Ok(files)
    }

    /// The report with what became of these deliveries.
    fn updated(&self, records: Vec<DeliveryRecord>) -> BuildReport {
        let mut report = self.report.clone();
        let new: BTreeSet<&str> = records.iter().map(|one| one.staging.as_str()).collect();
        let is_old = |one: &DeliveryRecord| !new.contains(one.staging.as_str());
        report.deliveries.retain(is_old);
        report.deliveries.extend(records);
        if report.deliveries.iter().all(|one| one.error.is_none()) {
            report.kept_in = None;
            let undelivered = |error: &ErrorRecord| error.stage == Some(Stage::Transfer);
            if report.error.as_ref().is_some_and(undelivered) {
                report.error = None;
                report.outcome = Outcome::Succeeded;
            }
        }
        report
    }

    /// Writes the report over the old one; it and the log are what is delivered last.
    fn write(&self, report: &BuildReport) -> Result<[Delivery; 2], TransferError> {
        let outbox = Outbox::at(&self.folder);
        log_and_report(&outbox, report, &self.folder.join(&self.report.log))
    }

    /// Removes the folder that the build kept, with its work directory; not one in which somebody
    /// wants to have it.
    fn remove_outbox(&self, events: &Events) {
        if !Outbox::is_one(&self.folder) {
            return;
        }
        let work = self.folder.parent().unwrap_or(&self.folder);
        let removed = std::fs::remove_dir_all(&self.folder);
        if let Err(error) = removed {
            events.warn(format!(
                "{} was not removed: {error}",
                self.folder.display()
            ));
        }
        // There may be more in it.
        let _ = std::fs::remove_dir(work);
    }
}
