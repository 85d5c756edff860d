//! What an error means for whoever has to act on it.

use std::io;

use serde::{Deserialize, Serialize};

/// Whose fault an error is. `fbs` turns it into its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The build, the check or the boot test failed (exit code 1).
    Failed,
    /// The spec or the call is wrong (2).
    Usage,
    /// The host lacks something: a tool, a privilege, space (3).
    Host,
    /// The network or a remote service failed (4).
    Network,
    /// Somebody stopped it (130).
    Cancelled,
}

impl ErrorKind {
    /// Whose fault it is that a file or folder that somebody named cannot be made, read or written: a path that
    /// leads nowhere was named wrongly; a missing right, a full or a broken disk is the host's.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidFilename => Self::Usage,
            _ => Self::Host,
        }
    }

    /// The code that `fbs` ends with.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Host => 3,
            Self::Network => 4,
            Self::Cancelled => 130,
        }
    }
}

/// What every stage's error can answer.
pub trait StageError: std::error::Error {
    /// Whose fault it is.
    fn kind(&self) -> ErrorKind;

    /// Whether the same may succeed when it is tried again.
    fn is_transient(&self) -> bool {
        false
    }

    /// The way out, where there is one.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// What a library says of an error, down to its cause.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // A message often ends with its cause's.
        let cause = error.to_string();
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
        source = error.source();
    }
    words
}
