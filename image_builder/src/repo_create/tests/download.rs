//! Downloads as they should go.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::server::{Fault, Server};
use super::{download, rpm, sigmd5};
use crate::context::BuildContext;
use crate::error::{ErrorKind, StageError};
use crate::events::{BuildEvent, EventKind, Events, Progress, Unit};
use crate::repo_create::{
    CachedRpm, Download, DownloadOptions, Downloader, RemoteCopy, RepoError, RpmCache,
};

/// A downloader into a cache of its own, quick to despair.
pub(super) struct Fixture {
    pub(super) server: Server,
    pub(super) dir: tempfile::TempDir,
    pub(super) ctx: BuildContext,
}

impl Fixture {
    pub(super) async fn new() -> Self {
        Self {
            server: Server::start().await,
            dir: tempfile::tempdir().unwrap(),
            ctx: BuildContext::default(),
        }
    }

    pub(super) fn cache(&self) -> RpmCache {
        RpmCache::open(self.dir.path()).unwrap()
    }

    pub(super) fn downloader(&self) -> Downloader {
        let options = DownloadOptions {
            stall: Duration::from_millis(400),
            tries: 4,
            first_wait: Duration::from_millis(2),
            ..DownloadOptions::default()
        };
        let client = crate::http::client(None).unwrap();
        Downloader::new(client, self.cache(), options)
    }

    pub(super) async fn fetch(&self, downloads: &[Download]) -> Result<Vec<CachedRpm>, RepoError> {
        self.downloader().fetch(downloads, &self.ctx).await
    }

    /// One file that the server has.
    pub(super) async fn fetch_one(&self, name: &str, rpm: &[u8]) -> Result<CachedRpm, RepoError> {
        let url = self.server.add(name, rpm);
        let mut rpms = self.fetch(&[download(name, rpm, &[url])]).await?;
        Ok(rpms.remove(0))
    }
}

#[tokio::test]
async fn files_come_side_by_side_in_their_order_and_then_from_the_cache() {
    let fixture = Fixture::new().await;
    let rpms: Vec<(String, Vec<u8>)> = (0..20)
        .map(|number| format!("pkg{number}"))
        .map(|name| (name.clone(), rpm(&name, 30_000)))
        .collect();
    let downloads: Vec<Download> = rpms
        .iter()
        .map(|(name, rpm)| {
            let slow = Fault::Slow(4096, Duration::from_millis(2));
            fixture.server.fail(name, [slow]);
            download(name, rpm, &[fixture.server.add(name, rpm)])
        })
        .collect();
    for reused in [false, true] {
        let got = fixture.fetch(&downloads).await.unwrap();
        for (got, (name, rpm)) in got.iter().zip(&rpms) {
            assert_eq!(got.file_name, format!("{name}.rpm"));
            assert_eq!(std::fs::read(&got.path).unwrap(), *rpm);
            assert_eq!(
                got.sha256,
                crate::digest::sha256_file(&got.path).await.unwrap()
            );
            assert_eq!((got.reused, got.size), (reused, rpm.len() as u64));
        }
    }
    let asked: usize = rpms
        .iter()
        .map(|(name, _)| fixture.server.asked(name).len())
        .sum();
    assert_eq!(asked, 20);
    assert!(
        (2..=6).contains(&fixture.server.most()),
        "{}",
        fixture.server.most()
    );
}

#[tokio::test]
async fn a_copy_that_is_not_there_leads_to_the_next() {
    let fixture = Fixture::new().await;
    let content = rpm("signed", 1000);
    let urls = [
        fixture.server.missing("signed"),
        fixture.server.add("signed", &content),
    ];
    fixture
        .fetch(&[download("signed", &content, &urls)])
        .await
        .unwrap();

    let urls = [fixture.server.missing("a"), fixture.server.missing("b")];
    // That the same content is in the cache, under another name, does not help.
    let none = [download("none", &content, &urls)];
    let error = fixture.fetch(&none).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "none.rpm is not there, at none of: {}, {}",
            urls[0], urls[1]
        )
    );
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(!error.is_transient());
}

#[tokio::test]
async fn progress_reaches_the_sum_of_the_sizes() {
    let mut fixture = Fixture::new().await;
    let last = Arc::new(Mutex::new((0, 0)));
    let events = Events::new();
    let seen = Arc::clone(&last);
    events.add_sink(Arc::new(move |event: &BuildEvent| {
        if let EventKind::Progress(progress) = event.kind {
            let Progress {
                done, total, unit, ..
            } = progress;
            assert_eq!(unit, Unit::Bytes);
            assert!(done <= total);
            *seen.lock().unwrap() = (done, total);
        }
    }));
    fixture.ctx = BuildContext::new(events, CancellationToken::new());
    let content = rpm("progress", 900_000);
    fixture
        .server
        .fail("progress", [Fault::Cut(300_000), Fault::CutWhole(500_000)]);
    fixture.fetch_one("progress", &content).await.unwrap();
    let size = content.len() as u64;
    assert_eq!(*last.lock().unwrap(), (size, size));
}

#[tokio::test]
async fn cancelling_stops_at_once_and_the_next_time_goes_on() {
    let mut fixture = Fixture::new().await;
    let cancel = CancellationToken::new();
    fixture.ctx = BuildContext::new(Events::new(), cancel.clone());
    let content = rpm("cancelled", 2_000_000);
    fixture.server.fail(
        "cancelled",
        [Fault::Slow(100_000, Duration::from_millis(20))],
    );
    let url = fixture.server.add("cancelled", &content);
    let downloads = [download("cancelled", &content, &[url])];
    let part = {
        let folder = fixture.cache().folder(&sigmd5(&content));
        folder.join("cancelled.rpm.part")
    };
    let stop = async {
        while part.metadata().map_or(0, |meta| meta.len()) < 500_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(fixture.fetch(&downloads), stop);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);

    fixture.ctx = BuildContext::default();
    let rpms = fixture.fetch(&downloads).await.unwrap();
    assert_eq!(std::fs::read(&rpms[0].path).unwrap(), content);
    let asked = fixture.server.asked("cancelled");
    assert!(asked.len() == 2 && asked[1] >= 500_000, "{asked:?}");
}

#[tokio::test]
async fn what_cannot_be_checked_or_named_is_refused_before_any_request() {
    let fixture = Fixture::new().await;
    let content = rpm("plain", 100);
    let plain = download("plain", &content, &[fixture.server.add("plain", &content)]);
    let with = |change: fn(&mut Download)| {
        let mut changed = plain.clone();
        change(&mut changed);
        changed
    };
    for (download, message) in [
        (
            with(|it| it.file_name = "../plain.rpm".to_owned()),
            "\"../plain.rpm\" may not be a file's name: it begins with a dot or a dash",
        ),
        (
            with(|it| it.file_name = "a\n.rpm".to_owned()),
            "\"a\\n.rpm\" may not be a file's name: it has characters that no RPM's name has",
        ),
        (
            with(|it| it.payload_hash = None),
            "plain.rpm cannot be checked: neither its payload hash nor its SHA-256 is known",
        ),
        (
            with(|it| it.sha256 = Some("../../../../../../../etc/passwd/".to_owned())),
            "plain.rpm cannot be checked: its SHA-256 is none",
        ),
    ] {
        let error = fixture.fetch(&[plain.clone(), download]).await.unwrap_err();
        assert!(
            error.to_string() == message || matches!(error, RepoError::Twice(_)),
            "{error}"
        );
    }
    let twice = with(|it| it.payload_hash = "0".repeat(32).parse().ok());
    let error = fixture.fetch(&[plain.clone(), twice]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "plain.rpm is asked for twice, with different content"
    );
    assert!(fixture.server.asked("plain").is_empty());
    // The same twice is the same.
    fixture.fetch(&[plain.clone(), plain]).await.unwrap();
    assert_eq!(fixture.server.asked("plain").len(), 1);
}

#[tokio::test]
async fn the_disk_must_have_room_for_everything() {
    let fixture = Fixture::new().await;
    let content = rpm("huge", 100);
    let mut huge = download("huge", &content, &[fixture.server.add("huge", &content)]);
    huge.copies[0].size = Some(1 << 60);
    let error = fixture.fetch(&[huge]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("1099511627776 MiB are to be downloaded"),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Host);
    assert!(fixture.server.asked("huge").is_empty());
}

#[tokio::test]
async fn a_size_that_is_not_known_is_no_obstacle() {
    let fixture = Fixture::new().await;
    let content = rpm("sizeless", 300_000);
    let url = fixture.server.add("sizeless", &content);
    fixture.server.fail("sizeless", [Fault::Cut(100_000)]);
    let mut sizeless = download("sizeless", &content, &[]);
    sizeless.copies = vec![RemoteCopy::from(url.parse::<url::Url>().unwrap())];
    let rpms = fixture.fetch(&[sizeless]).await.unwrap();
    assert_eq!(rpms[0].size, content.len() as u64);
    assert_eq!(fixture.server.asked("sizeless").len(), 2);
}
