//! What somebody wants to be different on an image.

use std::path::PathBuf;

use jiff::Timestamp;

use super::error::RespinError;
use crate::repo_create::{RepoCreateOptions, SideRequest};
use crate::source_date::SourceDate;
use crate::spec::{Arch, Location};

/// The folder of the embedded repository on the image.
pub const REPOSITORY: &str = "fbs-repo";

/// The kickstart on the image.
pub(super) const KICKSTART: &str = "ks.cfg";

/// What somebody wants to be different on an image.
#[derive(Debug, Clone)]
pub struct RespinRequest {
    /// The image, which stays as it is.
    pub image: PathBuf,
    /// The new image, which is not there yet.
    pub out: PathBuf,
    /// Files and folders for the root of the image.
    pub add: Vec<PathBuf>,
    /// Kernel arguments for every entry of every menu.
    pub add_arguments: Vec<String>,
    /// Names of kernel arguments that go.
    pub remove_arguments: Vec<String>,
    /// The new label.
    pub label: Option<String>,
    /// The kickstart that the installer is to follow.
    pub kickstart: Option<Location>,
    /// RPMs whose files replace those of the running installer.
    pub updates: Vec<PathBuf>,
    /// Builds for a repository on the image, and where they come from. Their architecture is that
    /// of the image.
    pub builds: Option<(RepoCreateOptions, SideRequest)>,
    /// The architecture, where the image does not say it.
    pub arch: Option<Arch>,
    /// The time of everything new, in seconds since 1970: `SOURCE_DATE_EPOCH`.
    pub epoch: Option<u64>,
}

impl RespinRequest {
    /// No change yet.
    pub fn new(image: impl Into<PathBuf>, out: impl Into<PathBuf>) -> Self {
        Self {
            image: image.into(),
            out: out.into(),
            add: Vec::new(),
            add_arguments: Vec::new(),
            remove_arguments: Vec::new(),
            label: None,
            kickstart: None,
            updates: Vec::new(),
            builds: None,
            arch: None,
            epoch: None,
        }
    }

    /// The time of everything new as `text`, the value of `SOURCE_DATE_EPOCH`, says it.
    ///
    /// # Errors
    ///
    /// [`RespinError::Epoch`]
    pub fn with_source_date(mut self, text: &str) -> Result<Self, RespinError> {
        self.epoch = Some(SourceDate::of_environment(text, Timestamp::now())?.seconds);
        Ok(self)
    }

    /// Whether nothing is to be different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add.is_empty()
            && self.add_arguments.is_empty()
            && self.remove_arguments.is_empty()
            && self.label.is_none()
            && self.kickstart.is_none()
            && self.updates.is_empty()
            && self.builds.is_none()
    }

    /// What is wrong with it whatever the image is.
    ///
    /// # Errors
    ///
    /// [`RespinError::NothingToDo`], [`RespinError::Exists`], [`RespinError::Label`],
    /// [`RespinError::Argument`].
    pub(super) fn check(&self) -> Result<(), RespinError> {
        if self.is_empty() {
            return Err(RespinError::NothingToDo);
        }
        if self.out.symlink_metadata().is_ok() {
            return Err(RespinError::Exists(self.out.clone()));
        }
        if let Some(label) = &self.label {
            crate::spec::label(label).map_err(RespinError::Label)?;
        }
        let with_value = |name: &&String| name.contains('=');
        if let Some(argument) = self.remove_arguments.iter().find(with_value) {
            return Err(RespinError::Argument {
                argument: argument.clone(),
                problem: "it is to go whatever its value; give its name alone",
            });
        }
        Ok(())
    }

    /// Paths on the image that this request takes for itself.
    pub(super) fn reserved(&self) -> Vec<&'static str> {
        let taken = [
            (self.kickstart.is_some(), KICKSTART),
            (self.builds.is_some(), REPOSITORY),
            (!self.updates.is_empty(), super::UPDATES_IMAGE),
        ];
        taken
            .into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, path)| path)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, StageError};

    #[test]
    fn what_is_wrong_without_an_image_is_said_first() {
        let empty = RespinRequest::new("a.iso", "/nowhere/b.iso");
        assert!(matches!(empty.check(), Err(RespinError::NothingToDo)));
        let mut request = empty;
        request.label = Some("a b".into());
        assert!(
            request
                .check()
                .unwrap_err()
                .to_string()
                .contains("cannot be part of a label")
        );
        request.label = Some("x".repeat(33));
        assert!(
            request
                .check()
                .unwrap_err()
                .to_string()
                .contains("longer than 32")
        );
        for label in ["", ".", "-qa", "a\nb", "a\u{7f}"] {
            request.label = Some(label.into());
            let error = request.check().unwrap_err();
            assert!(matches!(error, RespinError::Label(_)), "{label:?}: {error}");
            assert_eq!(error.kind(), ErrorKind::Usage);
        }
        request.label = Some("QA".into());
        request.remove_arguments = vec!["quiet".into(), "a=b".into()];
        assert!(request.check().unwrap_err().to_string().contains("\"a=b\""));
        request.out = "/".into();
        assert!(matches!(request.check(), Err(RespinError::Exists(_))));
    }
}
