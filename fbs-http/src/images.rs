//! How long images stay: when it is looked after, and what clients are shown of it.

use std::time::Duration;

use axum::http::StatusCode;
use image_builder::accounts::Action;
use image_builder::jobs::Job;
use image_builder::quantity::ByteSize;
use image_builder::retention::{ImageRecord, PinError, Policy, RetentionError, Swept};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

/// So long after the begin of the service it is looked after for the first time.
const FIRST: Duration = Duration::from_secs(10);

/// And so often from then on.
const OFTEN: Duration = Duration::from_secs(5 * 60);

/// Looks after the images until the service closes.
pub(crate) async fn keep(app: App) {
    tokio::select! {
        () = app.closing.cancelled() => {}
        () = sweep(&app) => {}
        () = take_in(&app) => {}
    }
}

async fn sweep(app: &App) {
    let mut pause = FIRST;
    loop {
        tokio::time::sleep(pause).await;
        pause = OFTEN;
        match app.keeper.sweep(Timestamp::now()).await {
            Ok(swept) if swept == Swept::default() => {}
            Ok(swept) => tracing::info!(
                "images: {} new, {} will go, {} went ({})",
                swept.recorded,
                swept.warned,
                swept.removed,
                ByteSize(swept.bytes)
            ),
            Err(error) => tracing::warn!("{error}; it is tried again"),
        }
    }
}

/// Images count as soon as they are there.
async fn take_in(app: &App) {
    let mut changes = app.masters.changes();
    loop {
        match changes.recv().await {
            Ok(job) if job.state.is_final() => {
                if let Err(error) = app.keeper.take_in(&job).await {
                    tracing::warn!("{error}; it is tried again");
                }
            }
            // A sweep finds what is missed.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// The images of a job, and how long they stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ImagesView {
    /// How many bytes they have, or had.
    pub(crate) bytes: u64,
    /// When they were delivered.
    pub(crate) delivered: Timestamp,
    /// When they are removed at the latest: then, or soon after. Absent if they are pinned, removed, or stay for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    /// When people were told that they will be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warned: Option<Timestamp>,
    /// Who keeps them from being removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pinned: Option<PinView>,
    /// When and why they were removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) removed: Option<RemovalView>,
}

/// Who keeps images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PinView {
    /// Their name.
    pub(crate) by: String,
    /// Since when.
    pub(crate) time: Timestamp,
}

/// When images were removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct RemovalView {
    /// When.
    pub(crate) time: Timestamp,
    /// `age`, `space`, or `gone` if somebody deleted them on the host.
    pub(crate) reason: &'static str,
    /// The same for people.
    pub(crate) because: String,
}

impl ImagesView {
    fn new(image: ImageRecord, policy: &Policy) -> Self {
        Self {
            bytes: image.bytes,
            delivered: image.delivered,
            expires: policy.ends(&image, Timestamp::now()),
            warned: image.warned,
            pinned: image.pinned.map(|pin| PinView {
                by: pin.by,
                time: pin.time,
            }),
            removed: image.removed.map(|removal| RemovalView {
                time: removal.time,
                reason: removal.reason.name(),
                because: removal.reason.to_string(),
            }),
        }
    }
}

impl App {
    /// The images of a job, if it left any here.
    pub(crate) async fn images_of(&self, job: &Job) -> Result<Option<ImagesView>, Problem> {
        let found = match self.keeper.images(job).await {
            Ok(found) => found,
            Err(RetentionError::Store(error)) => return Err(error.into()),
            // All else there is of the job can be shown.
            Err(error @ RetentionError::Folder { .. }) => {
                tracing::warn!("{error}");
                None
            }
        };
        let found = found.filter(|image| image.bytes > 0);
        Ok(found.map(|image| ImagesView::new(image, self.keeper.policy())))
    }

    /// Keeps the images of a job that is somebody's.
    pub(crate) async fn pin(&self, caller: &Caller, job: &Job) -> Result<ImagesView, Problem> {
        caller.must_own(&job.request.requester)?;
        let now = Timestamp::now();
        let image = self.keeper.pin(job, &caller.name, now).await?;
        let did = caller.did(Action::Pinned, job.id.as_str(), "");
        self.note(did).await;
        Ok(ImagesView::new(image, self.keeper.policy()))
    }

    /// Keeps them no longer than others.
    pub(crate) async fn unpin(&self, caller: &Caller, job: &Job) -> Result<ImagesView, Problem> {
        caller.must_own(&job.request.requester)?;
        let image = self.keeper.unpin(job).await?;
        let did = caller.did(Action::Unpinned, job.id.as_str(), "");
        self.note(did).await;
        Ok(ImagesView::new(image, self.keeper.policy()))
    }
}

impl From<RetentionError> for Problem {
    fn from(error: RetentionError) -> Self {
        match error {
            RetentionError::Store(error) => error.into(),
            RetentionError::Folder { .. } => {
                // Clients are not told where it is.
                tracing::error!("{error}");
                let words = "the folder of images cannot be read";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, words)
            }
        }
    }
}

impl From<PinError> for Problem {
    fn from(error: PinError) -> Self {
        match error {
            PinError::Retention(error) => error.into(),
            PinError::Open { .. } | PinError::None(_) | PinError::Removed { .. } => {
                Self::of(StatusCode::CONFLICT, &error)
            }
        }
    }
}
