//! Tokens, by which programs prove for whom they ask.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Account, Role};

/// What is known of a token; not its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// By which it is named. It sorts by the time.
    pub id: String,
    /// Whose it is.
    pub account: String,
    /// What its owner calls it.
    pub name: String,
    /// The most that may be done with it; its owner's role may be less one day, and counts then.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is none.
    pub expires: Timestamp,
    /// When it was used last, to a few minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Timestamp>,
}

/// A token that holds, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownToken {
    /// The token.
    pub token: Token,
    /// Its owner.
    pub account: Account,
}
