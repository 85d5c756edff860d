//! Why there is no DVD, beside what goes wrong with every image.

use std::path::PathBuf;

use super::ComposeError;
use crate::destdir::DestdirError;
use crate::error::{ErrorKind, StageError};
use crate::repo_create::RepoError;

/// Why there is no DVD, beside what goes wrong with every image.
#[derive(Debug, thiserror::Error)]
pub enum DvdError {
    /// The DVD's folders cannot be used.
    #[error(transparent)]
    Destdir(#[from] DestdirError),
    /// A package that dnf has downloaded is not where it keeps packages.
    #[error("dnf has fetched {0}, and it is in none of its folders")]
    NotInCache(String),
    /// No source repository has these.
    #[error("no source repository has {}", .0.join(", "))]
    MissingSources(Vec<String>),
    /// Repodata could not be written, or source packages not be fetched.
    #[error(transparent)]
    Repository(#[from] RepoError),
    /// The repodata is that of other packages.
    #[error("the repodata of {} is not that of the packages there", .0.display())]
    OldRepodata(PathBuf),
    /// The installer looks for another DVD.
    #[error("the installer in {} was made for the volume {found}, and the DVD is {wanted}", .path.display())]
    Label {
        /// The installer's image.
        path: PathBuf,
        /// The label that it has.
        found: String,
        /// The label that it should have.
        wanted: String,
    },
    /// The build was stopped between two programs.
    #[error("it was cancelled")]
    Cancelled,
}

impl From<DvdError> for ComposeError {
    fn from(error: DvdError) -> Self {
        Self::Dvd(Box::new(error))
    }
}

impl From<RepoError> for ComposeError {
    fn from(error: RepoError) -> Self {
        DvdError::from(error).into()
    }
}

impl From<DestdirError> for ComposeError {
    fn from(error: DestdirError) -> Self {
        DvdError::from(error).into()
    }
}

impl StageError for DvdError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Destdir(error) => error.kind(),
            Self::Repository(error) => error.kind(),
            Self::Cancelled => ErrorKind::Cancelled,
            Self::NotInCache(_)
            | Self::MissingSources(_)
            | Self::OldRepodata(_)
            | Self::Label { .. } => ErrorKind::Failed,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Destdir(error) => error.is_transient(),
            Self::Repository(error) => error.is_transient(),
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Destdir(error) => return error.hint(),
            Self::Repository(error) => return error.hint(),
            Self::MissingSources(_) => {
                "set `nosource = yes` to leave source packages out; `fbs plan` shows the source \
                 repositories"
            }
            Self::OldRepodata(_) => "run the stages -C and -I: `stage = -C -I`",
            Self::Label { .. } => "run the stages -B and -I: `stage = -B -I`",
            Self::NotInCache(_) | Self::Cancelled => return None,
        };
        Some(hint.to_owned())
    }
}
