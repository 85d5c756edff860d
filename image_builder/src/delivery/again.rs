//! Delivering what a build left, once more or to another place.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use super::outbox::replace;
use super::{Outbox, REPORT, last, text};
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
    /// Somebody delivers it just now.
    #[error("what is in {} is being delivered by another `fbs deliver`", .0.display())]
    Busy(PathBuf),
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
            Self::File { .. } | Self::Busy(_) => ErrorKind::Failed,
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
            Self::Busy(_) => "wait until that one has ended".to_owned(),
            Self::Nothing(_) => "name another place with --staging".to_owned(),
            Self::Password(_) => "name the place with --staging".to_owned(),
            Self::Transfer(error) => return error.hint(),
        })
    }
}

/// Delivers the files beside a report to `places`; where none are given, to those where the build
/// could not deliver all. What is there already is not sent again. When all is delivered, the
/// report says so, and the folder in which the build kept its files is removed. The report in another folder is renewed,
/// if that can be written to.
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
    for record in kept
        .report
        .deliveries
        .iter()
        .filter(|one| kept.goes_on(one))
    {
        courier.resume(record);
    }
    let name = &kept.report.name;
    tokio::select! {
        checked = courier.check() => checked?,
        () = cancel.cancelled() => return Err(TransferError::Cancelled.into()),
    }
    let mut sent = courier.put(name, &files, events, cancel).await;
    if sent.is_ok() {
        let written = kept.write(&kept.updated(courier.records()))?;
        sent = courier.put(name, &written.last, events, cancel).await;
    }
    // What the last files met with is told, too.
    let mut records = courier.records();
    if sent.is_err() {
        let names = kept.report.files.iter().map(|file| file.name.as_str());
        let names: Vec<&str> = names.chain([kept.report.log.as_str(), REPORT]).collect();
        records.iter_mut().for_each(|one| one.mark_stopped(&names));
    }
    let now: BTreeSet<String> = records.iter().map(|one| one.staging.clone()).collect();
    let report = kept.updated(records);
    let before = report.deliveries.iter();
    for folder in before.filter_map(|one| complete_folder(one, &now)) {
        kept.renew_at(&folder, &report, events);
    }
    let is_spent = sent.is_ok() && report.kept_in.is_none() && Outbox::is_one(&kept.folder);
    if !is_spent {
        renew(&kept.folder, &report, events);
    }
    sent?;
    if let Some(error) = courier.take_error() {
        return Err(error.into());
    }
    if is_spent {
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
    /// As long as it is open, nobody else delivers what is in the folder.
    _lock: File,
}

/// The log and a report as they are sent.
struct Written {
    last: [Delivery; 2],
    /// What the report lies in; gone with this.
    _folder: TempDir,
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
        let folder = path
            .canonicalize()
            .map_err(|error| wrong(error.to_string()))?;
        let folder = folder.parent().unwrap_or(Path::new("/")).to_owned();
        let lock = File::open(&folder).map_err(|error| wrong(error.to_string()))?;
        // Where the file system has no locks, nobody is kept out.
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(DeliverError::Busy(folder));
        }
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
        // A log has no checksum here that would show that a link leads to another file.
        let log = folder.join(&report.log);
        if log.is_symlink() {
            return Err(wrong(format!("its log {} is a link", log.display())));
        }
        Ok(Self {
            folder,
            path: path.clone(),
            report,
            _lock: lock,
        })
    }

    /// Whether a delivery goes on in the folder that it began. One of a build that was stopped does not: its log is there, and
    /// a report that says so, which nothing is written over.
    fn goes_on(&self, record: &DeliveryRecord) -> bool {
        record.error.is_none() || self.report.kept_in.is_some()
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

    /// Writes the report for those who get it; it and the log are what is delivered last. It has a folder of its own: the
    /// one of the old report may be full, or read-only.
    fn write(&self, report: &BuildReport) -> Result<Written, TransferError> {
        let folder = tempfile::tempdir().map_err(|source| TransferError::Put {
            file: REPORT.into(),
            to: std::env::temp_dir(),
            source,
        })?;
        let there = Outbox::at(folder.path()).write(REPORT, &text(report)?)?;
        Ok(Written {
            last: last(report, self.folder.join(&self.report.log), there),
            _folder: folder,
        })
    }

    /// [`renew`] in a folder that had all before, if the report there is of the same build: a report may name any folder.
    fn renew_at(&self, folder: &Path, report: &BuildReport, events: &Events) {
        let is_own = folder.canonicalize().is_ok_and(|it| it == self.folder);
        let path = folder.join(REPORT);
        if is_own || !path.symlink_metadata().is_ok_and(|it| it.is_file()) {
            return;
        }
        let there = std::fs::read(&path).ok();
        let there: Option<BuildReport> = there.and_then(|text| serde_json::from_slice(&text).ok());
        if there.is_some_and(|there| there.job == self.report.job) {
            renew(folder, report, events);
        }
    }

    /// Removes the folder that the build kept, with its work directory.
    fn remove_outbox(&self, events: &Events) {
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

/// The folder of a place of this host that had everything before this delivery, which was to the places `now`.
fn complete_folder(record: &DeliveryRecord, now: &BTreeSet<String>) -> Option<PathBuf> {
    let address: Address = record.staging.parse().ok()?;
    let is_here = matches!(Staging::of(&address, Path::to_owned), Staging::Folder(_));
    let is_complete = record.error.is_none() && !now.contains(&record.staging);
    let folder = record.folder.as_ref().filter(|_| is_here && is_complete)?;
    Some(PathBuf::from(folder))
}

/// Puts the report in the place of an older one. Where that cannot be, the older one stays.
fn renew(folder: &Path, report: &BuildReport, events: &Events) {
    let path = folder.join(REPORT);
    if let Err(error) = text(report).and_then(|text| replace(&path, &text)) {
        let path = path.display();
        events.warn(format!("{path} does not tell of this delivery: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use nix::mount::{MsFlags, mount};
    use serde_json::{Value, json};

    use super::*;
    use crate::compose::mounts::apart;

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
    async fn the_report_in_a_folder_that_had_all_before_is_renewed() {
        let (dir, report, place) = kept(|_| ());
        let first = delivered(&report, &place).await.unwrap();
        let at = |report: &BuildReport| {
            let folder = report.deliveries[0].folder.clone().unwrap();
            PathBuf::from(folder).join(REPORT)
        };
        let told = |path: &Path| -> BuildReport {
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
        };
        // One of another build lies where the report says that it was delivered, too.
        let (_other, other, _) = kept(|report| report["job"] = json!("20260101T000000-abcdef"));
        let strange = std::fs::read_to_string(&other).unwrap();
        let mut said = told(&report);
        said.deliveries.push(DeliveryRecord {
            staging: other.parent().unwrap().display().to_string(),
            folder: Some(other.parent().unwrap().display().to_string()),
            ..DeliveryRecord::default()
        });
        std::fs::write(&report, serde_json::to_string(&said).unwrap()).unwrap();
        let second = Staging::Folder(dir.path().join("second"));
        delivered(&report, &second).await.unwrap();
        for path in [&report, &at(&first)] {
            assert_eq!(told(path).deliveries.len(), 3, "{}", path.display());
        }
        assert_eq!(std::fs::read_to_string(&other).unwrap(), strange);
    }

    #[tokio::test]
    async fn one_at_a_time_delivers_what_is_in_a_folder() {
        let (_dir, report, place) = kept(|_| ());
        let first = Kept::read(&report).unwrap();
        let error = delivered(&report, &place).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
        assert!(matches!(error, DeliverError::Busy(_)), "{error}");
        drop(first);
        delivered(&report, &place).await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_to_is_delivered_as_it_is() {
        let (dir, report, place) = kept(|_| ());
        let folder = report.parent().unwrap();
        let before = std::fs::read_to_string(&report).unwrap();
        let (mounted, path) = (folder.to_owned(), report.clone());
        // Root writes into any folder, but not into one of a file system that is read-only.
        let done = apart(move || async move {
            let bind = |flags| mount(Some(&mounted), &mounted, None::<&str>, flags, None::<&str>);
            bind(MsFlags::MS_BIND)
                .and_then(|()| bind(MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY))?;
            delivered(&path, &place).await.unwrap();
            Ok::<(), nix::Error>(())
        });
        done.await.unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(&report).unwrap(), before);
        let name = crate::notification::test_report().name;
        let there = dir.path().join("staging").join(name);
        let told: Value =
            serde_json::from_slice(&std::fs::read(there.join(REPORT)).unwrap()).unwrap();
        assert_eq!(told["deliveries"].as_array().unwrap().len(), 1);
        assert!(there.join("build.log").is_file());
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
