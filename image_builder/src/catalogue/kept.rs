//! Catalogues that were asked for once are likely to be asked for again.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::error::CatalogueError;
use super::index::Catalogue;
use super::reader::CatalogueReader;
use crate::repository::{Repository, Source};

/// As many catalogues are kept.
const MOST: usize = 2;

/// For so long: updates come a few times a day.
const FRESH: Duration = Duration::from_secs(3600);

/// So long a repository that cannot be read is not asked again.
const FAILED: Duration = Duration::from_secs(60);

/// As many failures are remembered.
const MOST_FAILED: usize = 32;

/// As many catalogues are read at a time.
const AT_ONCE: usize = 4;

/// What became of reading some repositories.
type Outcome = Result<Arc<Catalogue>, Arc<CatalogueError>>;

/// What says which repositories are meant.
type Key = Vec<(String, Vec<Source>, bool)>;

/// Reads catalogues for many who ask, and keeps a few.
///
/// Those who ask for the same at once wait for one reading, which goes on when they leave. Clones share what is kept.
#[derive(Debug, Clone)]
pub struct Catalogues {
    reader: CatalogueReader,
    kept: Arc<Mutex<Vec<Kept>>>,
    readings: Arc<Semaphore>,
}

#[derive(Debug)]
struct Kept {
    key: Key,
    /// None until it was read.
    outcome: watch::Receiver<Option<(Instant, Outcome)>>,
    asked: Instant,
}

impl Kept {
    /// Since when there is a catalogue, or since when there is none; none while it is being read.
    fn since(&self) -> Option<(Instant, bool)> {
        let outcome = self.outcome.borrow();
        let (since, outcome) = outcome.as_ref()?;
        Some((*since, outcome.is_ok()))
    }

    fn is_fresh(&self) -> bool {
        match self.since() {
            Some((since, true)) => since.elapsed() < FRESH,
            Some((since, false)) => since.elapsed() < FAILED,
            // Unless the reading broke.
            None => self.outcome.has_changed().is_ok(),
        }
    }
}

impl Catalogues {
    /// None yet; `reader` reads them.
    #[must_use]
    pub fn new(reader: CatalogueReader) -> Self {
        Self {
            reader,
            kept: Arc::default(),
            readings: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The catalogue of some repositories, if it is at hand; or why there is none, if that is known.
    pub fn at_hand(&self, repositories: &[Repository]) -> Option<Outcome> {
        let key = key(repositories);
        let outcome = self.known(&key)?;
        let outcome = outcome.borrow();
        outcome.as_ref().map(|(_, outcome)| outcome.clone())
    }

    /// The catalogue of some repositories.
    ///
    /// # Errors
    ///
    /// Why there is none, now or a minute ago; too many others are being read.
    pub async fn of(&self, repositories: &[Repository]) -> Outcome {
        let (reader, wanted) = (self.reader.clone(), repositories.to_vec());
        let read = async move { reader.read(&wanted).await };
        self.read_by(key(repositories), read).await
    }

    /// The catalogue of a key, which `read` reads if it is not there.
    pub(super) async fn read_by(
        &self,
        key: Key,
        read: impl Future<Output = Result<Catalogue, CatalogueError>> + Send + 'static,
    ) -> Outcome {
        let mut outcome = match self.known(&key) {
            Some(outcome) => outcome,
            None => self.begin(key, read)?,
        };
        let outcome = outcome.wait_for(Option::is_some).await;
        match outcome.as_deref() {
            Ok(Some((_, outcome))) => outcome.clone(),
            _ => Err(Arc::new(CatalogueError::Broken)),
        }
    }

    fn known(&self, key: &Key) -> Option<watch::Receiver<Option<(Instant, Outcome)>>> {
        let mut kept = self.lock();
        kept.retain(Kept::is_fresh);
        let known = kept.iter_mut().find(|kept| kept.key == *key)?;
        known.asked = Instant::now();
        Some(known.outcome.clone())
    }

    fn begin(
        &self,
        key: Key,
        read: impl Future<Output = Result<Catalogue, CatalogueError>> + Send + 'static,
    ) -> Result<watch::Receiver<Option<(Instant, Outcome)>>, Arc<CatalogueError>> {
        let mut kept = self.lock();
        // Somebody else may have begun since.
        if let Some(known) = kept.iter().find(|kept| kept.key == key) {
            return Ok(known.outcome.clone());
        }
        let permit = self.readings.clone().try_acquire_owned();
        let permit = permit.map_err(|_| CatalogueError::Busy { most: AT_ONCE })?;
        let (sender, outcome) = watch::channel(None);
        let asked = Instant::now();
        kept.push(Kept {
            key,
            outcome: outcome.clone(),
            asked,
        });
        drop(kept);
        let this = self.clone();
        tokio::spawn(async move {
            let read = read.await.map(Arc::new).map_err(Arc::new);
            // Whoever asked may have gone.
            let _ = sender.send(Some((Instant::now(), read)));
            drop(permit);
            this.forget();
        });
        Ok(outcome)
    }

    /// Forgets what nobody has asked for the longest, if there is too much.
    fn forget(&self) {
        let mut kept = self.lock();
        kept.sort_by_key(|kept| std::cmp::Reverse(kept.asked));
        let (mut good, mut failed) = (0, 0);
        kept.retain(|kept| match kept.since() {
            Some((_, true)) => {
                good += 1;
                good <= MOST
            }
            Some((_, false)) => {
                failed += 1;
                failed <= MOST_FAILED
            }
            None => true,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(repositories: &[Repository]) -> Key {
    let one = |one: &Repository| (one.id.clone(), one.sources.clone(), one.groups);
    repositories.iter().map(one).collect()
}
