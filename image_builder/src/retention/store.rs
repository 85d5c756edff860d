//! Records of images that outlive them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{ImageRecord, Pin, Reason, Removal};
use crate::jobs::{JobId, StoreError};

/// How many images there are and were.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFigures {
    /// Jobs with images that are there.
    pub jobs: u64,
    /// The bytes of these.
    pub bytes: u64,
    /// Of these bytes, those of pinned ones.
    pub pinned: u64,
    /// Jobs whose images went, by why.
    pub removed: BTreeMap<Reason, u64>,
}

/// What one keeper is to do with the images of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Tell people that they will go: [`ImageStore::warned`] ends it.
    Warn,
    /// Remove those that are to go, and tell people: [`ImageStore::settled`] ends it.
    Settle,
}

/// Records of images, beside those of the jobs that made them.
///
/// Several may write into the same store: what only one is to do begins with a change that only one can make.
#[async_trait]
pub trait ImageStore: Send + Sync + std::fmt::Debug {
    /// Takes in images that were found, unless the job has a record. Gives what is on record then.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is taken in then. A job that the store does not know has no images.
    async fn record(&self, found: &ImageRecord) -> Result<ImageRecord, StoreError>;

    /// The images of a job.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn images(&self, job: &JobId) -> Result<Option<ImageRecord>, StoreError>;

    /// Those of these jobs that have no record, in the same order.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn unrecorded(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError>;

    /// The images in a folder that are there, what was delivered first in front.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn there(&self, folder: &str) -> Result<Vec<ImageRecord>, StoreError>;

    /// The images in a folder that are to go, or went and nobody was told.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn unsettled(&self, folder: &str) -> Result<Vec<ImageRecord>, StoreError>;

    /// Keeps images from going; who pinned them first stays named. `None`: there are none.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn pin(&self, job: &JobId, pin: &Pin) -> Result<Option<ImageRecord>, StoreError>;

    /// The contrary; that people were told before the pin counts no more. `None`: there are none.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn unpin(&self, job: &JobId) -> Result<Option<ImageRecord>, StoreError>;

    /// Takes a duty for oneself until a time. False: somebody else has it, or it is done, or there is none any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn claim(
        &self,
        job: &JobId,
        duty: Duty,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// People were told that images will go. Ends the claim.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn warned(&self, job: &JobId, time: Timestamp) -> Result<(), StoreError>;

    /// Images are to go from now on. False: they are pinned, or somebody else has said so before. Those that are
    /// [`Reason::Gone`] were pinned in vain.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn remove(&self, job: &JobId, removal: &Removal) -> Result<bool, StoreError>;

    /// They went, and people were told. Ends the claim.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn settled(&self, job: &JobId, time: Timestamp) -> Result<(), StoreError>;

    /// The bytes of images that are there of the jobs of one requester.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn bytes_of(&self, requester: &str) -> Result<u64, StoreError>;

    /// How many there are, and were.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn figures(&self) -> Result<ImageFigures, StoreError>;
}
