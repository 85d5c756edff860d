//! One after the other, for each by themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Gives each name its turns one after the other.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Weak<Turn<()>>>>);

impl Turns {
    /// Waits until nobody else of that name has a turn.
    pub(crate) async fn take(&self, name: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let kept = turns.get(name).and_then(Weak::upgrade);
            kept.unwrap_or_else(|| {
                let turn = Arc::new(Turn::new(()));
                turns.insert(name.to_owned(), Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn only_those_of_one_name_wait_for_each_other() {
        let turns = Turns::default();
        let first = turns.take("anna").await;
        let short = Duration::from_millis(20);
        let waits = tokio::time::timeout(short, turns.take("anna")).await;
        assert!(waits.is_err());
        drop(turns.take("berta").await);
        drop(first);
        drop(turns.take("anna").await);
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
