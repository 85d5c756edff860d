//! Delivering what a build left, once more or to another place.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

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

/// A report may come from anywhere: what it names lies in its folder, and goes into one folder of
/// each place.
fn check_names(report: &BuildReport) -> Result<(), String> {
    let own = [("name", &report.name), ("log", &report.log)];
    let own = own.map(|(key, name)| (key.to_owned(), name.as_str()));
    let files = report.files.iter().enumerate();
    let files = files.map(|(index, file)| (format!("files[{index}].name"), file.name.as_str()));
    let folders = report.deliveries.iter().enumerate();
    let folders = folders.filter_map(|(index, one)| {
        let key = format!("the end of deliveries[{index}].folder");
        Some((key, one.folder_name()?))
    });
    match own
        .into_iter()
        .chain(files)
        .chain(folders)
        .find(|(_, name)| !is_plain(name))
    {
        Some((key, name)) => Err(format!("{key} is {name:?}, and no plain name of a file")),
        None => Ok(()),
    }
}

/// Whether a name stays in its folder, and is one that a protocol of lines can say.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let first = parts.next();
    first == Some(Component::Normal(name.as_ref()))
        && parts.next().is_none()
        && !name.contains(char::is_control)
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
        check_names(&report).map_err(wrong)?;
        let folder = path
            .canonicalize()
            .map_err(|error| wrong(error.to_string()))?;
        let folder = folder.parent().unwrap_or(Path::new("/")).to_owned();
        // A log has no checksum here that would show that a link leads to another file.
        let log = folder.join(&report.log);
        if log.is_symlink() {
            return Err(wrong(format!("its log {} is a link", log.display())));
        }
        Ok(Self {
            folder,
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A staging folder, and the report of a build whose only file is its log, in a folder of its own.
    fn kept(change: impl FnOnce(&mut Value)) -> (tempfile::TempDir, PathBuf, Staging) {
        let dir = tempfile::tempdir().unwrap();
        let (folder, staging) = (dir.path().join("kept"), dir.path().join("staging"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::create_dir(&staging).unwrap();
        std::fs::write(dir.path().join("secretfile"), "secret").unwrap();
        std::fs::write(folder.join("build.log"), "log").unwrap();
        let mut report = serde_json::to_value(crate::notification::test_report()).unwrap();
        report["log"] = json!("build.log");
        report["files"] = json!([]);
        report["deliveries"] = json!([]);
        change(&mut report);
        let path = folder.join(REPORT);
        std::fs::write(&path, report.to_string()).unwrap();
        (dir, path, Staging::Folder(staging))
    }

    async fn delivered(report: &Path, staging: &Staging) -> Result<BuildReport, DeliverError> {
        let (events, cancel) = (Events::new(), CancellationToken::new());
        let places = std::slice::from_ref(staging);
        deliver(report, places, &[], &events, &cancel).await
    }

    #[tokio::test]
    async fn names_that_leave_their_folder_are_refused() {
        let staging = |report: &Path| report.ancestors().nth(2).unwrap().join("staging");
        for (key, value) in [
            ("/name", "../escaped-dir"),
            ("/name", "/etc"),
            ("/name", ".."),
            ("/name", ""),
            ("/name", "x/"),
            ("/name", "x\r\nDELE y"),
            ("/log", "../secretfile"),
            ("/files/0/name", "../secretfile"),
            ("/deliveries/0/folder", "/srv/.."),
            ("/deliveries/0/folder", "ftp://h/pub/../"),
        ] {
            let (_dir, report, place) = kept(|report| {
                report["files"] = json!([{"name": "a.iso", "size": 6, "sha256": "00"}]);
                report["deliveries"] =
                    json!([{"staging": "/srv", "folder": "/srv/x", "files": []}]);
                *report.pointer_mut(key).unwrap() = json!(value);
            });
            let error = delivered(&report, &place).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
            let words = error.to_string();
            let last = value.trim_end_matches('/').rsplit('/').next();
            let shown = match key {
                "/deliveries/0/folder" => format!("{:?}", last.unwrap()),
                _ => format!("{value:?}"),
            };
            let named = key.trim_start_matches('/').replace("/0/", "[0].");
            for part in [&report.display().to_string(), &named, &shown] {
                assert!(words.contains(part.as_str()), "{part}: {words}");
            }
            assert_eq!(staging(&report).read_dir().unwrap().count(), 0, "{words}");
            let around = report.ancestors().nth(2).unwrap();
            assert_eq!(around.read_dir().unwrap().count(), 3, "{words}");
        }
    }

    #[tokio::test]
    async fn a_log_that_is_a_link_is_not_delivered() {
        let (_dir, report, place) = kept(|_| ());
        let log = report.with_file_name("build.log");
        std::fs::remove_file(&log).unwrap();
        std::os::unix::fs::symlink("../secretfile", &log).unwrap();
        let error = delivered(&report, &place).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        assert!(error.to_string().contains("build.log is a link"), "{error}");

        let (_dir, report, place) = kept(|_| ());
        delivered(&report, &place).await.unwrap();
    }
}
