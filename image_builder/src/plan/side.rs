//! The side repository of a build: Koji builds that are in no repository yet.

use std::path::Path;

use serde::Serialize;

use super::{PlanError, PlanOptions};
use crate::koji::{BuildRef, ChooseOptions, KojiConfig, SigKey, Tag, UpdateId};
use crate::repo_create::{SideRequest, folder_url};
use crate::repository::{Repository, Source};
use crate::spec::{Arch, BuildSpec, Release, RequireLanded, Shared};

/// The id of the side repository.
pub const SIDE_REPOSITORY: &str = "fbs-side";

/// dnf's priority of the side repository, which wins over every other: so an older build is
/// taken too.
const PRIORITY: u8 = 1;

/// A side repository that is to be made, from what, and what is asked of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SidePlan {
    /// Builds, by name and by number.
    pub builds: Vec<BuildRef>,
    /// The latest builds in these tags.
    pub tags: Vec<Tag>,
    /// The builds of these Bodhi updates.
    pub updates: Vec<UpdateId>,
    /// The architecture whose RPMs are taken.
    pub arch: Arch,
    /// The release that they should be built for.
    pub release: Release,
    /// Whether i686 RPMs are taken for x86_64.
    pub multilib: bool,
    /// Whether there may be several builds of one package.
    pub allow_two_builds: bool,
    /// Keys whose signed copies are taken where they are there.
    pub signed_by: Vec<SigKey>,
    /// The URL of the key that the RPMs must be signed with.
    pub key: Option<String>,
    /// Which Koji is asked.
    pub koji: KojiConfig,
    /// Which Bodhi is asked; Fedora's if none is named.
    pub bodhi: Option<String>,
    /// Which of the builds must be found in the image.
    pub require_landed: RequireLanded,
}

impl SidePlan {
    /// The side repository that the spec asks for, if it does.
    pub(super) fn of(
        spec: &BuildSpec,
        shared: &Shared,
        arch: Arch,
        release: &Release,
        options: &PlanOptions,
    ) -> Result<Option<Self>, PlanError> {
        let named = shared.nvr.iter().cloned().map(BuildRef::from);
        let numbered = shared.bid.iter().copied().map(BuildRef::from);
        let builds: Vec<BuildRef> = named.chain(numbered).collect();
        if builds.is_empty() && shared.tag.is_empty() && shared.bodhi.is_empty() {
            return Ok(None);
        }
        let base = spec.base_dir.as_deref().unwrap_or(&options.current_dir);
        Ok(Some(Self {
            builds,
            tags: shared.tag.clone(),
            updates: shared.bodhi.clone(),
            arch,
            release: release.clone(),
            multilib: shared.multilib.unwrap_or_default(),
            allow_two_builds: shared.allow_two_builds.unwrap_or_default(),
            signed_by: shared.sigkey.clone(),
            key: shared.koji_gpgkey.as_ref().map(|key| key.to_url_text(base)),
            koji: koji(shared, options)?,
            bodhi: shared.bodhi_url.clone().or_else(|| options.bodhi.clone()),
            require_landed: shared.require_landed.unwrap_or_default(),
        }))
    }

    /// What is asked for.
    #[must_use]
    pub fn request(&self) -> SideRequest {
        SideRequest {
            builds: self.builds.clone(),
            tags: self.tags.clone(),
            updates: self.updates.clone(),
        }
    }

    /// Which RPMs are taken.
    #[must_use]
    pub fn choose_options(&self) -> ChooseOptions {
        ChooseOptions {
            arch: self.arch,
            multilib: self.multilib,
            allow_two_builds_of_one_package: self.allow_two_builds,
            signed_by: self.signed_by.clone(),
            release: Some(self.release.clone()),
        }
    }
}

/// The repository that backends use. Its RPMs were verified by us, so that no tool checks their
/// signatures: builds that are in no repository yet often have none.
pub(super) fn repository(folder: &Path) -> Repository {
    let mut side = Repository::new(SIDE_REPOSITORY, vec![Source::BaseUrl(folder_url(folder))]);
    side.priority = Some(PRIORITY);
    side
}

/// The spec's Koji, or the environment's. A hub and its files go together: those of the
/// environment are not taken for a hub of the spec.
fn koji(shared: &Shared, options: &PlanOptions) -> Result<KojiConfig, PlanError> {
    let (hub, files) = match (&shared.koji_hub, &shared.koji_files) {
        (None, files) => (
            &options.koji_hub,
            files.as_ref().or(options.koji_files.as_ref()),
        ),
        (hub, files) => (hub, files.as_ref()),
    };
    KojiConfig::new(hub.as_deref(), files.map(String::as_str))
        .map_err(|error| PlanError::Koji(error.to_string()))
}
