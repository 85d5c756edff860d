//! Why no plan can be made of a spec that is right in itself.

use crate::error::{ErrorKind, StageError};
use crate::kickstart::KickstartError;
use crate::source_date::SourceDateError;
use crate::spec::value::one_of;
use crate::spec::{Arch, Backend, Compression, RepositoryId, RepositoryKind, RootFs};

/// Why no plan can be made of a spec that is right in itself.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The kickstart cannot be had or used.
    #[error(transparent)]
    Kickstart(#[from] KickstartError),
    /// A repository of the kickstart has no address.
    #[error("{place}: the repository {name} has no address")]
    NoAddress {
        /// Its name.
        name: String,
        /// Where the kickstart names it.
        place: String,
    },
    /// The backend cannot make this image.
    #[error("the backend {backend} {problem}")]
    Backend {
        /// The backend.
        backend: Backend,
        /// What is wrong with it.
        problem: String,
        /// Those that can.
        instead: Vec<Backend>,
    },
    /// An address of Koji is none.
    #[error("{0}")]
    Koji(String),
    /// The architecture is not the host's.
    #[error("the image is for {wanted}, and this host is {host}")]
    Arch {
        /// The image's.
        wanted: Arch,
        /// The host's.
        host: String,
    },
    /// Root file system and compression do not go together.
    #[error("{rootfs} cannot be compressed with {} {reason}", .compression.explained())]
    Compression {
        /// The file system.
        rootfs: RootFs,
        /// The compression.
        compression: Compression,
        /// Why.
        reason: String,
    },
    /// The environment's `SOURCE_DATE_EPOCH` is no time that an image can have.
    #[error(transparent)]
    SourceDate(#[from] SourceDateError),
    /// A group is to be left out.
    #[error("{0} cannot be left out: dnf leaves out packages, not groups")]
    ExcludedGroup(String),
    /// Signatures are to be checked, and there is nothing to check them with.
    #[error("the signatures of {0}'s packages are to be checked, and no key is known")]
    NoKey(RepositoryId),
    /// An ISO of source packages is wanted, and no source packages.
    #[error("sourceisos = yes makes an ISO of source packages, and nosource = yes leaves them out")]
    NoSources,
    /// The release has no known address.
    #[error("no address is known for the repository {0}")]
    Repository(RepositoryId),
}

impl PlanError {
    /// The key of the spec that it is most likely about.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Kickstart(_) | Self::NoAddress { .. } => "config",
            Self::Backend { .. } => "backend",
            Self::Koji(_) => "koji_hub",
            Self::Arch { .. } => "arch",
            Self::Compression { .. } => "compression",
            Self::SourceDate(_) => "type",
            Self::ExcludedGroup(_) => "packages",
            Self::NoKey(_) => "gpgcheck",
            Self::NoSources => "sourceisos",
            Self::Repository(id) => match id.kind {
                RepositoryKind::Release => "release",
                RepositoryKind::Updates => "updates",
                RepositoryKind::UpdatesTesting => "updates-testing",
            },
        }
    }
}

impl StageError for PlanError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Arch { .. } => ErrorKind::Host,
            Self::Kickstart(error) => error.kind(),
            _ => ErrorKind::Usage,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Kickstart(error) if error.is_transient())
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Kickstart(error) => return error.hint(),
            Self::NoAddress { .. } => {
                "give it one, as in `repo --name=extra --baseurl=https://...`".to_owned()
            }
            Self::Backend { instead, .. } if instead.is_empty() => {
                "leave `backend` out; `fbs doctor` shows which work here".to_owned()
            }
            Self::Backend { instead, .. } => {
                let names: Vec<_> = instead.iter().map(|backend| backend.as_str()).collect();
                format!(
                    "set `backend` to {}; `fbs doctor` shows which work here",
                    one_of(&names)
                )
            }
            Self::Koji(_) => "check `koji_hub` and `koji_files`, and FBS_KOJI_HUB and \
                              FBS_KOJI_FILES in the environment"
                .to_owned(),
            Self::Arch { wanted, .. } => format!("run it on a {wanted} machine"),
            Self::Compression { .. } => {
                "set `rootfs = squashfs`, or `compression = lz4` or `small`".to_owned()
            }
            Self::SourceDate(_) => {
                "give seconds since 1970, as `date +%s` prints them, or leave it \
                                    unset: the newest package's build time is taken then"
                    .to_owned()
            }
            Self::ExcludedGroup(_) => "name the packages, as in `-sendmail`".to_owned(),
            Self::NoSources => "leave one of the two out".to_owned(),
            Self::NoKey(_) => "name the key with `gpgkey`".to_owned(),
            Self::Repository(id) => format!("give `{id}_url` or `{id}_mirror`"),
        })
    }
}
