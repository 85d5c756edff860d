//! Why a hub could not be asked, or what it refused.

use super::tag::Tag;
use super::transport::TransportError;
use crate::error::{ErrorKind, StageError};

/// Why a hub gave no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KojiError {
    /// An address is not one.
    #[error("\"{address}\" is not an address of a Koji's {which}; expected an http or https URL")]
    Address {
        /// `hub` or `files`.
        which: &'static str,
        /// What was given, without a password.
        address: String,
    },
    /// The call cannot be written as XML-RPC.
    #[error("{method} cannot be asked: {problem}")]
    Call {
        /// The hub's method.
        method: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The hub cannot be reached or gives no whole answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The hub refused a call.
    #[error("{hub} refuses {method}: {text} (fault {code})")]
    Fault {
        /// `the hub at URL`.
        hub: String,
        /// The hub's method.
        method: &'static str,
        /// The number of the fault; `koji.GenericError` and others in
        /// <https://pagure.io/koji/blob/master/f/koji/__init__.py>.
        code: i32,
        /// The first line of the hub's words.
        text: String,
    },
    /// There is no such tag.
    #[error("{hub} knows no tag {tag}")]
    NoSuchTag {
        /// `the hub at URL`.
        hub: String,
        /// The tag.
        tag: Tag,
    },
    /// The hub's answer makes no sense.
    #[error("the answer of {hub} to {method} cannot be used: {problem}")]
    Answer {
        /// `the hub at URL`.
        hub: String,
        /// The hub's method.
        method: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl KojiError {
    /// The code of `koji.ServerOffline`: the hub is there, and down for maintenance.
    pub const SERVER_OFFLINE: i32 = 1014;

    /// The code of `koji.RetryError`.
    pub const RETRY: i32 = 1009;
}

impl StageError for KojiError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Address { .. } | Self::Call { .. } | Self::NoSuchTag { .. } => ErrorKind::Usage,
            Self::Transport(error) => error.kind(),
            Self::Fault { .. } | Self::Answer { .. } => ErrorKind::Network,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_transient(),
            Self::Fault { code, .. } => [Self::SERVER_OFFLINE, Self::RETRY].contains(code),
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Transport(error) => return error.hint(),
            Self::Fault {
                code: Self::SERVER_OFFLINE,
                ..
            } => "the hub is down for maintenance: try again later".to_owned(),
            Self::NoSuchTag { .. } => {
                "check the tag's name; a side tag is gone once its update is made, and \
                 `FBS_KOJI_HUB` names another hub"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

/// A server's words, fit for one line of a message: control characters escaped, at most 300
/// characters.
pub(super) fn line(words: &str) -> String {
    const LONGEST: usize = 300;
    let mut line = String::with_capacity(words.len().min(LONGEST));
    for c in words.chars().take(LONGEST) {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    if words.chars().nth(LONGEST).is_some() {
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_on_one_line() {
        assert_eq!(line("a\nb\u{1b}[1m"), "a\\nb\\u{1b}[1m");
        let long = "é".repeat(301);
        assert_eq!(line(&long).chars().count(), 303);
    }
}
