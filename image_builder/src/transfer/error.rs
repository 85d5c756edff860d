//! Why something could not be delivered.

use std::path::PathBuf;

use crate::error::{ErrorKind, StageError};

/// Why something could not be delivered. Addresses in it have no password.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The folder of this host is not usable.
    #[error("the staging folder {} {problem}", .path.display())]
    Unusable {
        /// The place.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file could not be put into a folder of this host.
    #[error("{} could not be delivered to {}: {source}", .file.display(), .to.display())]
    Put {
        /// The file.
        file: PathBuf,
        /// Where to.
        to: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// What is wrong is found before anything is asked of the server.
    #[error("{place} cannot be used: {problem}")]
    Settings {
        /// The staging place.
        place: String,
        /// What is wrong.
        problem: String,
        /// The way out.
        hint: String,
    },
    /// The server does not answer, or the connection broke and did not come back.
    #[error("{place} is not reached: {problem}")]
    Unreachable {
        /// The staging place.
        place: String,
        /// What happened.
        problem: String,
    },
    /// The server said no.
    #[error("{place} refuses: {problem}")]
    Refused {
        /// The staging place, or the file there.
        place: String,
        /// What was asked, and the server's words.
        problem: String,
        /// The way out.
        hint: String,
    },
    /// There is no room for it at the far side.
    #[error("{place} has no room for it: {problem}")]
    Full {
        /// The file there.
        place: String,
        /// The server's words, or the figures.
        problem: String,
    },
    /// There is another file of that name already.
    #[error("{0} is there already, and nothing is written over")]
    Exists(String),
    /// What arrived is not what was sent.
    #[error("{place} did not arrive whole: {problem}")]
    Corrupt {
        /// The file there.
        place: String,
        /// What differs.
        problem: String,
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
            Self::Put { .. } | Self::Exists(_) => ErrorKind::Failed,
            Self::Settings { .. } => ErrorKind::Usage,
            Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Full { .. }
            | Self::Corrupt { .. } => ErrorKind::Network,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Corrupt { .. })
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unusable { .. } => "name another folder with `staging`".to_owned(),
            Self::Put { .. } => "free some space, or name another folder with `staging`".to_owned(),
            Self::Settings { hint, .. } | Self::Refused { hint, .. } => hint.clone(),
            Self::Unreachable { .. } => {
                "look whether the server runs and the address is right, or name another place with \
                 `staging`"
                    .to_owned()
            }
            Self::Full { .. } => {
                "make room at the far side, or name another place with `staging`".to_owned()
            }
            Self::Exists(_) | Self::Corrupt { .. } => "deliver it again".to_owned(),
            Self::Cancelled => return None,
        })
    }
}
