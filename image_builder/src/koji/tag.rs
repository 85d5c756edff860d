//! Tags: the named sets of builds at a hub. A side tag is one of them.

use std::fmt;
use std::str::FromStr;

use super::build::Build;
use super::rpm::Rpm;
use crate::spec::ValueError;
use crate::spec::value::quoted;
use crate::spec::word::serde_as_text;

/// The name of a tag: `f43-updates-testing`, `f43-build-side-112233`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = ValueError;

    /// Takes the names that a hub allows: <https://docs.pagure.org/koji/hub_conf/> has the rule
    /// under `RegexNameInternal`.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "/_.+-".contains(c);
        let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if starts && text.len() <= 256 && text.chars().all(legal) {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::new(
            format!("{} is not a Koji tag", quoted(text)),
            "expected a name such as f43-updates-testing or f43-build-side-112233",
        ))
    }
}

serde_as_text!(Tag);

/// Which builds of a tag are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TagQuery {
    /// Only the latest build of each package.
    pub latest: bool,
    /// Those of the tags it inherits from, too.
    pub inherit: bool,
}

impl TagQuery {
    /// The latest build of each package in the tag itself: what a side tag is for.
    pub const LATEST: Self = Self {
        latest: true,
        inherit: false,
    };
}

/// What is in a tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tagged {
    /// The builds.
    pub builds: Vec<Build>,
    /// The RPMs of all of them.
    pub rpms: Vec<Rpm>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for text in ["f43", "f43-build-side-112233", "epel9.next", "module/x"] {
            assert_eq!(text.parse::<Tag>().unwrap().to_string(), text);
        }
        for text in ["", "-f43", "f43 f44", "f43\n", "f43;", "é"] {
            assert!(text.parse::<Tag>().is_err(), "{text}");
        }
    }
}
