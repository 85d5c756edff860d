//! The whole spec, and the questions a planner asks it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::choice::ImageType;
use super::release::Release;
use super::sections::{BootSpec, Common, DvdSpec, LiveSpec, Shared};

/// A build spec as it was written: which image, of which release, with which builds in it.
///
/// Inheritance from `[DEFAULT]` is already done: each section holds what it inherits, and nobody
/// who reads a `BuildSpec` thinks of it. The section of the spec's own type is always present
/// after parsing; those of other types are when the text has something for them.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildSpec {
    /// `[DEFAULT]`.
    pub common: Common,
    /// `[boot]`.
    pub boot: Option<BootSpec>,
    /// `[dvd]`.
    pub dvd: Option<DvdSpec>,
    /// `[live]`.
    pub live: Option<LiveSpec>,
    /// The folder of the spec's file, from which its relative paths count; not serialised.
    pub base_dir: Option<PathBuf>,
}

impl BuildSpec {
    /// The kind of image.
    pub fn image_type(&self) -> ImageType {
        self.common.image_type
    }

    /// `release` of `[DEFAULT]`: which workers may take the job.
    pub fn release(&self) -> &Release {
        &self.common.release
    }

    /// The release whose packages the image holds: the section's `release` or `releasever`, else
    /// that of `[DEFAULT]`.
    pub fn package_release(&self) -> &Release {
        let own = match self.image_type() {
            ImageType::Boot => self.boot.as_ref().and_then(|boot| boot.release.as_ref()),
            ImageType::Dvd => None,
            ImageType::Live => self.live.as_ref().and_then(|live| live.releasever.as_ref()),
        };
        own.unwrap_or(&self.common.release)
    }

    /// The keys that every section knows, as they hold for the image's type.
    pub fn shared(&self) -> &Shared {
        let own = match self.image_type() {
            ImageType::Boot => self.boot.as_ref().map(|boot| &boot.shared),
            ImageType::Dvd => self.dvd.as_ref().map(|dvd| &dvd.shared),
            ImageType::Live => self.live.as_ref().map(|live| &live.shared),
        };
        own.unwrap_or(&self.common.shared)
    }

    /// `[boot]`, or what it would be if it were written empty.
    pub fn boot_or_default(&self) -> Cow<'_, BootSpec> {
        self.boot.as_ref().map_or_else(
            || {
                Cow::Owned(BootSpec {
                    release: Some(self.common.release.clone()),
                    shared: self.common.shared.clone(),
                    ..BootSpec::default()
                })
            },
            Cow::Borrowed,
        )
    }

    /// `[dvd]`, or what it would be if it were written empty.
    pub fn dvd_or_default(&self) -> Cow<'_, DvdSpec> {
        let empty = || DvdSpec {
            shared: self.common.shared.clone(),
            ..DvdSpec::default()
        };
        self.dvd
            .as_ref()
            .map_or_else(|| Cow::Owned(empty()), Cow::Borrowed)
    }

    /// `[live]`, or what it would be if it were written empty.
    pub fn live_or_default(&self) -> Cow<'_, LiveSpec> {
        let empty = || LiveSpec {
            shared: self.common.shared.clone(),
            ..LiveSpec::default()
        };
        self.live
            .as_ref()
            .map_or_else(|| Cow::Owned(empty()), Cow::Borrowed)
    }

    /// A path of the spec, a relative one counted from the spec's folder.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        match &self.base_dir {
            Some(base) => base.join(path),
            None => path.to_owned(),
        }
    }
}
