//! Who did what.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that somebody did, or was kept from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub time: Timestamp,
    /// Who: the name of an account, or empty where nobody is known.
    pub account: String,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What proved who they are: `session`, `token ID`, or empty.
    #[serde(default)]
    pub by: String,
    /// What they did.
    pub action: Action,
    /// What they did it with: the id of a job, of a token.
    #[serde(default)]
    pub subject: String,
    /// More, for people.
    #[serde(default)]
    pub detail: String,
}

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// They logged in.
    LogIn,
    /// They wanted to, and could not.
    LogInRefused,
    /// They logged out.
    LogOut,
    /// They made a token.
    TokenCreated,
    /// They made an end of a token.
    TokenRevoked,
    /// They asked for an image.
    Submitted,
    /// They asked for more than they may have.
    QuotaRefused,
    /// They wanted what their role does not allow.
    Refused,
    /// They cancelled a job.
    Cancelled,
    /// They keep an image.
    Pinned,
    /// They do not keep it any more.
    Unpinned,
}

impl Action {
    /// `log-in`
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LogIn => "log-in",
            Self::LogInRefused => "log-in-refused",
            Self::LogOut => "log-out",
            Self::TokenCreated => "token-created",
            Self::TokenRevoked => "token-revoked",
            Self::Submitted => "submitted",
            Self::QuotaRefused => "quota-refused",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Pinned => "pinned",
            Self::Unpinned => "unpinned",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which entries are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// Only those of an account.
    pub account: Option<String>,
    /// Only those before this number.
    pub before: Option<u64>,
    /// At most so many, the newest first.
    pub limit: u32,
}

/// An entry with its number. Numbers grow, and may leave some out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedEntry {
    /// Its number.
    pub number: u64,
    /// The entry.
    pub entry: AuditEntry,
}
