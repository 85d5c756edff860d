//! The names of Koji builds: name-version-release, build ids, and either of them.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::spec::ValueError;
use crate::spec::value::quoted;
use crate::spec::word::serde_as_text;

/// The name of a Koji build, `NAME-VERSION-RELEASE`, split at its last two dashes.
///
/// Names hold dashes; version and release never do. `~` and `^` sort before and after. The
/// release of a draft build ends in `,draft_ID`.
/// See <https://docs.fedoraproject.org/en-US/packaging-guidelines/Versioning/> and
/// <https://docs.pagure.org/koji/draft_builds/>.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nvr {
    name: String,
    version: String,
    release: String,
}

impl Nvr {
    /// The name of the source package, `python-setuptools`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version, `1.0~rc1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The release, `1.fc43`.
    pub fn release(&self) -> &str {
        &self.release
    }
}

impl fmt::Display for Nvr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.name, self.version, self.release)
    }
}

impl FromStr for Nvr {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |hint: &str| {
            ValueError::new(
                format!("{} is not a name-version-release", quoted(text)),
                hint,
            )
        };
        let example = "expected a build such as anaconda-43.34-1.fc43";
        let (plain, draft) = split_draft(text);
        if text.contains(char::is_whitespace) || plain.contains(',') {
            return Err(wrong("separate builds with \";\""));
        }
        if text.ends_with(".rpm") {
            return Err(wrong(
                "name the Koji build, not a file: leave out the architecture and .rpm",
            ));
        }
        let mut parts = plain.rsplitn(3, '-');
        let (Some(release), Some(version), Some(name)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong(example));
        };
        if name.starts_with('-') || ![name, version, release].iter().all(|part| is_part(part)) {
            return Err(wrong(example));
        }
        Ok(Self {
            name: name.into(),
            version: version.into(),
            release: format!("{release}{draft}"),
        })
    }
}

/// The text before `,draft_ID`, and that.
fn split_draft(text: &str) -> (&str, &str) {
    match text.rfind(",draft_") {
        Some(at) if is_draft_suffix(&text[at..]) => text.split_at(at),
        _ => (text, ""),
    }
}

/// Whether a text is `,draft_` and a number, as at the end of a draft build's release.
pub(super) fn is_draft_suffix(text: &str) -> bool {
    text.strip_prefix(",draft_")
        .is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_part(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+~^-".contains(c))
}

serde_as_text!(Nvr);

/// The number of a Koji build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildId(pub u64);

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BuildId {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong =
            |hint: &str| ValueError::new(format!("{} is not a build id", quoted(text)), hint);
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            match text.parse() {
                Ok(number) if number > 0 => return Ok(Self(number)),
                _ => return Err(wrong("expected a number from 1 up")),
            }
        }
        match text.parse::<Nvr>() {
            Ok(_) => Err(wrong("a build's name goes into \"nvr\"")),
            Err(_) => Err(wrong(
                "expected the number at the end of the build's address in Koji",
            )),
        }
    }
}

serde_as_text!(BuildId);

/// A build as somebody asks for it: by its name or by its number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuildRef {
    /// By its number.
    Id(BuildId),
    /// By its name.
    Nvr(Nvr),
}

impl From<Nvr> for BuildRef {
    fn from(nvr: Nvr) -> Self {
        Self::Nvr(nvr)
    }
}

impl From<BuildId> for BuildRef {
    fn from(id: BuildId) -> Self {
        Self::Id(id)
    }
}

impl Serialize for BuildRef {
    /// A name as text, a number as a number.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Id(id) => serializer.serialize_u64(id.0),
            Self::Nvr(nvr) => serializer.collect_str(nvr),
        }
    }
}

impl fmt::Display for BuildRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "build {id}"),
            Self::Nvr(nvr) => nvr.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_from_the_right() {
        for (text, name, version, release) in [
            ("bash-5.3.0-1.fc43", "bash", "5.3.0", "1.fc43"),
            (
                "python-setuptools-78.1.1-2.fc43",
                "python-setuptools",
                "78.1.1",
                "2.fc43",
            ),
            ("gtk+-1.2.10-1", "gtk+", "1.2.10", "1"),
            ("kernel-6.18~rc1-0.fc44", "kernel", "6.18~rc1", "0.fc44"),
            (
                "glibc-2.42.9000^20260101git1-3.fc45",
                "glibc",
                "2.42.9000^20260101git1",
                "3.fc45",
            ),
            (
                "draft-pkg-0.1-1.fc43,draft_2750011",
                "draft-pkg",
                "0.1",
                "1.fc43,draft_2750011",
            ),
        ] {
            let nvr: Nvr = text.parse().unwrap();
            assert_eq!(
                (nvr.name(), nvr.version(), nvr.release()),
                (name, version, release)
            );
            assert_eq!(nvr.to_string(), text);
        }
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "bash",
            "bash-5",
            "-bash-5-1",
            "--opt-5-1",
            "bash--1",
            "bash-5-",
            "a b-1-1",
            "a-1-1/..",
            "../a-1-1",
            "bash-5-1.fc43.x86_64.rpm",
            "a-1-1,b-1-1",
            "a-1-1,draft_",
            "a-1-1,draft_1x",
            "a-1-1,b-1-1,draft_1",
        ] {
            assert!(text.parse::<Nvr>().is_err(), "{text}");
        }
    }

    #[test]
    fn build_ids() {
        assert_eq!("318845".parse(), Ok(BuildId(318_845)));
        for text in ["", "0", "-1", "1x", "+1", "99999999999999999999999"] {
            assert!(text.parse::<BuildId>().is_err(), "{text}");
        }
        assert_eq!(
            "bash-5.3.0-1.fc43"
                .parse::<BuildId>()
                .unwrap_err()
                .to_string(),
            "\"bash-5.3.0-1.fc43\" is not a build id; a build's name goes into \"nvr\""
        );
    }
}
