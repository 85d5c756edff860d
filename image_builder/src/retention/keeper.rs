//! Does what a policy says.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::folder::bytes;
use super::{Duty, ImageFolder, ImageRecord, ImageStore, Pin, Policy, Reason, Removal, Step};
use crate::delivery::Delivered;
use crate::error::{ErrorKind, StageError};
use crate::jobs::{Job, JobId, JobState, JobStore, StoreError};
use crate::notification::{Notice, NoticeKind, Notifier};
use crate::quantity::ByteSize;

/// So long one keeper has images for itself: longer than any mail is tried.
const CLAIM: SignedDuration = SignedDuration::from_mins(10);

/// Keeps the images of one folder, as long as its policy says.
#[derive(Debug)]
pub struct Keeper {
    folder: ImageFolder,
    jobs: Arc<dyn JobStore>,
    images: Arc<dyn ImageStore>,
    policy: Policy,
    notifier: Notifier,
    address: Option<String>,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Jobs whose images are on record now.
    pub recorded: u64,
    /// Jobs whose people were told that their images will go.
    pub warned: u64,
    /// Jobs whose images went.
    pub removed: u64,
    /// The bytes of these.
    pub bytes: u64,
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
    /// removed, is logged and tried again by the next sweep.
    ///
    /// # Errors
    ///
    /// [`RetentionError`].
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, RetentionError> {
        let mut swept = Swept::default();
        let Some(id) = self.id().await? else {
            return Ok(swept);
        };
        let jobs = self.with_folder(|folder| Ok(folder.jobs())).await?;
        for job in self.images.unrecorded(&jobs).await? {
            let job = self.jobs.job(&job).await?;
            if let Some(found) = self.found(job.as_ref(), &id).await? {
                self.images.record(&found).await?;
                swept.recorded += 1;
            }
        }
        let mut there = self.images.there(&id).await?;
        let mut gone = Vec::new();
        for image in &there {
            let job = image.job.clone();
            if !self
                .with_folder(move |folder| Ok(folder.has_images(&job)))
                .await?
            {
                gone.push(image.job.clone());
            }
        }
        there.retain(|image| !gone.contains(&image.job));
        for job in gone {
            let reason = Reason::Gone;
            self.images
                .remove(&job, &Removal { time: now, reason })
                .await?;
        }
        for step in self.policy.steps(&there, now) {
            match step {
                Step::Warn { job, reason, ends } => {
                    let image = there.iter().find(|image| image.job == job);
                    if let Some(image) = image {
                        swept.warned += u64::from(self.warn(image, reason, ends, now).await?);
                    }
                }
                Step::Remove { job, reason } => {
                    self.images
                        .remove(&job, &Removal { time: now, reason })
                        .await?;
                }
            }
        }
        // Also what an earlier sweep could not bring to its end.
        for image in self.images.unsettled(&id).await? {
            if self.settle(&image, now).await? {
                swept.removed += 1;
                swept.bytes += image.bytes;
            }
        }
        Ok(swept)
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

    async fn id(&self) -> Result<Option<String>, RetentionError> {
        self.with_folder(ImageFolder::id).await
    }

    /// Looks into the folder without keeping others waiting.
    async fn with_folder<T: Send + 'static>(
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

    async fn delivered(&self, job: &JobId) -> Result<Vec<Delivered>, RetentionError> {
        let job = job.clone();
        self.with_folder(move |folder| Ok(folder.delivered(&job)))
            .await
    }

    /// The images that a job has left. Nothing is said of one that has not ended, or that nobody knows.
    async fn found(
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

    /// Tells people that images will go; whether they were told.
    async fn warn(
        &self,
        image: &ImageRecord,
        reason: Reason,
        ends: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, RetentionError> {
        if !self.claim(image, Duty::Warn, now).await? {
            return Ok(false);
        }
        let kind = NoticeKind::Expiring {
            files: names(&self.delivered(&image.job).await?),
            bytes: image.bytes,
            reason,
            ends,
            page: self.page(&image.job),
        };
        // A server that never answers does not keep an image for ever.
        if self.tell(image, kind, now).await? || self.policy.is_due(image, now) {
            self.images.warned(&image.job, now).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Removes images that are to go, and tells people; whether both is done.
    async fn settle(&self, image: &ImageRecord, now: Timestamp) -> Result<bool, RetentionError> {
        let Some(removal) = image.removed else {
            return Ok(false);
        };
        if !self.claim(image, Duty::Settle, now).await? {
            return Ok(false);
        }
        let delivered = self.delivered(&image.job).await?;
        let files = names(&delivered);
        let removed = self.with_folder(move |_| remove(&delivered)).await;
        if let Err(error) = removed {
            tracing::warn!("the image of job {} cannot be removed: {error}", image.job);
            return Ok(false);
        }
        let kind = NoticeKind::Expired {
            files,
            bytes: image.bytes,
            reason: removal.reason,
            warned: image.warned,
            page: self.page(&image.job),
        };
        let told = self.tell(image, kind, removal.time).await?;
        let late = now.duration_since(removal.time) >= self.policy.warning;
        if !told && !late {
            return Ok(false);
        }
        self.images.settled(&image.job, now).await?;
        tracing::info!(
            "the image of job {} ({}) was removed, because {}",
            image.job,
            ByteSize(image.bytes),
            removal.reason
        );
        Ok(true)
    }

    async fn claim(
        &self,
        image: &ImageRecord,
        duty: Duty,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let until = now.checked_add(CLAIM).unwrap_or(now);
        self.images.claim(&image.job, duty, now, until).await
    }

    /// Tells all; false if it is worth another try: somebody was to be told, and nobody could be reached.
    async fn tell(
        &self,
        image: &ImageRecord,
        kind: NoticeKind,
        time: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(job) = self.jobs.job(&image.job).await? else {
            return Ok(true);
        };
        let name = kind.name();
        let notice = Notice {
            time,
            ..Notice::of_request(&job.id, &job.request, kind)
        };
        let answers = self.notifier.tell(notice).await;
        for (whom, error) in &answers.failed {
            tracing::warn!("job {}: {name} was not told by {whom}: {error}", job.id);
        }
        let again = answers.failed.iter().any(|(_, error)| error.is_transient());
        Ok(answers.told > 0 || !again)
    }

    fn page(&self, job: &JobId) -> Option<String> {
        let address = self.address.as_ref()?;
        Some(format!("{address}/jobs/{job}"))
    }
}

/// What the reports of a job call images.
fn names(delivered: &[Delivered]) -> Vec<String> {
    let images = delivered.iter().flat_map(Delivered::images);
    images.map(|file| file.name.clone()).collect()
}

fn remove(delivered: &[Delivered]) -> io::Result<()> {
    for delivered in delivered {
        for file in delivered.images() {
            delivered.remove(&file.name)?;
        }
    }
    Ok(())
}
