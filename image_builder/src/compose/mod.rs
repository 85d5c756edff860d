//! The native engine: a boot ISO from packages, with parts that any Linux has.
//!
//! dnf solves, downloads and installs into a new root; dracut, inside that root, makes the
//! initramfs; [`squashfs`] or mkfs.erofs packs the root; GRUB and xorriso make one ISO for BIOS and
//! UEFI. Each file here holds one of these: a pure function from plain data to an
//! [`Invocation`](crate::process::Invocation), and the reading of what the program says.
//! [`crate::builders::native`] runs them in order.

pub mod bootloader;
pub mod dnf;
pub(crate) mod dnf_cache;
pub(crate) mod dnf_lock;
pub mod dvd;
mod dvd_error;
pub(crate) mod files;
pub mod groups;
pub mod initramfs;
pub(crate) mod initramfs_inputs;
pub mod iso;
pub(crate) mod iso_stream;
pub mod layout;
pub(crate) mod media_checksum;
pub(crate) mod memory;
pub(crate) mod mounts;
pub mod namespace;
pub(crate) mod repository_state;
pub mod root;
pub mod root_image;
pub(crate) mod rpm_database;
pub(crate) mod rpm_tool;
pub mod sandbox;
pub mod script;
pub(crate) mod shared_files;
pub(crate) mod solution;
pub mod squashfs;
pub mod system;
pub mod tree;

use std::path::PathBuf;

use crate::error::{ErrorKind, StageError};
use crate::kickstart::KickstartError;
use crate::process::CommandError;
use crate::spec::RootFs;
pub use dvd_error::DvdError;
pub use script::ScriptError;

/// Why an image could not be made of packages.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A program failed, was ended, or could not be started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A tool of the distribution failed, or did although it says that it did not.
    #[error("{tool} failed:\n  {}", .lines.join("\n  "))]
    Tool {
        /// Its name.
        tool: &'static str,
        /// What it said that tells why.
        lines: Vec<String>,
    },
    /// What a tool is to read cannot be written as a kickstart.
    #[error("{0}")]
    KickstartText(Box<KickstartError>),
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
    /// The parts of a DVD cannot be had, or do not belong together.
    #[error(transparent)]
    Dvd(#[from] Box<DvdError>),
    /// Something that the kickstart asks for was not done.
    #[error("{place}: {what}: {problem}")]
    Kickstart {
        /// File and line.
        place: String,
        /// The command or script.
        what: String,
        /// Why.
        problem: String,
    },
    /// A script of the kickstart failed, or left what it must not.
    #[error(transparent)]
    Script(#[from] Box<ScriptError>),
    /// The installed root is larger than the kickstart lets it be.
    #[error("{place}: part / has {allowed_mib} MiB, and the root takes {taken_mib} MiB")]
    RootSize {
        /// File and line.
        place: String,
        /// What the kickstart gives it.
        allowed_mib: u64,
        /// What it takes.
        taken_mib: u64,
    },
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

impl From<KickstartError> for ComposeError {
    fn from(error: KickstartError) -> Self {
        Self::KickstartText(Box::new(error))
    }
}

impl StageError for ComposeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Command(error) => error.kind(),
            Self::KickstartText(error) => error.kind(),
            Self::Dvd(error) => error.kind(),
            Self::Script(error) => error.kind(),
            Self::Tool { .. }
            | Self::UnknownPackages(_)
            | Self::Unsolvable(_)
            | Self::Signature(_)
            | Self::Scriptlet(_)
            | Self::NoKernel
            | Self::RootFs { .. }
            | Self::Initramfs(_)
            | Self::Kickstart { .. }
            | Self::RootSize { .. }
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
            Self::Dvd(error) => error.is_transient(),
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
                "free some space, or name a `workdir` or `destdir` on a larger disk \
                 (a boot image needs about 3 GiB)"
            }
            Self::Scriptlet(_) => "the package is broken; the log has what the scriptlet printed",
            Self::RootFs { .. } => "set `rootfs = squashfs`",
            Self::Dvd(error) => return error.hint(),
            Self::NoKernel => "add `kernel` to `packages`",
            Self::Script(error) => return error.hint(),
            Self::RootSize { .. } => "give it more with `part / --size`, or install less",
            Self::Command(error) => return error.hint(),
            Self::KickstartText(error) => return error.hint(),
            Self::Tool { .. } => "its logs are delivered beside the job's",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
