//! Why no side repository could be made of the builds that were asked for.

use super::error::RepoError;
use crate::error::{ErrorKind, StageError};
use crate::koji::{BodhiError, ChooseError, KojiError, Tag};

/// Why no side repository could be made of the builds that were asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SideRepoError {
    /// The hub cannot be reached, or refuses.
    #[error(transparent)]
    Koji(#[from] KojiError),
    /// Bodhi cannot be reached, or knows no such update.
    #[error(transparent)]
    Bodhi(#[from] BodhiError),
    /// Some builds cannot be used.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// There is no build in a tag.
    #[error("there is no build in the tag {0}")]
    EmptyTag(Tag),
    /// The proxy's address is not one.
    #[error("the proxy cannot be used: {0}")]
    Proxy(String),
    /// The key cannot be had or is none.
    #[error("the key {address} cannot be used: {problem}")]
    Key {
        /// Where it should be.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// The RPMs could not be fetched, or the repository not be written.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl StageError for SideRepoError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Koji(error) => error.kind(),
            Self::Bodhi(error) => error.kind(),
            Self::Choose(error) => error.kind(),
            Self::EmptyTag(_) | Self::Proxy(_) | Self::Key { .. } => ErrorKind::Usage,
            Self::Repo(error) => error.kind(),
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Koji(error) => error.is_transient(),
            Self::Bodhi(error) => error.is_transient(),
            Self::Choose(error) => error.is_transient(),
            Self::Repo(error) => error.is_transient(),
            Self::EmptyTag(_) | Self::Proxy(_) | Self::Key { .. } => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Koji(error) => error.hint(),
            Self::Bodhi(error) => error.hint(),
            Self::Choose(error) => error.hint(),
            Self::Repo(error) => error.hint(),
            Self::EmptyTag(_) => {
                Some("a side tag is emptied when its update is pushed; name the builds".to_owned())
            }
            Self::Key { .. } => Some("check `koji_gpgkey`, or leave it out".to_owned()),
            Self::Proxy(_) => Some("check `proxy`".to_owned()),
        }
    }
}
