//! Why a build cannot be used, and what is odd about one that can.

use std::fmt;

use super::error::line;
use crate::error::{ErrorKind, StageError};
use crate::spec::value::quoted;
use crate::spec::{Arch, Release};

/// Why one build cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// The hub does not know it.
    Unknown,
    /// It is not done.
    Building {
        /// The task that makes it.
        task: Option<u64>,
    },
    /// It failed.
    Failed {
        /// The task that tried.
        task: Option<u64>,
    },
    /// Somebody cancelled it.
    Canceled,
    /// Its files are gone.
    Deleted,
    /// It has nothing to install for the architecture.
    NoRpmFor {
        /// The architecture.
        arch: Arch,
        /// What it has RPMs for.
        has: Vec<String>,
    },
    /// Another build of the same package is asked for, too.
    SamePackage {
        /// The other.
        other: String,
    },
    /// Another build has a different file of the same name.
    SameFile {
        /// The file.
        file: String,
        /// The other build.
        other: String,
    },
    /// The hub describes it in a way that is not safe to use.
    Unfit {
        /// What is: `the version`.
        what: &'static str,
        /// What the hub says it is.
        text: String,
    },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = |f: &mut fmt::Formatter<'_>, task: &Option<u64>| match task {
            Some(task) => write!(f, " (task {task})"),
            None => Ok(()),
        };
        match self {
            Self::Unknown => f.write_str("is not known to the hub"),
            Self::Building { task: id } => f.write_str("is still being built").and(task(f, id)),
            Self::Failed { task: id } => f.write_str("failed to build").and(task(f, id)),
            Self::Canceled => f.write_str("was cancelled before it was done"),
            Self::Deleted => f.write_str("was deleted; its files are gone"),
            Self::NoRpmFor { arch, has } if has.is_empty() => {
                write!(f, "has no RPM to install for {arch}, nor for anything else")
            }
            Self::NoRpmFor { arch, has } => write!(
                f,
                "has no RPM to install for {arch}, only for {}",
                line(&has.join(", "))
            ),
            Self::SamePackage { other } => write!(
                f,
                "is a second build of its package, beside {}; leave one of them out",
                line(other)
            ),
            Self::SameFile { file, other } => write!(
                f,
                "has another {file} than {}; leave one of them out",
                line(other)
            ),
            Self::Unfit { what, text } => write!(
                f,
                "is refused: {what} is {} by the word of the hub",
                quoted(text)
            ),
        }
    }
}

/// A build that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongBuild {
    /// The build, as it was asked for; its name too, where it was asked for by number.
    pub build: String,
    /// Why.
    pub wrong: Wrong,
}

impl fmt::Display for WrongBuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", line(&self.build), self.wrong)
    }
}

/// Builds that cannot be used: all of them, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.wrong))]
pub struct ChooseError {
    /// The builds, in the order they were asked for; at least one.
    pub wrong: Vec<WrongBuild>,
}

fn lines(wrong: &[WrongBuild]) -> String {
    match wrong {
        [one] => one.to_string(),
        many => many.iter().fold(
            format!("{} builds cannot be used:", many.len()),
            |lines, one| format!("{lines}\n  {one}"),
        ),
    }
}

impl StageError for ChooseError {
    fn kind(&self) -> ErrorKind {
        let unfit = |one: &WrongBuild| matches!(one.wrong, Wrong::Unfit { .. });
        if self.wrong.iter().any(unfit) {
            ErrorKind::Network
        } else {
            ErrorKind::Usage
        }
    }

    /// If all that is missing is that builds get done.
    fn is_transient(&self) -> bool {
        let building = |one: &WrongBuild| matches!(one.wrong, Wrong::Building { .. });
        self.wrong.iter().all(building)
    }

    fn hint(&self) -> Option<String> {
        let unknown = |one: &WrongBuild| one.wrong == Wrong::Unknown;
        if self.wrong.iter().any(unknown) {
            Some("check the name; `FBS_KOJI_HUB` names another hub".to_owned())
        } else if self.is_transient() {
            Some("try again when it is done".to_owned())
        } else {
            None
        }
    }
}

/// What is odd about a build that is used all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChooseWarning {
    /// Its dist tag is of another release than the image.
    OtherRelease {
        /// The build.
        build: String,
        /// `fc42`.
        dist_tag: String,
        /// The release asked for.
        release: Release,
    },
}

impl fmt::Display for ChooseWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherRelease {
                build,
                dist_tag,
                release,
            } => write!(
                f,
                "{} is a build for {dist_tag}, and the image is of release {release}",
                line(build)
            ),
        }
    }
}
