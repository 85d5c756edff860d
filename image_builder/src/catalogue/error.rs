//! Why there is no catalogue.

use crate::error::{ErrorKind, StageError};
use crate::redact;

/// Why there is no catalogue of some repositories.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// A repository cannot be read.
    #[error("the repository {repository} cannot be read: {address}: {fault}")]
    Repository {
        /// Its short name.
        repository: String,
        /// What of it was read, without a password.
        address: String,
        /// What is wrong.
        fault: Fault,
    },
    /// Reading all of them took too long.
    #[error("reading the packages of {repositories} took longer than {seconds} s")]
    TimedOut {
        /// Which, with commas between them.
        repositories: String,
        /// How long it may take.
        seconds: u64,
    },
    /// Others are being read.
    #[error("the packages of {most} other repositories are being read; ask again in a moment")]
    Busy {
        /// As many at most.
        most: usize,
    },
    /// The reader broke.
    #[error("reading the repositories broke off")]
    Broken,
}

/// What is wrong with a file of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Its address is that of a host that only this machine can reach.
    #[error("{0} is an internal address")]
    Internal(String),
    /// It is a file of this machine, and who asks is elsewhere.
    #[error("a spec from elsewhere may not name a path of this machine")]
    Local,
    /// It is no address to read from.
    #[error("it is no http or https address")]
    Address,
    /// The server, or the way to it, failed.
    #[error("{0}")]
    Network(String),
    /// The server has no such file, or does not give it.
    #[error("the server answers {0}")]
    Refused(String),
    /// The file cannot be read.
    #[error("{0}")]
    Io(String),
    /// It is larger than it may be.
    #[error("it has more than {limit} {what}")]
    TooLarge {
        /// How many it may have.
        limit: u64,
        /// `bytes`, `packages`, ...
        what: &'static str,
    },
    /// It is not what `repomd.xml` or the metalink says.
    #[error("it is not the file that was announced: its checksum is another")]
    Checksum,
    /// There is no list of packages, or one that nothing vouches for.
    #[error("it names no primary file with a SHA-256 or SHA-512")]
    Unannounced,
    /// It is compressed in a way that is not known here.
    #[error("it is compressed as {0:?}; zst, gz, xz and plain xml are read")]
    Compression(String),
    /// It is not the XML that it should be.
    #[error("byte {byte}: {problem}")]
    Xml {
        /// Where, of what is unpacked, counted from 0.
        byte: u64,
        /// What is wrong.
        problem: String,
    },
    /// A mirror list without mirrors.
    #[error("it names no mirror with http or https")]
    NoMirror,
}

impl CatalogueError {
    pub(super) fn of(repository: &str, address: &str, fault: Fault) -> Self {
        Self::Repository {
            repository: repository.to_owned(),
            address: redact::passwords(address).into_owned(),
            fault,
        }
    }
}

impl StageError for CatalogueError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Repository {
                fault: Fault::Internal(_) | Fault::Local | Fault::Address,
                ..
            } => ErrorKind::Usage,
            _ => ErrorKind::Network,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Repository { fault, .. } => {
                matches!(fault, Fault::Network(_) | Fault::Refused(_))
            }
            _ => true,
        }
    }

    fn hint(&self) -> Option<String> {
        let Self::Repository { fault, .. } = self else {
            return None;
        };
        let hint = match fault {
            Fault::Internal(_) => "who runs the service can allow its network in `fetch_networks`",
            Fault::Refused(_) => "the address is that of the folder that `repodata` is in",
            Fault::Address => "serve the repository over http or https",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
