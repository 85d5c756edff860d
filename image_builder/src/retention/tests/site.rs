//! A folder of images, records in SQLite, and people who are told.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{at, hours};
use crate::digest::sha256_text;
use crate::events::Outcome;
use crate::jobs::tests::request;
use crate::jobs::{
    Claim, Job, JobEnding, JobEvent, JobEventKind, JobId, JobStore, Payload, SqliteStore,
};
use crate::notification::{Limits, Notice, Notification, Notifier};
use crate::report::FileRecord;
use crate::retention::{ImageFolder, ImageRecord, ImageStore, Keeper, Policy};

pub(super) const LEDGER: &str = "ledger";

pub(super) struct Site {
    pub(super) folder: TempDir,
    pub(super) store: Arc<SqliteStore>,
}

/// 100 hours, a mail 20 hours before, 1000 bytes.
pub(super) fn policy() -> Policy {
    Policy {
        max_age: Some(hours(100)),
        max_size: Some(1000),
        warning: hours(20),
    }
}

pub(super) fn id(name: &str) -> JobId {
    JobId::parse(name).unwrap()
}

impl Site {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.sqlite")).await;
        fs::create_dir(folder.path().join("images")).unwrap();
        Self {
            folder,
            store: Arc::new(store.unwrap()),
        }
    }

    pub(super) fn images(&self) -> PathBuf {
        self.folder.path().join("images")
    }

    /// Another keeper of the same images.
    pub(super) fn keeper(&self, told: Arc<dyn Notification>) -> Keeper {
        let limits = Limits {
            total: std::time::Duration::from_millis(200),
            pause: std::time::Duration::from_millis(150),
            ..Limits::default()
        };
        let folder = ImageFolder::new(self.images());
        Keeper::new(folder, self.store.clone(), self.store.clone(), policy())
            .with_notifier(Notifier::new(limits).with(told))
            .with_address("https://images.example.test/")
    }

    async fn event(&self, job: &str, time: Timestamp, kind: JobEventKind) {
        let place = self.store.place(LEDGER).await.unwrap().unwrap_or_default();
        let event = JobEvent {
            job: id(job),
            time,
            by: "qa@desk".to_owned(),
            kind,
        };
        self.store
            .apply(LEDGER, place + 1, &event)
            .await
            .unwrap()
            .unwrap();
    }

    /// A job that is being built.
    pub(super) async fn begin(&self, job: &str, requester: &str) -> Claim {
        let mut request = request();
        request.requester = requester.to_owned();
        request.payload = Some(Payload {
            spec: "[DEFAULT]\ntype = boot\nrelease = 43\nemail = qa@example.test\n".to_owned(),
            kickstart: None,
        });
        let request = Box::new(request);
        self.event(job, at(-1), JobEventKind::Queued { request })
            .await;
        let claim = Claim {
            worker: "anna".to_owned(),
            session: "anna-1".to_owned(),
            run: 1,
        };
        let claimed = JobEventKind::Claimed {
            claim: claim.clone(),
        };
        self.event(job, at(-1), claimed).await;
        claim
    }

    pub(super) async fn end(&self, job: &str, hour: i64, claim: Claim) -> Job {
        let ending = JobEnding {
            outcome: Outcome::Succeeded,
            error: None,
            exit_code: 0,
            places: Vec::new(),
            seconds: 1.0,
        };
        self.event(job, at(hour), JobEventKind::Ended { claim, ending })
            .await;
        self.store.job(&id(job)).await.unwrap().unwrap()
    }

    /// A job that delivered an image of so many bytes at this hour.
    pub(super) async fn job(&self, job: &str, hour: i64, bytes: usize) -> Job {
        let claim = self.begin(job, "qa@desk").await;
        self.deliver(job, bytes);
        self.end(job, hour, claim).await
    }

    /// What a build hands over.
    pub(super) fn deliver(&self, job: &str, bytes: usize) -> PathBuf {
        let folder = self.images().join(job).join("Fedora-43");
        fs::create_dir_all(&folder).unwrap();
        let mut report = crate::notification::test_report();
        report.files.clear();
        for (name, bytes) in [("boot.iso", vec![7; bytes]), ("bios.png", vec![1; 30])] {
            fs::write(folder.join(name), &bytes).unwrap();
            report.files.push(FileRecord {
                name: name.to_owned(),
                size: bytes.len() as u64,
                sha256: sha256_text(name),
            });
        }
        fs::write(folder.join(&report.log), "a log").unwrap();
        let text = serde_json::to_vec(&report).unwrap();
        fs::write(folder.join("build-report.json"), text).unwrap();
        folder
    }

    /// The files that are left of a job.
    pub(super) fn left(&self, job: &str) -> Vec<String> {
        let folder = self.images().join(job).join("Fedora-43");
        let names = fs::read_dir(folder).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with("imagebuild"));
        names.sort();
        names
    }

    pub(super) async fn record(&self, job: &str) -> ImageRecord {
        self.store.images(&id(job)).await.unwrap().unwrap()
    }
}

/// `expiring a`
pub(super) fn words(notices: &[Notice]) -> Vec<String> {
    let word = |notice: &Notice| format!("{} {}", notice.kind.name(), notice.job);
    notices.iter().map(word).collect()
}
