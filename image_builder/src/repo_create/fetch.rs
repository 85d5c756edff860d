//! Fetching one RPM: the entry's lock, the copies in their order, again when it is corrupt.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use tokio::task::spawn_blocking;
use url::Url;

use super::attempt::{Attempt, Broken};
use super::cache::{CachedRpm, RpmCache, part_path};
use super::download::{Download, DownloadOptions, RemoteCopy};
use super::error::RepoError;
use super::fault::RpmFault;
use super::part_file::{PartError, Pump};
use super::progress::Share;
use super::retry_after;
use super::rpm_file::{Expected, IntactRpm};
use crate::backoff;
use crate::cache::EntryLock;
use crate::events::Events;

/// How often to look whether another process has filled the entry.
const LOOK: Duration = Duration::from_millis(100);

/// So many bytes are progress: failures before them are forgotten.
const PROGRESS: u64 = 64 * 1024;

/// Fetches one RPM.
pub(super) struct Fetch {
    pub(super) client: Client,
    pub(super) cache: RpmCache,
    pub(super) options: Arc<DownloadOptions>,
    pub(super) events: Events,
    pub(super) share: Share,
    pub(super) download: Download,
    pub(super) expected: Expected,
}

/// Why one copy was not fetched.
enum Failed {
    /// The server does not have it.
    Missing,
    /// What came is not what was expected.
    Corrupt(RpmFault),
    /// Everything else.
    Other(RepoError),
}

impl Fetch {
    /// The RPM, from the cache or through it.
    pub(super) async fn run(mut self) -> Result<CachedRpm, RepoError> {
        let folder = self.cache.folder(&self.download.key());
        let io = |error| RepoError::io(&folder)(error);
        let mut filled = false;
        loop {
            // Whoever reads shares the lock, so a hit never waits for other readers.
            if let Some(lock) = self.lock(EntryLock::shared).await.map_err(io)?
                && let Ok(mut rpm) = self.lookup(lock).await.map_err(io)?
            {
                rpm.reused = !filled;
                self.share.total(if filled { rpm.size } else { 0 });
                self.share.done(if filled { rpm.size } else { 0 });
                return Ok(rpm);
            }
            let Some(lock) = self.lock(EntryLock::exclusive).await.map_err(io)? else {
                tokio::time::sleep(LOOK).await;
                continue;
            };
            // Between the two locks somebody else may have filled it.
            if let Err(lock) = self.lookup(lock).await.map_err(io)? {
                self.fill(Arc::new(lock)).await?;
                filled = true;
            }
        }
    }

    async fn lock(
        &self,
        kind: fn(&std::path::Path) -> std::io::Result<Option<EntryLock>>,
    ) -> std::io::Result<Option<EntryLock>> {
        let folder = self.cache.folder(&self.download.key());
        spawn_blocking(move || kind(&folder)).await?
    }

    async fn lookup(&self, lock: EntryLock) -> std::io::Result<Result<CachedRpm, EntryLock>> {
        let (name, expected) = (self.download.file_name.clone(), self.expected.clone());
        spawn_blocking(move || RpmCache::lookup(lock, &name, &expected)).await?
    }

    /// Fetches the first copy that is there into the entry.
    async fn fill(&mut self, lock: Arc<EntryLock>) -> Result<(), RepoError> {
        let copies = self.download.copies.clone();
        for copy in &copies {
            let mut tries = 0;
            loop {
                tries += 1;
                let fault = match self.pull(copy, &lock).await {
                    Ok(intact) => return self.commit(lock, intact).await,
                    Err(Failed::Missing) => break,
                    Err(Failed::Other(error)) => return Err(error),
                    Err(Failed::Corrupt(fault)) => fault,
                };
                // The same key will not fit the next time either.
                let hopeless = matches!(fault, RpmFault::Unsigned | RpmFault::Signature(_));
                let url = shown(&copy.url);
                if hopeless || tries > self.options.refetches {
                    return Err(RepoError::Corrupt { url, tries, fault });
                }
                self.events
                    .warn(format!("{url} is refused and fetched again: {fault}"));
            }
        }
        Err(RepoError::NotFound {
            name: self.download.file_name.clone(),
            urls: copies.iter().map(|copy| shown(&copy.url)).collect(),
        })
    }

    async fn commit(&self, lock: Arc<EntryLock>, intact: IntactRpm) -> Result<(), RepoError> {
        let name = self.download.file_name.clone();
        let path = lock.folder().join(&name);
        let done = spawn_blocking(move || RpmCache::commit(&lock, &name, &intact)).await;
        done.unwrap_or_else(|error| Err(error.into()))
            .map_err(RepoError::io(&path))
    }

    /// Fetches `copy` into the entry's partial file, going on after each break.
    async fn pull(
        &mut self,
        copy: &RemoteCopy,
        lock: &Arc<EntryLock>,
    ) -> Result<IntactRpm, Failed> {
        let path = part_path(lock.folder(), &self.download.file_name);
        let mut expected = self.expected.clone();
        expected.size = copy.size;
        let mut pump = Pump::start(&path, expected, Arc::clone(lock))
            .await
            .map_err(|error| Failed::Other(RepoError::io(&path)(error)))?;
        let mut attempt = Attempt::new(&self.client, copy, self.options.stall);
        let mut failures = 0;
        // A server that always begins anew must not count as progress each time.
        let mut furthest = pump.length;
        loop {
            let broken = match attempt.run(&mut pump, &mut self.share).await {
                // The thread has ended: it knows why.
                Ok(()) | Err(Broken::Stopped) => break,
                Err(broken) => broken,
            };
            let (problem, asked) = match broken {
                Broken::Missing => return Err(Failed::Missing),
                Broken::Size { expected, found } => {
                    return Err(Failed::Corrupt(RpmFault::Size { expected, found }));
                }
                Broken::Refused(problem) => {
                    let url = shown(&copy.url);
                    return Err(Failed::Other(RepoError::Refused { url, problem }));
                }
                Broken::Transient { problem, wait } => (problem, wait),
                Broken::Stopped => break,
            };
            if pump.length >= furthest + PROGRESS {
                failures = 0;
                furthest = pump.length;
            }
            failures += 1;
            let url = shown(&copy.url);
            if failures >= self.options.tries {
                let tries = failures;
                return Err(Failed::Other(RepoError::Unreachable {
                    url,
                    tries,
                    problem,
                }));
            }
            let wait = backoff::wait(self.options.first_wait, retry_after::LONGEST, failures);
            let wait = asked.map_or(wait, |asked| wait.max(asked));
            self.events.warn(format!(
                "{url}: {problem}; going on from byte {} in {:.1} s",
                pump.length,
                wait.as_secs_f64()
            ));
            tokio::time::sleep(wait).await;
        }
        pump.end().await.map_err(|error| match error {
            PartError::Fault(fault) => Failed::Corrupt(fault),
            PartError::Io(error) => Failed::Other(RepoError::io(&path)(error)),
        })
    }
}

/// An address as it may be shown: without a password.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() {
        // Fails only for addresses that cannot have one.
        let _ = url.set_password(Some("***"));
    }
    url.into()
}
