//! Who follows something: so many at a time, and each their share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many streams of events may be open at a time.
const MOST: usize = 2000;

/// So many of them may be of one account, or of one address without one.
const SHARE: usize = 500;

/// How many places each has taken.
type Taken = Arc<Mutex<HashMap<String, usize>>>;

/// The places of those who follow something.
#[derive(Debug)]
pub(crate) struct Followers {
    whole: Arc<Semaphore>,
    taken: Taken,
    share: usize,
}

/// The place of somebody who follows something, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _whole: OwnedSemaphorePermit,
    /// Whose share it is of.
    share: Option<(String, Taken)>,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken.
    Whole,
    /// So many have been taken by the same account.
    Share(usize),
}

impl Default for Followers {
    fn default() -> Self {
        Self::new(MOST, SHARE)
    }
}

impl Followers {
    fn new(most: usize, share: usize) -> Self {
        Self {
            whole: Arc::new(Semaphore::new(most)),
            taken: Arc::default(),
            share,
        }
    }

    /// A place, counted among those of somebody if it is known whose it is.
    pub(crate) fn take(&self, name: Option<&str>) -> Result<Place, Full> {
        let whole = self.whole.clone().try_acquire_owned();
        let whole = whole.map_err(|_| Full::Whole)?;
        let share = match name {
            None => None,
            Some(name) => {
                let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
                let of_them = taken.entry(name.to_owned()).or_default();
                if *of_them >= self.share {
                    return Err(Full::Share(self.share));
                }
                *of_them += 1;
                Some((name.to_owned(), self.taken.clone()))
            }
        };
        Ok(Place {
            _whole: whole,
            share,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((name, taken)) = &self.share else {
            return;
        };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_them) = taken.get_mut(name) {
            *of_them = of_them.saturating_sub(1);
            if *of_them == 0 {
                taken.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_places_of_all() {
        let followers = Followers::new(5, 2);
        let first = followers.take(Some("anna")).unwrap();
        let _second = followers.take(Some("anna")).unwrap();
        assert_eq!(followers.take(Some("anna")).unwrap_err(), Full::Share(2));
        let _others = ["berta", "carla"].map(|name| followers.take(Some(name)).unwrap());
        drop(first);
        let again = followers.take(Some("anna")).unwrap();
        let nobody = followers.take(None).unwrap();
        assert_eq!(followers.take(Some("dora")).unwrap_err(), Full::Whole);
        assert_eq!(followers.take(None).unwrap_err(), Full::Whole);
        drop((again, nobody));
        assert_eq!(followers.taken.lock().unwrap().len(), 3);
    }
}
