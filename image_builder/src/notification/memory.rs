//! A notification that only remembers: for the tests of programs that embed the library.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Notice, Notification, NotificationError};

/// Remembers what it was told.
#[derive(Debug, Default)]
pub struct Memory {
    notices: Mutex<Vec<Notice>>,
}

impl Memory {
    /// What it was told, in its order.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Notice>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Notification for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn wants(&self, _notice: &Notice) -> bool {
        true
    }

    async fn check(&self) -> Result<(), NotificationError> {
        Ok(())
    }

    async fn send(&self, notice: &Notice) -> Result<(), NotificationError> {
        self.lock().push(notice.clone());
        Ok(())
    }
}
