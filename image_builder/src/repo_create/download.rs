//! Downloading RPMs into the cache: side by side, resumed, and none that was not verified.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use url::Url;

use super::cache::{CachedRpm, RpmCache, part_path};
use super::error::RepoError;
use super::fetch::Fetch;
use super::file_name;
use super::hex;
use super::keyring::Keyring;
use super::progress::Progress;
use super::rate::{DownloadProgress, Rate};
use super::rpm_file::Expected;
use crate::context::BuildContext;
use crate::events::{Stage, Unit};
use crate::host::free_bytes;
use crate::koji::{PayloadHash, RpmDigest};

/// How often progress is told.
const TICK: Duration = Duration::from_millis(500);

/// Kept free on the disk of the cache beside what is to be downloaded, in bytes.
const MARGIN: u64 = 64 << 20;

/// A place that an RPM can be fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCopy {
    /// Its address, http or https.
    pub url: Url,
    /// Its size in bytes, where it is known. Koji's is that of the unsigned copy; a signed one is
    /// a little larger.
    pub size: Option<u64>,
}

impl From<Url> for RemoteCopy {
    fn from(url: Url) -> Self {
        Self { url, size: None }
    }
}

/// An RPM to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Where it may be, the best first: a copy that is not there (404, 410 or 403) leads to the
    /// next, any other failure does not.
    pub copies: Vec<RemoteCopy>,
    /// The name that it gets: plain, and ending in `.rpm`.
    pub file_name: String,
    /// What Koji knows its content by. This or `sha256` is needed.
    pub payload_hash: Option<PayloadHash>,
    /// The SHA-256 of the file, in hex.
    pub sha256: Option<String>,
}

impl Download {
    /// What the RPM must be, if that can be said of it at all.
    fn expected(&self, keyring: Option<&Keyring>) -> Result<Expected, RepoError> {
        if let Some(problem) = file_name::problem(&self.file_name) {
            return Err(RepoError::FileName {
                name: self.file_name.clone(),
                problem,
            });
        }
        let fail = |problem| {
            Err(RepoError::NoChecksum {
                name: self.file_name.clone(),
                problem,
            })
        };
        match (&self.payload_hash, &self.sha256) {
            (None, None) => return fail("neither its payload hash nor its SHA-256 is known"),
            (_, Some(sha)) if !hex::is_hex(sha, 32) => return fail("its SHA-256 is none"),
            _ => {}
        }
        Ok(Expected {
            size: None,
            payload_hash: self.payload_hash.clone(),
            sha256: self.sha256.clone(),
            keyring: keyring.cloned(),
        })
    }

    /// The cache's name for it.
    pub(super) fn key(&self) -> String {
        let Some(hash) = &self.payload_hash else {
            return self.sha256.clone().unwrap_or_default();
        };
        // The digests of a header are as long as the SHA-256 of a file, and are none.
        let digest = match hash.digest() {
            RpmDigest::SigMd5 => "",
            RpmDigest::Sha256Header => "-sha256header",
            RpmDigest::Sha3Header => "-sha3header",
        };
        format!("{}{digest}", hash.hex())
    }

    /// Its size, if known; the largest where the copies differ.
    fn size(&self) -> u64 {
        let sizes = self.copies.iter().filter_map(|copy| copy.size);
        sizes.max().unwrap_or(0)
    }
}

/// How a [`Downloader`] goes about it.
#[derive(Clone)]
pub struct DownloadOptions {
    /// Files at a time.
    pub parallel: usize,
    /// Without a byte for so long, a connection is broken.
    pub stall: Duration,
    /// Failures in a row, without any progress between them, after which a server is given up.
    pub tries: u32,
    /// The wait after the first failure; it doubles with each, up to a minute.
    pub first_wait: Duration,
    /// How often a file that is not what it should be is fetched again.
    pub refetches: u32,
    /// The keys of which one must have signed each RPM.
    pub keyring: Option<Keyring>,
    /// The stage that progress events name.
    pub stage: Stage,
    /// Is told how far it has come, twice a second; the event stream is in any case.
    pub observer: Option<Arc<dyn Fn(DownloadProgress) + Send + Sync>>,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        Self {
            parallel: 6,
            stall: Duration::from_secs(30),
            tries: 6,
            first_wait: Duration::from_millis(500),
            refetches: 2,
            keyring: None,
            stage: Stage::Packages,
            observer: None,
        }
    }
}

impl fmt::Debug for DownloadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadOptions")
            .field("parallel", &self.parallel)
            .field("stall", &self.stall)
            .field("tries", &self.tries)
            .field("first_wait", &self.first_wait)
            .field("refetches", &self.refetches)
            .field("keyring", &self.keyring)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

/// Downloads RPMs into the cache.
#[derive(Debug, Clone)]
pub struct Downloader {
    client: Client,
    cache: RpmCache,
    options: Arc<DownloadOptions>,
}

impl Downloader {
    /// A downloader that uses `client` for everything but its limit on the time of a whole answer.
    #[must_use]
    pub fn new(client: Client, cache: RpmCache, options: DownloadOptions) -> Self {
        Self {
            client,
            cache,
            options: Arc::new(options),
        }
    }

    /// Fetches what of `downloads` is not in the cache; the RPMs come in the order of `downloads`.
    /// What was received before an error or a cancellation is kept for the next time.
    ///
    /// # Errors
    ///
    /// The first that happened; see [`RepoError`].
    pub async fn fetch(
        &self,
        downloads: &[Download],
        ctx: &BuildContext,
    ) -> Result<Vec<CachedRpm>, RepoError> {
        let expected = self.check(downloads)?;
        let progress = Arc::new(Progress::default());
        let space = self.missing(downloads).await?;
        check_space(self.cache.root(), space)?;
        let work = self.run(downloads, expected, ctx, &progress);
        tokio::select! {
            result = work => {
                if result.is_ok() {
                    self.tell(ctx, &progress, &mut Rate::default());
                }
                result
            }
            () = ctx.cancel.cancelled() => Err(RepoError::Cancelled),
            never = self.tick(ctx, &progress) => never,
        }
    }

    /// Everything that can be refused before the first connection.
    fn check(&self, downloads: &[Download]) -> Result<Vec<Expected>, RepoError> {
        let mut names: HashMap<&str, &Download> = HashMap::new();
        for download in downloads {
            if let Some(other) = names.insert(&download.file_name, download)
                && other.key() != download.key()
            {
                return Err(RepoError::Twice(download.file_name.clone()));
            }
        }
        let keyring = self.options.keyring.as_ref();
        let expected = downloads.iter().map(|download| download.expected(keyring));
        expected.collect()
    }

    /// Bytes that the cache has not yet, as far as is known.
    async fn missing(&self, downloads: &[Download]) -> Result<u64, RepoError> {
        let files: Vec<_> = downloads
            .iter()
            .map(|download| {
                let folder = self.cache.folder(&download.key());
                (folder, download.file_name.clone(), download.size())
            })
            .collect();
        let count = move || {
            let length = |path: &Path| path.metadata().map_or(0, |meta| meta.len());
            let missing = files.iter().map(|(folder, name, size)| {
                if folder.join(name).is_file() {
                    return 0;
                }
                size.saturating_sub(length(&part_path(folder, name)))
            });
            missing.fold(0, u64::saturating_add)
        };
        let joined = spawn_blocking(count).await;
        joined.map_err(|error| RepoError::io(self.cache.root())(error.into()))
    }

    async fn run(
        &self,
        downloads: &[Download],
        expected: Vec<Expected>,
        ctx: &BuildContext,
        progress: &Arc<Progress>,
    ) -> Result<Vec<CachedRpm>, RepoError> {
        let permits = Arc::new(Semaphore::new(self.options.parallel.max(1)));
        // Dropped early, it ends all of them.
        let mut tasks = JoinSet::new();
        for (index, (download, expected)) in downloads.iter().zip(expected).enumerate() {
            let fetch = Fetch {
                client: self.client.clone(),
                cache: self.cache.clone(),
                options: Arc::clone(&self.options),
                events: ctx.events.clone(),
                share: progress.share(download.size()),
                download: download.clone(),
                expected,
            };
            let permits = Arc::clone(&permits);
            tasks.spawn(async move {
                // The semaphore is never closed.
                let _permit = permits.acquire_owned().await;
                fetch.run().await.map(|rpm| (index, rpm))
            });
        }
        let mut rpms: Vec<Option<CachedRpm>> = downloads.iter().map(|_| None).collect();
        while let Some(joined) = tasks.join_next().await {
            let (index, rpm) =
                joined.map_err(|error| RepoError::io(self.cache.root())(error.into()))??;
            rpms[index] = Some(rpm);
        }
        Ok(rpms.into_iter().flatten().collect())
    }

    async fn tick<T>(&self, ctx: &BuildContext, progress: &Progress) -> T {
        let mut rate = Rate::default();
        loop {
            tokio::time::sleep(TICK).await;
            self.tell(ctx, progress, &mut rate);
        }
    }

    fn tell(&self, ctx: &BuildContext, progress: &Progress, rate: &mut Rate) {
        let (done, total) = progress.bytes();
        // Nothing to fetch, or nothing known of it yet.
        if total == 0 {
            return;
        }
        let stage = self.options.stage;
        ctx.events.progress(stage, done, total, Unit::Bytes);
        if let Some(observer) = &self.options.observer {
            observer(rate.sample(Instant::now(), done, total));
        }
    }
}

fn check_space(folder: &Path, needed: u64) -> Result<(), RepoError> {
    let free = free_bytes(folder).map_err(RepoError::io(folder))?;
    if needed > 0 && free < needed.saturating_add(MARGIN) {
        return Err(RepoError::Space {
            path: folder.to_owned(),
            free,
            needed,
        });
    }
    Ok(())
}
