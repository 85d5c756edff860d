//! The native engine: a boot ISO from packages, with parts that any Linux has.
//!
//! dnf solves, downloads and installs into a new root; dracut, inside that root, makes the
//! initramfs; mksquashfs or mkfs.erofs packs the root; GRUB and xorriso make one ISO for BIOS and
//! UEFI. Each file here holds one of these: a pure function from plain data to an
//! [`Invocation`](crate::process::Invocation), and the reading of what the program says.
//! [`crate::builders::native`] runs them in order.

pub mod bootloader;
pub mod dnf;
pub(crate) mod dnf_cache;
pub mod dvd;
pub(crate) mod files;
pub mod groups;
pub mod initramfs;
pub mod iso;
pub mod layout;
pub mod root;
pub mod root_image;
pub mod sandbox;
pub mod tree;

use std::path::PathBuf;

use crate::destdir::DestdirError;
use crate::error::{ErrorKind, StageError};
use crate::process::CommandError;
use crate::repo_create::RepoError;
use crate::spec::RootFs;

/// Why an image could not be made of packages.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A program failed, was ended, or could not be started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// No repository has these.
    #[error("no repository has {}", .0.join(", "))]
    UnknownPackages(Vec<String>),
    /// The packages cannot be installed together.
    #[error("the packages cannot be installed together:\n  {}", .0.join("\n  "))]
    Unsolvable(Vec<String>),
    /// A repository or a package could not be fetched.
    #[error("a download failed: {0}")]
    Download(String),
    /// A signature is missing or wrong.
    #[error("a package's signature is not accepted: {0}")]
    Signature(String),
    /// The disk that holds the work directory or the cache is full.
    #[error("no space is left on the disk that holds {}", .path.display())]
    NoSpace {
        /// The folder.
        path: PathBuf,
    },
    /// A scriptlet failed. dnf itself ends with status 0 then.
    #[error("a package's scriptlet failed:\n  {}", .0.join("\n  "))]
    Scriptlet(Vec<String>),
    /// The root has no kernel.
    #[error("the installed packages bring no kernel (no vmlinuz below /usr/lib/modules)")]
    NoKernel,
    /// The image would not boot.
    #[error("the release's dracut cannot mount a root of {rootfs}")]
    RootFs {
        /// The file system.
        rootfs: RootFs,
    },
    /// dracut made no initramfs, or not the one that was asked for.
    #[error("{0}")]
    Initramfs(String),
    /// No source repository has these.
    #[error("no source repository has {}", .0.join(", "))]
    MissingSources(Vec<String>),
    /// A package that dnf has downloaded is not where it keeps packages.
    #[error("dnf has fetched {0}, and it is in none of its folders")]
    NotInCache(String),
    /// The repodata of a DVD is that of other packages.
    #[error("the repodata of {} is not that of the packages there", .0.display())]
    OldRepodata(PathBuf),
    /// The installer on a DVD looks for another DVD.
    #[error("the installer in {} was made for the volume {found}, and the DVD is {wanted}", .path.display())]
    Label {
        /// The installer's image.
        path: PathBuf,
        /// The label that it has.
        found: String,
        /// The label that it should have.
        wanted: String,
    },
    /// Repodata could not be written, or source packages not be fetched.
    #[error(transparent)]
    Repodata(Box<RepoError>),
    /// The DVD's folders cannot be used.
    #[error(transparent)]
    Destdir(#[from] DestdirError),
    /// The build was stopped between two programs.
    #[error("it was cancelled")]
    Cancelled,
    /// A program ended well and its result is not there.
    #[error("{} was to be made and is not there", .path.display())]
    MissingArtifact {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
}

impl From<RepoError> for ComposeError {
    fn from(error: RepoError) -> Self {
        match error {
            RepoError::Cancelled => Self::Cancelled,
            error => Self::Repodata(Box::new(error)),
        }
    }
}

impl StageError for ComposeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Command(error) => error.kind(),
            Self::Repodata(error) => error.kind(),
            Self::Destdir(error) => error.kind(),
            Self::Cancelled => ErrorKind::Cancelled,
            Self::UnknownPackages(_)
            | Self::MissingSources(_)
            | Self::NotInCache(_)
            | Self::OldRepodata(_)
            | Self::Label { .. }
            | Self::Unsolvable(_)
            | Self::Signature(_)
            | Self::Scriptlet(_)
            | Self::NoKernel
            | Self::RootFs { .. }
            | Self::Initramfs(_)
            | Self::MissingArtifact { .. } => ErrorKind::Failed,
            Self::Download(_) => ErrorKind::Network,
            Self::NoSpace { .. } => ErrorKind::Host,
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                ErrorKind::Host
            }
            Self::Io { .. } => ErrorKind::Failed,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Repodata(error) => error.is_transient(),
            Self::Destdir(error) => error.is_transient(),
            _ => matches!(self, Self::Download(_)),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownPackages(_) => {
                "check the names in `packages`, and `<release>_url`; `fbs plan` shows the \
                 repositories and the package list"
            }
            Self::Unsolvable(_) => {
                "leave one of them out of `packages`, or add the repository that has what is missing"
            }
            Self::Download(_) => "the mirror may be out of date or down; try again later",
            Self::Signature(_) => "check `gpgkey`, or set `gpgcheck = no` for unsigned packages",
            Self::NoSpace { .. } => {
                "free some space, or name a `workdir` on a larger disk (a boot image needs about 3 GiB)"
            }
            Self::Scriptlet(_) => "the package is broken; the log has what the scriptlet printed",
            Self::RootFs { .. } => "set `rootfs = squashfs`",
            Self::MissingSources(_) => {
                "set `nosource = yes` to leave source packages out; `fbs plan` shows the source \
                 repositories"
            }
            Self::OldRepodata(_) => "run the stages -C and -I: `stage = -C -I`",
            Self::Label { .. } => "run the stages -B and -I: `stage = -B -I`",
            Self::Repodata(error) => return error.hint(),
            Self::Destdir(error) => return error.hint(),
            Self::NoKernel => "add `kernel` to `packages`",
            Self::Command(error) => return error.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
