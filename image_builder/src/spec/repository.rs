//! The package repositories a spec may name: `<release>_url`, `<release>-updates_mirror`, ...

use std::fmt;
use std::str::FromStr;

use super::location::Location;
use super::release::Release;
use super::value::{ValueError, quoted};
use super::word::{serde_as_text, word_enum};

word_enum! {
    /// What a repository holds.
    RepositoryKind, "a kind of repository", {
        /// The packages of the release itself.
        Release = "release",
        /// Its updates.
        Updates = "updates",
        /// Its updates that still are in testing.
        UpdatesTesting = "updates-testing",
    }
}

/// The name of a repository in a spec: `17`, `17-updates`, `17-updates-testing`, `rawhide`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryId {
    /// The release whose packages it holds.
    pub release: Release,
    /// Which of them.
    pub kind: RepositoryKind,
}

impl RepositoryId {
    /// The repository of a release.
    pub fn new(release: Release, kind: RepositoryKind) -> Self {
        Self { release, kind }
    }
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RepositoryKind::Release => write!(f, "{}", self.release),
            kind => write!(f, "{}-{kind}", self.release),
        }
    }
}

impl FromStr for RepositoryId {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (release, kind) = match text.split_once('-') {
            None => (text, Some(RepositoryKind::Release)),
            Some((release, "updates")) => (release, Some(RepositoryKind::Updates)),
            Some((release, "updates-testing")) => (release, Some(RepositoryKind::UpdatesTesting)),
            Some((release, _)) => (release, None),
        };
        match (release.parse(), kind) {
            (Ok(release), Some(kind)) => Ok(Self { release, kind }),
            _ => Err(ValueError::new(
                format!("{} is not a repository", quoted(text)),
                "expected a release (43, rawhide), alone or with -updates or -updates-testing",
            )),
        }
    }
}

serde_as_text!(RepositoryId);

/// Where the packages of one repository lie; at least one of the two is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryUrls {
    /// The folder that holds `repodata/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Location>,
    /// A mirror list or metalink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Location>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for text in ["17", "17-updates", "17-updates-testing", "rawhide", "eln"] {
            assert_eq!(text.parse::<RepositoryId>().unwrap().to_string(), text);
        }
        for text in ["", "fedora", "17-", "17-testing", "17-updates-old", "0"] {
            assert!(text.parse::<RepositoryId>().is_err(), "{text}");
        }
    }
}
