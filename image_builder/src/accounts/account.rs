//! Somebody.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Somebody, as the provider described them at their last login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The name that their jobs are under.
    pub name: String,
    /// Who it is, for the provider: the issuer and its `sub`. A name may be given to somebody else one day, this is not.
    pub subject: String,
    /// Their address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The groups that they are in.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// When they logged in last.
    pub seen: Timestamp,
}
