//! What many ask for: made once for all who would be given the same, until a job becomes another.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So long something holds if no job has become another: who builds, and with it why a job waits, changes by itself.
const FRESH: Duration = Duration::from_secs(1);

/// What was made last, by what it is for; `MOST` at a time.
#[derive(Debug)]
pub(crate) struct Kept<K, V, const MOST: usize>(Mutex<Made<K, V>>);

#[derive(Debug)]
struct Made<K, V> {
    /// How many jobs had become others when these were begun.
    version: u64,
    values: HashMap<K, (Instant, V)>,
}

impl<K, V, const MOST: usize> Default for Kept<K, V, MOST> {
    fn default() -> Self {
        Self(Mutex::new(Made {
            version: 0,
            values: HashMap::new(),
        }))
    }
}

impl<K: Eq + Hash, V: Clone, const MOST: usize> Kept<K, V, MOST> {
    /// One that shows what is so now.
    pub(crate) fn fresh(&self, key: &K, version: u64) -> Option<V> {
        let made = self.lock();
        let (begun, value) = made.values.get(key)?;
        (made.version == version && begun.elapsed() < FRESH).then(|| value.clone())
    }

    /// Keeps what was made of what was so at `version` or later.
    pub(crate) fn keep(&self, key: K, version: u64, value: V) {
        let mut made = self.lock();
        if made.version != version {
            // The others hold no longer; or this one does not.
            if made.version > version {
                return;
            }
            made.version = version;
            made.values.clear();
        }
        if made.values.len() >= MOST {
            made.values.retain(|_, (begun, _)| begun.elapsed() < FRESH);
        }
        if made.values.len() < MOST {
            made.values.insert(key, (Instant::now(), value));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().values.len()
    }

    fn lock(&self) -> MutexGuard<'_, Made<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 64;

    #[test]
    fn an_answer_holds_until_a_job_becomes_another() {
        let answers = Kept::<_, _, MOST>::default();
        answers.keep(1, 7, "seven");
        assert_eq!(answers.fresh(&1, 7).unwrap(), "seven");
        assert!(answers.fresh(&1, 8).is_none());
        assert!(answers.fresh(&2, 7).is_none());
        answers.keep(2, 8, "eight");
        // It was begun before another job became another, and is here late.
        answers.keep(1, 7, "seven");
        assert!(answers.fresh(&1, 7).is_none());
        assert!(answers.fresh(&1, 8).is_none());
        assert_eq!(answers.fresh(&2, 8).unwrap(), "eight");
        for number in 0..2 * MOST {
            answers.keep(number, 8, "");
        }
        assert_eq!(answers.len(), MOST);
    }
}
