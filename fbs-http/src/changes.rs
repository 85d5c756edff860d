//! What an image has that the one before it had not.

use image_builder::delivery::Delivered;
use image_builder::jobs::{Job, JobFilter, JobState};
use image_builder::verify::PackageChanges;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

/// As many older jobs are looked at.
const LOOKED_AT: u32 = 50;

/// The packages that are not the same in an image and in the one of its kind before it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Changes {
    /// The job of the other image: the last one that succeeded, of the same type, release and architecture.
    pub(crate) previous: String,
    /// Packages with another version, release or build.
    pub(crate) changed: Vec<ChangedPackage>,
    /// Those that only this image has, as name-epoch:version-release.arch.
    pub(crate) added: Vec<String>,
    /// Those that only the other one has.
    pub(crate) removed: Vec<String>,
}

/// A package that both have, and not the same.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ChangedPackage {
    /// Its name.
    pub(crate) name: String,
    /// In the other image, as name-epoch:version-release.arch.
    pub(crate) old: String,
    /// In this one.
    pub(crate) new: String,
}

impl Changes {
    fn new(previous: &str, changes: PackageChanges) -> Self {
        let changed = changes.changed.into_iter().map(|pair| ChangedPackage {
            name: pair.name,
            old: pair.old,
            new: pair.new,
        });
        Self {
            previous: previous.to_owned(),
            changed: changed.collect(),
            added: changes.added,
            removed: changes.removed,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }
}

impl App {
    /// What is in the image of a job, and was not in the one before it of those that the caller sees; nothing if there
    /// is no such image, or no report of one of both.
    pub(crate) async fn changes(
        &self,
        caller: &Caller,
        job: &Job,
        delivered: Option<&Delivered>,
    ) -> Result<Option<Changes>, Problem> {
        let Some(delivered) = delivered.filter(|_| job.state == JobState::Succeeded) else {
            return Ok(None);
        };
        let request = &job.request;
        let filter = JobFilter {
            states: vec![JobState::Succeeded.name().to_owned()],
            arch: Some(request.arch.clone()),
            release: Some(request.release.clone()),
            viewer: caller.viewer(),
            before: Some(job.id.clone()),
            limit: LOOKED_AT,
            ..JobFilter::default()
        };
        // The title names type, release and architecture.
        let older = self.store.jobs(&filter).await?.into_iter();
        for older in older.filter(|older| older.title == request.title) {
            if let Some(previous) = Delivered::of(&self.images, &older.id).await {
                let (old, new) = (&previous.report.packages, &delivered.report.packages);
                let changes = PackageChanges::between(old, new);
                return Ok(Some(Changes::new(older.id.as_str(), changes)));
            }
        }
        Ok(None)
    }
}
