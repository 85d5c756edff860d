//! Why a side repository could not be made.

use std::io;
use std::path::{Path, PathBuf};

use super::fault::RpmFault;
use crate::error::{ErrorKind, StageError};

/// Why a side repository could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepoError {
    /// A remote service gave a name that no file may have.
    #[error("{name:?} may not be a file's name: {problem}")]
    FileName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two of the files have one name.
    #[error("{0} is asked for twice, with different content")]
    Twice(String),
    /// Nothing says what a file should be, or not in a way that can be read.
    #[error("{name} cannot be checked: {problem}")]
    NoChecksum {
        /// The file.
        name: String,
        /// What is missing or wrong.
        problem: &'static str,
    },
    /// The disk is too small for what is to be fetched.
    #[error(
        "{} has {} MiB of free space, and {} MiB are to be downloaded",
        .path.display(), .free >> 20, .needed.div_ceil(1 << 20)
    )]
    Space {
        /// The folder.
        path: PathBuf,
        /// Free bytes.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// No server has the file.
    #[error("{name} is not there, at none of: {}", .urls.join(", "))]
    NotFound {
        /// The file.
        name: String,
        /// Where it was looked for.
        urls: Vec<String>,
    },
    /// A server answered, and will not give the file.
    #[error("{url} cannot be fetched: {problem}")]
    Refused {
        /// The address.
        url: String,
        /// The server's answer.
        problem: String,
    },
    /// A server cannot be reached, or breaks off again and again.
    #[error("{url} cannot be fetched, after {tries} tries: {problem}")]
    Unreachable {
        /// The address.
        url: String,
        /// How often.
        tries: u32,
        /// What happened at the last try.
        problem: String,
    },
    /// What was fetched is not what it should be, each time.
    #[error("{url} was fetched {} and refused: {fault}", times(*.tries))]
    Corrupt {
        /// The address.
        url: String,
        /// How often.
        tries: u32,
        /// What was wrong with it at the last try.
        fault: RpmFault,
    },
    /// Files of the folder are no intact RPMs.
    #[error("{}:{}", damaged_title(.0.len()), .0.iter().map(|(path, fault)| format!("\n  {}: {fault}", path.display())).collect::<String>())]
    Damaged(Vec<(PathBuf, RpmFault)>),
    /// A file of the folder cannot be named in repodata.
    #[error("{} cannot be named in repodata: {problem}", .path.display())]
    Unnameable {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The groups file is not one.
    #[error("{} is no groups file (comps): {problem}", .path.display())]
    Comps {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Somebody else is at it.
    #[error("another program is writing the repodata of {}", .0.display())]
    Busy(PathBuf),
    /// There is nothing to describe.
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// Something else is where a folder belongs.
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// A folder holds something else.
    #[error("{} is not empty and was not made as a side repository; it is left as it is", .0.display())]
    InUse(PathBuf),
    /// A disk is full.
    #[error("no space is left on the disk that holds {}", .0.display())]
    NoSpace(PathBuf),
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// The job was stopped.
    #[error("making the side repository was cancelled")]
    Cancelled,
}

impl RepoError {
    /// For `map_err`: an operating system's error about `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace(path),
            _ => Self::Io { path, source },
        }
    }
}

impl StageError for RepoError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::FileName { .. }
            | Self::NoChecksum { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::Corrupt { .. } => ErrorKind::Network,
            Self::Space { .. } | Self::NoSpace(_) | Self::Io { .. } => ErrorKind::Host,
            Self::Twice(_)
            | Self::Comps { .. }
            | Self::Unnameable { .. }
            | Self::NoFolder(_)
            | Self::NotAFolder(_)
            | Self::InUse(_) => ErrorKind::Usage,
            Self::Damaged(_) | Self::Busy(_) => ErrorKind::Failed,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy(_))
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Space { .. } | Self::NoSpace(_) => {
                "free some space, or name a cache folder on a larger disk with FBS_CACHE_DIR"
            }
            Self::NotFound { .. } => {
                "the hub deletes old builds and signed copies; check the build in its web pages"
            }
            Self::Unreachable { .. } => "the server may be down; what was fetched is kept",
            Self::Corrupt {
                fault: RpmFault::Unsigned | RpmFault::Signature(_),
                ..
            } => "check the key, or do without one: the file's checksum is checked all the same",
            Self::Corrupt { .. } => "a proxy on the way may be changing or cutting files",
            Self::Damaged(_) => "remove or replace these files",
            Self::NoFolder(_) => "name a folder that holds RPMs",
            Self::NotAFolder(path) if path.ends_with("repodata") => {
                "move it away: it is left as it is"
            }
            Self::NotAFolder(_) => "name the folder that holds the RPMs",
            Self::Comps { .. } => "name a comps.xml with --comps, or leave it out",
            Self::InUse(_) => "name a new or an empty folder",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}

fn damaged_title(count: usize) -> String {
    match count {
        1 => "1 file is no intact RPM".to_owned(),
        n => format!("{n} files are no intact RPMs"),
    }
}
