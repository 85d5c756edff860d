//! Putting an image with its logs where the user asked for it.

mod local;

pub use local::Local;

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::context::CancellationToken;
use crate::error::{ErrorKind, StageError};

/// Why something could not be delivered.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The staging place is not usable.
    #[error("the staging folder {} {problem}", .path.display())]
    Unusable {
        /// The place.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file could not be put there.
    #[error("{} could not be delivered to {}: {source}", .file.display(), .to.display())]
    Put {
        /// The file.
        file: PathBuf,
        /// Where to.
        to: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// The build was cancelled.
    #[error("the delivery was cancelled")]
    Cancelled,
}

impl StageError for TransferError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unusable { .. } => ErrorKind::Host,
            Self::Put { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                ErrorKind::Host
            }
            Self::Put { .. } => ErrorKind::Failed,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unusable { .. } => "name another folder with `staging`".to_owned(),
            Self::Put { .. } => "free some space, or name another folder with `staging`".to_owned(),
            Self::Cancelled => return None,
        })
    }
}

/// One file to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The file on this host.
    pub file: PathBuf,
    /// Its name at the staging place.
    pub name: String,
}

/// A staging place.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Transfer: Send + Sync + std::fmt::Debug {
    /// Finds out before the build starts whether files can be put there.
    ///
    /// # Errors
    ///
    /// [`TransferError::Unusable`].
    async fn check(&self) -> Result<(), TransferError>;

    /// Reserves a folder called `name` of its own for one build, and gives its address. Another
    /// build's folder is never given: a number is added to the name then.
    ///
    /// # Errors
    ///
    /// [`TransferError::Unusable`].
    async fn reserve(&self, name: &str) -> Result<PathBuf, TransferError>;

    /// Puts a file into a reserved folder, under a temporary name until it is whole, and gives
    /// its address.
    ///
    /// # Errors
    ///
    /// [`TransferError::Put`], and [`TransferError::Cancelled`] when `cancel` said stop before the
    /// file was whole: nothing of it is left then. What was delivered before stays.
    async fn put(
        &self,
        folder: &Path,
        delivery: &Delivery,
        cancel: &CancellationToken,
    ) -> Result<PathBuf, TransferError>;
}
