//! One look at all images.

use std::io;

use jiff::{SignedDuration, Timestamp};

use super::{Duty, ImageRecord, Keeper, Reason, Removal, RetentionError, Step};
use crate::delivery::Delivered;
use crate::error::StageError;
use crate::jobs::{JobId, StoreError};
use crate::notification::{Notice, NoticeKind};
use crate::quantity::ByteSize;

/// So long one keeper has images for itself, beside the time that it tries to tell people.
const CLAIM: SignedDuration = SignedDuration::from_mins(10);

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

/// A sweep.
#[derive(Debug)]
pub(super) struct Sweep<'a> {
    keeper: &'a Keeper,
    now: Timestamp,
    swept: Swept,
    /// Nobody could be reached: the rest is told by a later sweep, and nothing waits for it.
    silent: bool,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(keeper: &'a Keeper, now: Timestamp) -> Self {
        Self {
            keeper,
            now,
            swept: Swept::default(),
            silent: false,
        }
    }

    pub(super) async fn run(mut self) -> Result<Swept, RetentionError> {
        let images = &self.keeper.images;
        let Some(folder) = self.keeper.id().await? else {
            return Ok(self.swept);
        };
        self.record(&folder).await?;
        let mut there = images.there(&folder).await?;
        self.notice_gone(&mut there).await?;
        let steps = self.keeper.policy.steps(&there, self.now);
        for step in &steps {
            if let Step::Remove { job, reason } = step {
                self.remove(job, *reason).await?;
            }
        }
        // Also what an earlier sweep could not bring to its end.
        for image in images.unsettled(&folder).await? {
            self.settle(&image).await?;
        }
        for step in steps {
            if let Step::Warn { job, reason, ends } = step
                && let Some(image) = there.iter().find(|image| image.job == job)
            {
                self.warn(image, reason, ends).await?;
            }
        }
        Ok(self.swept)
    }

    /// Takes in what is there and was not known.
    async fn record(&mut self, folder: &str) -> Result<(), RetentionError> {
        let keeper = self.keeper;
        let jobs = keeper.with_folder(|folder| Ok(folder.jobs())).await?;
        for job in keeper.images.unrecorded(&jobs).await? {
            let job = keeper.jobs.job(&job).await?;
            if let Some(found) = keeper.found(job.as_ref(), folder).await? {
                keeper.images.record(&found).await?;
                self.swept.recorded += 1;
            }
        }
        Ok(())
    }

    /// Leaves those that somebody else has deleted.
    async fn notice_gone(&self, there: &mut Vec<ImageRecord>) -> Result<(), RetentionError> {
        let jobs: Vec<JobId> = there.iter().map(|image| image.job.clone()).collect();
        let look = self.keeper.with_folder(move |folder| {
            let gone = jobs.into_iter().filter(|job| !folder.has_images(job));
            Ok(gone.collect::<Vec<JobId>>())
        });
        let gone = look.await?;
        there.retain(|image| !gone.contains(&image.job));
        for job in &gone {
            self.remove(job, Reason::Gone).await?;
        }
        Ok(())
    }

    /// From now on they are to go, whoever comes to it.
    async fn remove(&self, job: &JobId, reason: Reason) -> Result<(), StoreError> {
        let time = self.now;
        let removal = Removal { time, reason };
        self.keeper.images.remove(job, &removal).await?;
        Ok(())
    }

    /// Tells people that images will go.
    async fn warn(
        &mut self,
        image: &ImageRecord,
        reason: Reason,
        ends: Option<Timestamp>,
    ) -> Result<(), RetentionError> {
        // A server that never answers does not keep an image for ever.
        let due = self.keeper.policy.is_due(image, self.now);
        if self.silent && !due || !self.claim(image, Duty::Warn).await? {
            return Ok(());
        }
        let delivered = self.keeper.delivered(&image.job).await?;
        let kind = NoticeKind::Expiring {
            files: names(&delivered),
            bytes: image.bytes,
            reason,
            ends,
            page: self.keeper.page(&image.job),
        };
        if self.tell(image, kind, self.now).await? || due {
            self.keeper.images.warned(&image.job, self.now).await?;
            self.swept.warned += 1;
        }
        Ok(())
    }

    /// Removes images that are to go, and tells people.
    async fn settle(&mut self, image: &ImageRecord) -> Result<(), RetentionError> {
        let Some(removal) = image.removed else {
            return Ok(());
        };
        if !self.claim(image, Duty::Settle).await? {
            return Ok(());
        }
        let delivered = self.keeper.delivered(&image.job).await?;
        let files = names(&delivered);
        let removed = self.keeper.with_folder(move |_| unlink(&delivered)).await;
        if let Err(error) = removed {
            tracing::warn!("the image of job {} cannot be removed: {error}", image.job);
            return Ok(());
        }
        let kind = NoticeKind::Expired {
            files,
            bytes: image.bytes,
            reason: removal.reason,
            warned: image.warned,
            page: self.keeper.page(&image.job),
        };
        let late = self.now.duration_since(removal.time) >= self.keeper.policy.warning;
        if self.tell(image, kind, removal.time).await? || late {
            self.keeper.images.settled(&image.job, self.now).await?;
            self.swept.removed += 1;
            self.swept.bytes += image.bytes;
            tracing::info!(
                "the image of job {} ({}) was removed, because {}",
                image.job,
                ByteSize(image.bytes),
                removal.reason
            );
        }
        Ok(())
    }

    async fn claim(&self, image: &ImageRecord, duty: Duty) -> Result<bool, StoreError> {
        let patience = SignedDuration::try_from(self.keeper.notifier.limits().total);
        let claim = CLAIM.saturating_add(patience.unwrap_or_default());
        let until = self.now.checked_add(claim).unwrap_or(Timestamp::MAX);
        let images = &self.keeper.images;
        images.claim(&image.job, duty, self.now, until).await
    }

    /// Tells all; false if it is worth another try: somebody was to be told, and nobody could be reached.
    async fn tell(
        &mut self,
        image: &ImageRecord,
        kind: NoticeKind,
        time: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.silent {
            return Ok(false);
        }
        let Some(job) = self.keeper.jobs.job(&image.job).await? else {
            return Ok(true);
        };
        let name = kind.name();
        let notice = Notice {
            time,
            ..Notice::of_request(&job.id, &job.request, kind)
        };
        let answers = self.keeper.notifier.tell(notice).await;
        for (whom, error) in &answers.failed {
            tracing::warn!("job {}: {name} was not told by {whom}: {error}", job.id);
        }
        let again = answers.failed.iter().any(|(_, error)| error.is_transient());
        self.silent = again && answers.told == 0;
        Ok(!self.silent)
    }
}

/// What the reports of a job call images.
fn names(delivered: &[Delivered]) -> Vec<String> {
    let images = delivered.iter().flat_map(Delivered::images);
    images.map(|file| file.name.clone()).collect()
}

fn unlink(delivered: &[Delivered]) -> io::Result<()> {
    for delivered in delivered {
        for file in delivered.images() {
            delivered.remove(&file.name)?;
        }
    }
    Ok(())
}
