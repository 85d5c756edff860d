//! Exit codes, and errors as people read them.

use std::fmt::Display;
use std::process::ExitCode;

use image_builder::error::{ErrorKind, StageError};

use crate::output::tell;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    Host,
    Network,
    Cancelled,
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Failed => Self::Failed,
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Host => Self::Host,
            ErrorKind::Network => Self::Network,
            ErrorKind::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => ErrorKind::Failed.exit_code(),
            Exit::Usage => ErrorKind::Usage.exit_code(),
            Exit::Host => ErrorKind::Host.exit_code(),
            Exit::Network => ErrorKind::Network.exit_code(),
            Exit::Cancelled => ErrorKind::Cancelled.exit_code(),
        })
    }
}

/// Prints an error with its way out, and gives its exit code.
pub(crate) fn error(error: &impl StageError) -> Exit {
    say(error);
    if let Some(hint) = error.hint() {
        tell!("hint: {hint}");
    }
    error.kind().into()
}

/// Prints an error.
pub(crate) fn say(error: impl Display) {
    tell!("error: {error}");
}
