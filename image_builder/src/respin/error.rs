//! Why an image could not be respun.

use std::io;
use std::path::{Path, PathBuf};

use crate::compose::iso_stream::StreamError;
use crate::error::{ErrorKind, StageError};
use crate::kickstart::KickstartError;
use crate::process::CommandError;
use crate::repo_create::SideRepoError;
use crate::source_date::SourceDateError;
use crate::spec::ValueError;
use crate::verify::InspectError;

/// Why an image could not be respun. Whatever the reason, the image that was to be changed is as it
/// was, and there is no new one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RespinError {
    /// Nothing is to be changed.
    #[error("nothing is to be changed")]
    NothingToDo,
    /// There is something where the new image is to be.
    #[error("{} is there already; a respin overwrites nothing", .0.display())]
    Exists(PathBuf),
    /// The image cannot be read, or is none.
    #[error(transparent)]
    Image(#[from] InspectError),
    /// A file or folder cannot be added.
    #[error("cannot add {}: {problem}", .path.display())]
    Add {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// What the image boots from would be overwritten.
    #[error("cannot add {}: /{on_image} is what the image boots from", .path.display())]
    BootFile {
        /// The file or folder.
        path: PathBuf,
        /// What it would overwrite, relative to the root of the image.
        on_image: String,
    },
    /// An argument of the kernel that no boot loader can pass on.
    #[error("the kernel argument {argument:?}: {problem}")]
    Argument {
        /// The argument.
        argument: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The new label cannot be one.
    #[error("the new label: {0}")]
    Label(ValueError),
    /// There is no menu with a kernel in it.
    #[error(
        "{} has no boot menu with a kernel line that could be changed \
         (looked for grub.cfg, BOOT.conf, loopback.cfg, isolinux.cfg and syslinux.cfg)",
        .0.display()
    )]
    NoKernelLine(PathBuf),
    /// A boot loader looks for the old label, and cannot be made to look for another.
    #[error("the boot loader {loader} looks for the label {label}: {problem}")]
    Loader {
        /// Its file.
        loader: String,
        /// The old label.
        label: String,
        /// Why it cannot be changed.
        problem: String,
    },
    /// The host lacks what GRUB is made of.
    #[error("{} is needed to make boot loaders for the new label, and is not there", .folder.display())]
    NoModules {
        /// The folder of GRUB's modules for a platform.
        folder: PathBuf,
    },
    /// The UEFI partition of the image cannot be changed.
    #[error("the UEFI partition of {}: {problem}", .image.display())]
    Esp {
        /// The image.
        image: PathBuf,
        /// Why.
        problem: String,
    },
    /// The kickstart cannot be used.
    #[error(transparent)]
    Kickstart(#[from] Box<KickstartError>),
    /// The builds cannot be had.
    #[error(transparent)]
    Side(#[from] Box<SideRepoError>),
    /// A package cannot be used as an update of the installer.
    #[error("{}: {problem}", .path.display())]
    Package {
        /// The RPM.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The image has what is to be added, from an earlier respin or from its makers.
    #[error("{} has /{on_image} already", .image.display())]
    HasAlready {
        /// The image.
        image: PathBuf,
        /// The file or folder, relative to the root of the image.
        on_image: &'static str,
    },
    /// `SOURCE_DATE_EPOCH` is none.
    #[error(transparent)]
    Epoch(#[from] SourceDateError),
    /// The disk is too small.
    #[error("no space is left on the disk that holds {}{}", .folder.display(), mib(.needed_mib))]
    NoSpace {
        /// The folder.
        folder: PathBuf,
        /// How much is needed, as far as it is known.
        needed_mib: Option<u64>,
    },
    /// A program failed, was ended, or could not be started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A program left something else than was asked for, whatever it says.
    #[error("{program} did not do what it was told: {problem}")]
    Result {
        /// The program.
        program: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// Somebody stopped it.
    #[error("the respin was cancelled")]
    Cancelled,
}

fn mib(needed: &Option<u64>) -> String {
    needed.map_or_else(String::new, |mib| format!("; {mib} MiB are needed"))
}

impl RespinError {
    /// What an error of the operating system at `path` means.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace {
                folder: path.parent().unwrap_or(path).to_owned(),
                needed_mib: None,
            },
            _ => Self::Io {
                path: path.to_owned(),
                source,
            },
        }
    }
}

impl From<StreamError> for RespinError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Command(error) => error.into(),
            StreamError::Result(problem) => Self::Result {
                program: "xorriso",
                problem,
            },
            StreamError::Io { path, source } => Self::io(&path)(source),
        }
    }
}

impl StageError for RespinError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NothingToDo
            | Self::Exists(_)
            | Self::Add { .. }
            | Self::BootFile { .. }
            | Self::Argument { .. }
            | Self::Label(_)
            | Self::NoKernelLine(_)
            | Self::Package { .. }
            | Self::HasAlready { .. }
            | Self::Epoch(_) => ErrorKind::Usage,
            // What is no image cannot be respun, and naming it was the mistake.
            Self::Image(InspectError::NotIso { .. } | InspectError::Truncated { .. }) => {
                ErrorKind::Usage
            }
            Self::Io { source, .. } => ErrorKind::of_io(source),
            Self::Image(error) => error.kind(),
            Self::Kickstart(error) => error.kind(),
            Self::Side(error) => error.kind(),
            Self::Command(error) => error.kind(),
            Self::NoSpace { .. } | Self::NoModules { .. } => ErrorKind::Host,
            Self::Loader { .. } | Self::Esp { .. } | Self::Result { .. } => ErrorKind::Failed,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Kickstart(error) => error.is_transient(),
            Self::Side(error) => error.is_transient(),
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NothingToDo => {
                "say what with --add, --cmdline, --remove-args, --volid, --kickstart, --updates, \
                 --nvr, --bid, --tag or --update"
            }
            Self::Exists(_) => "remove it, or name another file with --out",
            Self::Image(error) => return error.hint(),
            Self::Kickstart(error) => return error.hint(),
            Self::Side(error) => return error.hint(),
            Self::Command(error) => return error.hint(),
            Self::BootFile { .. } => {
                "boot lines are changed with --cmdline and --remove-args; for another kernel or \
                 root build the image anew"
            }
            Self::NoModules { .. } => "`fbs doctor` says what to install; or leave --volid out",
            Self::Loader { .. } => "leave --volid out: the label stays, everything else is changed",
            Self::Esp { .. } => {
                "leave out what changes boot lines: --cmdline, --volid, --kickstart"
            }
            Self::HasAlready { .. } => "start from the image that it was added to",
            Self::Package { .. } => {
                "--updates replaces files of the running installer; packages for the system that \
                 is installed go into the image with --nvr, others need a build"
            }
            Self::NoSpace { .. } => "free some space, or name a file on a larger disk with --out",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_the_hosts_fault_whoever_says_so() {
        let full = RespinError::io(Path::new("/a/b.iso"))(io::ErrorKind::StorageFull.into());
        assert_eq!(full.kind(), ErrorKind::Host);
        assert_eq!(
            full.to_string(),
            "no space is left on the disk that holds /a"
        );
        let early = RespinError::NoSpace {
            folder: "/a".into(),
            needed_mib: Some(300),
        };
        assert!(early.to_string().ends_with("/a; 300 MiB are needed"));
    }

    #[test]
    fn a_folder_that_may_not_be_written_is_the_hosts_fault_and_one_that_is_not_there_the_callers() {
        for (kind, fault) in [
            (io::ErrorKind::PermissionDenied, ErrorKind::Host),
            (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::Host),
            (io::ErrorKind::NotFound, ErrorKind::Usage),
            (io::ErrorKind::NotADirectory, ErrorKind::Usage),
        ] {
            let error = RespinError::io(Path::new("/a/b.iso"))(kind.into());
            assert_eq!(error.kind(), fault, "{error}");
        }
    }

    #[test]
    fn what_is_no_image_is_wrong_usage() {
        let text = InspectError::NotIso { path: "a".into() };
        assert_eq!(RespinError::from(text).kind(), ErrorKind::Usage);
    }
}
