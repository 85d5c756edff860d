//! Who can make an image: a trait for each kind of image, one file for each tool.
//!
//! A builder turns a [`BuildPlan`] into commands without running them ([`Bootiso::steps`]), and
//! runs them ([`Bootiso::build`]). A new backend is one file, its `mod` line and one arm in
//! [`bootiso`].

pub mod lorax;
pub mod native;

use std::path::PathBuf;

use async_trait::async_trait;

use crate::compose::ComposeError;
use crate::context::BuildContext;
use crate::error::{ErrorKind, StageError};
use crate::events::Stage;
use crate::plan::{BuildPlan, Step};
use crate::process::CommandError;
use crate::spec::Backend;

/// What a builder leaves, all below the build's work directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The tree in lorax's layout.
    pub tree: PathBuf,
    /// The ISO in it.
    pub iso: PathBuf,
    /// The ISO's SHA-256 where the builder has computed it.
    pub iso_sha256: Option<String>,
    /// Logs of the tool that made it.
    pub logs: Vec<PathBuf>,
}

/// A stage failed.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct BuildError {
    /// Which.
    pub stage: Stage,
    /// Why.
    pub source: ComposeError,
    /// Logs that the tool left all the same.
    pub logs: Vec<PathBuf>,
}

impl BuildError {
    /// `source` in `stage`.
    pub fn new(stage: Stage, source: impl Into<ComposeError>) -> Self {
        Self {
            stage,
            source: source.into(),
            logs: Vec::new(),
        }
    }
}

impl StageError for BuildError {
    fn kind(&self) -> ErrorKind {
        self.source.kind()
    }

    fn is_transient(&self) -> bool {
        self.source.is_transient()
    }

    fn hint(&self) -> Option<String> {
        self.source.hint()
    }
}

/// Makes boot ISOs.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Bootiso: Send + Sync + std::fmt::Debug {
    /// Every command that [`build`](Self::build) will run, in order, without running any.
    fn steps(&self, plan: &BuildPlan) -> Vec<Step>;

    /// Makes the image in the plan's work directory, which exists and is empty.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the stage. What was made so far stays in the work directory.
    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError>;
}

/// The builder of boot ISOs that a plan chose; nothing for backends that make no boot ISOs, which
/// no plan chooses.
#[must_use]
pub fn bootiso(backend: Backend) -> Option<Box<dyn Bootiso>> {
    match backend {
        Backend::Native => Some(Box::new(native::Native)),
        Backend::Lorax => Some(Box::new(lorax::Lorax)),
        _ => None,
    }
}

/// A failed package manager's last words, as an error that names the thing; the command's own
/// error where they say nothing that we know.
fn explain(error: CommandError, folder: &std::path::Path) -> ComposeError {
    use crate::compose::dnf::{Complaint, complaint};
    match complaint(error.tail()) {
        Some(Complaint::Unknown(names)) => ComposeError::UnknownPackages(names),
        Some(Complaint::Unsolvable(reasons)) => ComposeError::Unsolvable(reasons),
        Some(Complaint::Download(line)) => ComposeError::Download(line),
        Some(Complaint::Signature(line)) => ComposeError::Signature(line),
        Some(Complaint::NoSpace) => ComposeError::NoSpace {
            path: folder.to_owned(),
        },
        None => ComposeError::Command(error),
    }
}
