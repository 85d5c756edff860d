//! Whom one asks about images.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::folder::bytes;
use super::sweep::{Sweep, Swept};
use super::{ImageFolder, ImageRecord, ImageStore, Pin, Policy, Removal};
use crate::delivery::Delivered;
use crate::error::{ErrorKind, StageError};
use crate::jobs::{Job, JobId, JobState, JobStore, StoreError};
use crate::notification::Notifier;

/// Keeps the images of one folder, as long as its policy says.
#[derive(Debug)]
pub struct Keeper {
    folder: ImageFolder,
    pub(super) jobs: Arc<dyn JobStore>,
    pub(super) images: Arc<dyn ImageStore>,
    pub(super) policy: Policy,
    pub(super) notifier: Notifier,
    address: Option<String>,
}

/// Why a keeper cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of images cannot be used.
    #[error("the images in {}: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StageError for RetentionError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Folder { .. } => ErrorKind::Host,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Folder { .. } => None,
        }
    }
}

/// Why images cannot be pinned, or given free.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// Neither store nor folder can be used.
    #[error(transparent)]
    Retention(#[from] RetentionError),
    /// There is no image yet.
    #[error("job {job} has no image yet: it is {state}")]
    Open {
        /// The job.
        job: JobId,
        /// What it is.
        state: JobState,
    },
    /// There never was one here.
    #[error("job {0} has no image here")]
    None(JobId),
    /// There was one.
    #[error("the image of job {job} was removed on {}, because {}", .removal.time.strftime("%Y-%m-%d"), .removal.reason)]
    Removed {
        /// The job.
        job: JobId,
        /// When and why.
        removal: Removal,
    },
}

impl StageError for PinError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Retention(error) => error.kind(),
            Self::Open { .. } | Self::None(_) | Self::Removed { .. } => ErrorKind::Failed,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Retention(error) if error.is_transient())
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Retention(error) => error.hint(),
            Self::Removed { .. } => Some("a retry of the job builds it again".to_owned()),
            Self::Open { .. } | Self::None(_) => None,
        }
    }
}

impl Keeper {
    /// One that keeps what is in `folder`, of jobs in the one store, with records in the other. Nobody is told.
    #[must_use]
    pub fn new(
        folder: ImageFolder,
        jobs: Arc<dyn JobStore>,
        images: Arc<dyn ImageStore>,
        policy: Policy,
    ) -> Self {
        Self {
            folder,
            jobs,
            images,
            policy,
            notifier: Notifier::default(),
            address: None,
        }
    }

    /// Who is told before images go.
    #[must_use]
    pub fn with_notifier(mut self, notifier: Notifier) -> Self {
        self.notifier = notifier;
        self
    }

    /// With the address of the service, below which jobs have their pages: who is told gets the link.
    #[must_use]
    pub fn with_address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into().trim_end_matches('/').to_owned());
        self
    }

    /// What decides.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The records.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ImageStore> {
        &self.images
    }

    /// Does all that is to be done now. What cannot be done with the images of one job, such as a file that cannot be
    /// removed, is logged and tried again by a later sweep.
    ///
    /// # Errors
    ///
    /// [`RetentionError`].
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, RetentionError> {
        Sweep::new(self, now).run().await
    }

    /// Takes the images of a job in as soon as it has ended, without waiting for a sweep.
    ///
    /// # Errors
    ///
    /// [`RetentionError`].
    pub async fn take_in(&self, job: &Job) -> Result<(), RetentionError> {
        if self.images.images(&job.id).await?.is_none()
            && let Some(id) = self.id().await?
            && let Some(found) = self.found(Some(job), &id).await?
        {
            self.images.record(&found).await?;
        }
        Ok(())
    }

    /// What is known of the images of a job, and what is there, if nothing is known yet.
    ///
    /// # Errors
    ///
    /// [`RetentionError`].
    pub async fn images(&self, job: &Job) -> Result<Option<ImageRecord>, RetentionError> {
        if let Some(known) = self.images.images(&job.id).await? {
            return Ok(Some(known));
        }
        match self.id().await? {
            Some(id) => self.found(Some(job), &id).await,
            None => Ok(None),
        }
    }

    /// Keeps the images of a job from going, on behalf of `by`. Who has pinned them before stays named.
    ///
    /// # Errors
    ///
    /// [`PinError`].
    pub async fn pin(&self, job: &Job, by: &str, now: Timestamp) -> Result<ImageRecord, PinError> {
        self.pinnable(job).await?;
        let pin = Pin {
            by: by.to_owned(),
            time: now,
        };
        let pinned = self.images.pin(&job.id, &pin).await;
        self.pinned(job, pinned).await
    }

    /// Lets them go as others do. If their time is over, people are told first.
    ///
    /// # Errors
    ///
    /// [`PinError`].
    pub async fn unpin(&self, job: &Job) -> Result<ImageRecord, PinError> {
        self.pinnable(job).await?;
        let free = self.images.unpin(&job.id).await;
        self.pinned(job, free).await
    }

    async fn pinnable(&self, job: &Job) -> Result<(), PinError> {
        if !job.state.is_final() {
            return Err(PinError::Open {
                job: job.id.clone(),
                state: job.state,
            });
        }
        Ok(self.take_in(job).await?)
    }

    async fn pinned(
        &self,
        job: &Job,
        answer: Result<Option<ImageRecord>, StoreError>,
    ) -> Result<ImageRecord, PinError> {
        if let Some(image) = answer.map_err(RetentionError::from)? {
            return Ok(image);
        }
        let known = self.images.images(&job.id).await;
        let known = known.map_err(RetentionError::from)?;
        let job = job.id.clone();
        Err(match known.and_then(|image| image.removed) {
            Some(removal) => PinError::Removed { job, removal },
            None => PinError::None(job),
        })
    }

    pub(super) async fn id(&self) -> Result<Option<String>, RetentionError> {
        self.with_folder(ImageFolder::id).await
    }

    /// Looks into the folder without keeping others waiting.
    pub(super) async fn with_folder<T: Send + 'static>(
        &self,
        look: impl FnOnce(&ImageFolder) -> io::Result<T> + Send + 'static,
    ) -> Result<T, RetentionError> {
        let folder = self.folder.clone();
        let looked = tokio::task::spawn_blocking(move || look(&folder)).await;
        let looked = looked.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        looked.map_err(|source| RetentionError::Folder {
            path: self.folder.path().to_owned(),
            source,
        })
    }

    pub(super) async fn delivered(&self, job: &JobId) -> Result<Vec<Delivered>, RetentionError> {
        let job = job.clone();
        self.with_folder(move |folder| Ok(folder.delivered(&job)))
            .await
    }

    /// The images that a job has left. Nothing is said of one that has not ended, or that nobody knows.
    pub(super) async fn found(
        &self,
        job: Option<&Job>,
        folder: &str,
    ) -> Result<Option<ImageRecord>, RetentionError> {
        let Some(job) = job.filter(|job| job.state.is_final()) else {
            return Ok(None);
        };
        let delivered = self.delivered(&job.id).await?;
        if delivered.is_empty() {
            return Ok(None);
        }
        let ended = job.history.last().map(|last| last.time);
        let ended = ended.unwrap_or(job.request.submitted);
        let found = ImageRecord::new(job.id.clone(), folder, bytes(&delivered), ended);
        Ok(Some(found))
    }

    /// The address of a job's page.
    pub(super) fn page(&self, job: &JobId) -> Option<String> {
        let address = self.address.as_ref()?;
        Some(format!("{address}/jobs/{job}"))
    }
}
