//! Why there is no image.

use std::path::PathBuf;
use std::time::Duration;

use crate::builders::BuildError;
use crate::error::{ErrorKind, StageError};
use crate::events::Stage;
use crate::outdir::OutdirError;
use crate::plan::PlanError;
use crate::preflight::PreflightError;
use crate::repo_create::SideRepoError;
use crate::report::{BuildReport, ErrorRecord};
use crate::transfer::TransferError;
use crate::verify::{BootTestError, Firmware, InspectError};

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageBuilderError {
    /// No plan can be made of the spec.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The host, the repositories or the folders are not fit.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The work directory cannot be made.
    #[error("the work directory {}: {source}", .path.display())]
    WorkDir {
        /// The folder.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// The builds that were asked for cannot be had.
    #[error("{}: {}", Stage::SideRepository.title(), .0)]
    SideRepository(#[from] SideRepoError),
    /// A stage of making the image failed.
    #[error("{}: {}", .0.stage.title(), .0)]
    Build(#[from] BuildError),
    /// The finished image cannot be read back.
    #[error("{}: {}", Stage::Verify.title(), .0)]
    Verify(#[from] InspectError),
    /// The finished image lacks what was put into it.
    #[error("{}: {_0}", Stage::Verify.title())]
    Flaw(String),
    /// Builds that were asked for are not in the image.
    #[error("the image does not hold what was asked for:{}", .0.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    NotLanded(Vec<String>),
    /// The boot test could not be made.
    #[error("{}: {}", Stage::BootTest.title(), .0)]
    BootTest(#[from] BootTestError),
    /// The image does not boot.
    #[error("the image does not boot by {}: {reason}", .firmware)]
    DoesNotBoot {
        /// How it was tried.
        firmware: Firmware,
        /// What happened.
        reason: String,
    },
    /// The tree cannot be put into outdir.
    #[error(transparent)]
    Outdir(#[from] OutdirError),
    /// The image could not be delivered.
    #[error("{source}; what was made is in {}", .kept.display())]
    Transfer {
        /// Why.
        source: TransferError,
        /// The work directory, kept for what could not be delivered.
        kept: PathBuf,
    },
    /// The whole build took too long.
    #[error("the build was ended after its time limit of {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The time has come at which it was to have ended.
    #[error("its deadline passed while it was built")]
    Overdue,
    /// Somebody stopped it.
    #[error("the build was cancelled")]
    Cancelled,
    /// Nobody wants its result: [`Gate`](super::Gate).
    #[error("the build is not wanted any more: nothing was handed over")]
    Superseded,
}

impl ImageBuilderError {
    /// The stage that failed, where it was one.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::Preflight(_) => Some(Stage::Check),
            Self::SideRepository(_) => Some(Stage::SideRepository),
            Self::Build(error) => Some(error.stage),
            Self::Verify(_) | Self::Flaw(_) | Self::NotLanded(_) => Some(Stage::Verify),
            Self::BootTest(_) | Self::DoesNotBoot { .. } => Some(Stage::BootTest),
            Self::Outdir(_) | Self::Transfer { .. } => Some(Stage::Transfer),
            Self::Plan(_)
            | Self::WorkDir { .. }
            | Self::TimedOut(_)
            | Self::Overdue
            | Self::Cancelled
            | Self::Superseded => None,
        }
    }

    pub(super) fn record(&self) -> ErrorRecord {
        ErrorRecord {
            stage: self.stage(),
            ..ErrorRecord::of(self)
        }
    }
}

impl StageError for ImageBuilderError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Plan(error) => error.kind(),
            Self::Preflight(error) => error.kind(),
            Self::WorkDir { .. } => ErrorKind::Host,
            Self::SideRepository(error) => error.kind(),
            Self::Build(error) => error.kind(),
            Self::Verify(error) => error.kind(),
            Self::BootTest(error) => error.kind(),
            Self::Outdir(error) => error.kind(),
            Self::Transfer { source, .. } => source.kind(),
            Self::Flaw(_)
            | Self::NotLanded(_)
            | Self::DoesNotBoot { .. }
            | Self::TimedOut(_)
            | Self::Overdue => ErrorKind::Failed,
            Self::Cancelled | Self::Superseded => ErrorKind::Cancelled,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Preflight(error) => error.is_transient(),
            Self::SideRepository(error) => error.is_transient(),
            Self::Build(error) => error.is_transient(),
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Plan(error) => error.hint(),
            Self::Preflight(error) => error.hint(),
            Self::WorkDir { .. } => Some("name another folder with `workdir`".to_owned()),
            Self::SideRepository(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::Verify(error) => error.hint(),
            Self::BootTest(error) => error.hint(),
            Self::Outdir(error) => error.hint(),
            Self::Transfer { source, .. } => source.hint(),
            Self::DoesNotBoot { .. } => {
                Some("the serial log and the screenshot are with the delivered image".to_owned())
            }
            Self::NotLanded(_) => Some(
                "name their packages in `packages`, or say with `require_landed` which builds must be \
                 in the image"
                    .to_owned(),
            ),
            Self::TimedOut(_) => Some("set a longer `timeout`".to_owned()),
            Self::Overdue => Some("submit it again with a later deadline, or with none".to_owned()),
            Self::Flaw(_) | Self::Cancelled | Self::Superseded => None,
        }
    }
}

/// A build that did not come to its image, with what it left.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct BuildFailure {
    /// Why.
    #[source]
    pub error: ImageBuilderError,
    /// The report, once work had begun; it was delivered with the log.
    pub report: Option<Box<BuildReport>>,
    /// The work directory, where it was kept for what could not be delivered: the image, or the log
    /// and the report.
    pub kept: Option<PathBuf>,
}

impl From<ImageBuilderError> for BuildFailure {
    fn from(error: ImageBuilderError) -> Self {
        Self {
            error,
            report: None,
            kept: None,
        }
    }
}
