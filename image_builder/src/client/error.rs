//! Why the service does not do what was asked.

use reqwest::StatusCode;
use serde::Deserialize;

use super::passes;
use crate::error::{ErrorKind, StageError};

/// A mistake in what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Mistake {
    /// The section, without its brackets.
    #[serde(default)]
    pub section: Option<String>,
    /// The key, as it was written.
    #[serde(default)]
    pub key: Option<String>,
    /// The line, counted from 1.
    #[serde(default)]
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[serde(default)]
    pub hint: Option<String>,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(section) = &self.section {
            write!(f, "[{section}] ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Why the service does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No address of a service.
    #[error("the server {address}: {reason}")]
    Address {
        /// What was given, without a password.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not there, or the connection broke.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// Its address.
        server: String,
        /// Why.
        reason: String,
    },
    /// It answers that it does not.
    #[error("{server}: {detail}{}", .mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect::<String>())]
    Refused {
        /// Its address.
        server: String,
        /// The status of the answer.
        status: u16,
        /// Its words.
        detail: String,
        /// Its way out.
        hint: Option<String>,
        /// Every mistake in what was sent.
        mistakes: Vec<Mistake>,
    },
    /// It answers something else than the service would.
    #[error("{server} does not answer as the service does: {reason}")]
    Unreadable {
        /// Its address.
        server: String,
        /// What is wrong.
        reason: String,
    },
}

/// An error as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) has it.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    detail: String,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    mistakes: Vec<Mistake>,
}

impl ClientError {
    pub(super) fn refused(server: String, status: StatusCode, body: &[u8]) -> Self {
        let problem = serde_json::from_slice(body).unwrap_or_else(|_| Problem {
            detail: format!("it answers {status}"),
            ..Problem::default()
        });
        Self::Refused {
            server,
            status: status.as_u16(),
            detail: problem.detail,
            hint: problem.hint,
            mistakes: problem.mistakes,
        }
    }
}

impl StageError for ClientError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Address { .. } => ErrorKind::Usage,
            Self::Unreachable { .. } | Self::Unreadable { .. } => ErrorKind::Network,
            Self::Refused { status, .. } => match status {
                // It is there, and not as it should be now; or one has as much as one may.
                409 => ErrorKind::Failed,
                400..=428 => ErrorKind::Usage,
                _ => ErrorKind::Network,
            },
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => StatusCode::from_u16(*status).is_ok_and(passes),
            Self::Address { .. } | Self::Unreadable { .. } => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused {
                server,
                status: 401,
                ..
            } => Some(format!(
                "put a token of yours into FBS_TOKEN; {server}/tokens makes one"
            )),
            Self::Refused { hint, .. } => hint.clone(),
            Self::Address { .. } => Some("it is one such as https://builds.example.org".to_owned()),
            Self::Unreachable { .. } => None,
            Self::Unreadable { .. } => Some("is it the address of the service?".to_owned()),
        }
    }
}
