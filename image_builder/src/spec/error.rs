//! Why a spec cannot be used.

use crate::error::{ErrorKind, StageError};
use std::path::PathBuf;

use super::mistake::Mistake;

/// The largest spec that is read, in bytes.
pub const LARGEST_SPEC: u64 = 1024 * 1024;

/// Why a spec cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// There is no such file.
    #[error("there is no spec {}; `fbs new` writes a sample", path.display())]
    NotFound {
        /// The file that was asked for.
        path: PathBuf,
    },
    /// A folder was named in place of a file.
    #[error("{} is a folder; name a spec file in it", path.display())]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file holds bytes that are no UTF-8.
    #[error("{}:{line}: byte {offset} is not UTF-8; save the spec as UTF-8 text", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line of the first bad byte, counted from 1.
        line: usize,
        /// Its offset in the file, counted from 0.
        offset: usize,
    },
    /// The file is larger than [`LARGEST_SPEC`].
    #[error("{} is larger than 1 MiB; that is no spec", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text has mistakes: all of them, in the order of its lines, one a line.
    #[error("{}", lines(.0))]
    Invalid(Vec<Mistake>),
}

impl SpecError {
    /// The mistakes in the text; none if it could not be read at all.
    pub fn mistakes(&self) -> &[Mistake] {
        match self {
            Self::Invalid(mistakes) => mistakes,
            _ => &[],
        }
    }
}

fn lines(mistakes: &[Mistake]) -> String {
    let lines: Vec<_> = mistakes.iter().map(Mistake::to_string).collect();
    lines.join("\n")
}

impl StageError for SpecError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }
}
