//! Fedora releases.

use std::fmt;
use std::str::FromStr;

use super::value::{ValueError, quoted};
use super::word::serde_as_text;

/// A Fedora release: a number, `rawhide` or `eln`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// A numbered release, 1 to 999.
    Number(u32),
    /// The release in development that never ends.
    Rawhide,
    /// Enterprise Linux Next.
    Eln,
}

impl Release {
    /// The number of a numbered release.
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Rawhide | Self::Eln => None,
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Rawhide => f.pad("rawhide"),
            Self::Eln => f.pad("eln"),
        }
    }
}

impl FromStr for Release {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.to_ascii_lowercase().as_str() {
            "rawhide" => return Ok(Self::Rawhide),
            "eln" => return Ok(Self::Eln),
            _ => {}
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u32>() {
            Ok(number @ 1..=999) if digits => Ok(Self::Number(number)),
            _ => Err(ValueError::new(
                format!("{} is not a release", quoted(text)),
                "expected a number such as 43, \"rawhide\" or \"eln\"",
            )),
        }
    }
}

serde_as_text!(Release);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        for (text, release) in [
            ("17", Release::Number(17)),
            ("999", Release::Number(999)),
            ("Rawhide", Release::Rawhide),
            ("eln", Release::Eln),
        ] {
            assert_eq!(text.parse(), Ok(release), "{text}");
        }
        for text in ["", "0", "1000", "+43", "f43", "43.1", "-1", "99999999999"] {
            assert!(text.parse::<Release>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_in_json() {
        assert_eq!(
            serde_json::from_str::<Release>("43").unwrap(),
            Release::Number(43)
        );
        assert_eq!(
            serde_json::to_string(&Release::Number(43)).unwrap(),
            "\"43\""
        );
        assert!(serde_json::from_str::<Release>("4.5").is_err());
    }
}
