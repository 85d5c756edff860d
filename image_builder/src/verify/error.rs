//! Why an image could not be read.

use std::path::{Path, PathBuf};

use crate::error::{ErrorKind, StageError};
use crate::process::CommandError;
use crate::spec::value::on_one_line;

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The file is missing or may not be read.
    #[error("{}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// A folder where an image was expected.
    #[error("{} is a folder, not an ISO image", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// There is no ISO 9660 volume in the file.
    #[error("{} is not an ISO image (no ISO 9660 volume descriptor in it)", .path.display())]
    NotIso {
        /// The file.
        path: PathBuf,
    },
    /// The file is shorter than the volume in it.
    #[error(
        "{} is cut off: its volume has {expected} bytes, the file {found}; copy or download it again",
        .path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes of the volume.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// What the image holds cannot be told for sure.
    #[error(
        "{}: what is in it cannot be told for sure: a name in it holds a line break, or the list of its files is damaged, at `{}`",
        .path.display(), on_one_line(.line)
    )]
    Unclear {
        /// The image.
        path: PathBuf,
        /// What was found in the list.
        line: String,
    },
    /// This host lacks a program.
    #[error("`{program}` is needed to read the image and is not installed; it is in {package}")]
    MissingTool {
        /// The program.
        program: String,
        /// The packages that bring it.
        package: &'static str,
    },
    /// A program that reads the image failed.
    #[error("reading {}: {source}", .path.display())]
    Command {
        /// The image.
        path: PathBuf,
        /// What the program said.
        source: CommandError,
    },
    /// The package database in the image could not be read with this host's rpm.
    #[error(
        "{}: the rpm database {database} in it ({backend} back end) could not be read with this host's rpm: {reason}",
        .path.display()
    )]
    Database {
        /// The image.
        path: PathBuf,
        /// The database's folder in the image.
        database: String,
        /// How the database is stored: `sqlite`, `ndb` or `bdb`.
        backend: &'static str,
        /// What rpm said.
        reason: String,
    },
    /// The work folder could not be used.
    #[error("the work folder {}: {source}", .path.display())]
    WorkDir {
        /// The folder.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// The job was cancelled.
    #[error("reading the image was cancelled")]
    Cancelled,
}

impl StageError for InspectError {
    fn kind(&self) -> ErrorKind {
        match self {
            InspectError::MissingTool { .. } | InspectError::WorkDir { .. } => ErrorKind::Host,
            InspectError::Cancelled => ErrorKind::Cancelled,
            InspectError::Unreadable { .. } | InspectError::Folder { .. } => ErrorKind::Usage,
            _ => ErrorKind::Failed,
        }
    }
}

impl InspectError {
    pub(super) fn unreadable(path: &Path, source: std::io::Error) -> Self {
        InspectError::Unreadable {
            path: path.into(),
            source,
        }
    }

    /// What a failed program means for the image at `path`.
    pub(crate) fn command(path: &Path, source: CommandError) -> Self {
        match source {
            CommandError::Cancelled { .. } => InspectError::Cancelled,
            CommandError::NotFound { program } => InspectError::MissingTool {
                package: package_of(&program),
                program,
            },
            source => InspectError::Command {
                path: path.into(),
                source,
            },
        }
    }
}

/// The package that brings a program we use; Fedora and Debian name these alike.
fn package_of(program: &str) -> &'static str {
    match program {
        "xorriso" => "the package xorriso",
        "unsquashfs" => "the package squashfs-tools",
        "fsck.erofs" => "the package erofs-utils",
        "debugfs" => "the package e2fsprogs",
        "rpm" => "the package rpm",
        "checkisomd5" => "the package isomd5sum",
        _ => "a package of the same name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_the_hosts_problem_and_names_its_package() {
        let missing = CommandError::NotFound {
            program: "unsquashfs".into(),
        };
        let error = InspectError::command(Path::new("a.iso"), missing);
        assert_eq!(
            error.to_string(),
            "`unsquashfs` is needed to read the image and is not installed; \
             it is in the package squashfs-tools"
        );
        assert_eq!(error.kind(), ErrorKind::Host);
        assert!(!error.is_transient());
    }

    #[test]
    fn a_cancelled_program_is_a_cancelled_inspection() {
        let cancelled = CommandError::Cancelled {
            command: "xorriso".into(),
        };
        let error = InspectError::command(Path::new("a.iso"), cancelled);
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
