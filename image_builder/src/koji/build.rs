//! Builds, as a hub describes them.

use std::fmt;

use serde::{Deserialize, Serialize};
use xmlrpc::Value;

use super::nvr::BuildId;
use super::row::Row;

/// How far a build is.
///
/// The numbers are those of `koji.BUILD_STATES`:
/// <https://pagure.io/koji/blob/master/f/koji/__init__.py>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildState {
    /// It runs, or waits for a builder.
    Building,
    /// It is done and its files are there.
    Complete,
    /// It was done, and its files are gone.
    Deleted,
    /// It failed.
    Failed,
    /// Somebody cancelled it.
    Canceled,
}

impl BuildState {
    /// The name in lower case, as Koji writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Complete => "complete",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Building,
            1 => Self::Complete,
            2 => Self::Deleted,
            3 => Self::Failed,
            4 => Self::Canceled,
            _ => return None,
        })
    }
}

/// A build. Its texts are the hub's and may hold anything: `choose` checks those it makes
/// addresses of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Its number.
    pub id: BuildId,
    /// The name of its source package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its release; that of a draft build ends in `,draft_ID`.
    pub release: String,
    /// Its epoch; in no path and in no name.
    pub epoch: Option<u64>,
    /// How far it is.
    pub state: BuildState,
    /// Whether it is a draft: <https://docs.pagure.org/koji/draft_builds/>.
    pub draft: bool,
    /// The volume its files lie on; `DEFAULT` or `None` is the usual one.
    pub volume_name: Option<String>,
    /// The task that made it; none if it was imported.
    pub task_id: Option<u64>,
    /// Who made it.
    pub owner_name: Option<String>,
    /// When it was done, `2026-11-21 08:08:00.636525+00:00`.
    pub completion_time: Option<String>,
    /// Where its sources are: a URL of dist-git with the commit.
    pub source: Option<String>,
}

impl Build {
    /// A complete build on the usual volume.
    pub fn new(
        id: BuildId,
        name: impl Into<String>,
        version: impl Into<String>,
        release: impl Into<String>,
    ) -> Self {
        Self {
            id,
            name: name.into(),
            version: version.into(),
            release: release.into(),
            epoch: None,
            state: BuildState::Complete,
            draft: false,
            volume_name: None,
            task_id: None,
            owner_name: None,
            completion_time: None,
            source: None,
        }
    }

    /// `NAME-VERSION-RELEASE`.
    pub fn nvr(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.release)
    }

    /// Reads a row of `getBuild`, `listTagged` or `getLatestBuilds`.
    pub(super) fn from_value(value: &Value) -> Result<Self, String> {
        let row = Row::new(value, "a build")?;
        let state = row.number("state")?;
        Ok(Self {
            id: BuildId(row.number("id")?),
            name: row.text("name")?,
            version: row.text("version")?,
            release: row.text("release")?,
            epoch: row.optional_number("epoch")?,
            state: BuildState::from_number(state)
                .ok_or_else(|| format!("\"state\" is {state}, which is no state of a build"))?,
            draft: row.flag("draft")?,
            volume_name: row.optional_text("volume_name")?,
            task_id: row.optional_number("task_id")?,
            owner_name: row.optional_text("owner_name")?,
            completion_time: row.optional_text("completion_time")?,
            source: row.optional_text("source")?,
        })
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (build {})", self.nvr(), self.id)
    }
}
