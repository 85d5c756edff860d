//! The keys RPMs are signed with.

use std::fmt;
use std::str::FromStr;

use crate::spec::ValueError;
use crate::spec::value::quoted;
use crate::spec::word::serde_as_text;

/// The id of a signing key as Koji writes it, `31645531` or longer: hexadecimal, lower case.
///
/// The signed copy of an RPM lies in the folder of this name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SigKey(String);

impl SigKey {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SigKey {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let id = text.strip_prefix("0x").unwrap_or(text);
        if (8..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(id.to_ascii_lowercase()));
        }
        Err(ValueError::new(
            format!("{} is not the id of a signing key", quoted(text)),
            "expected 8 or more hexadecimal digits such as 31645531",
        ))
    }
}

serde_as_text!(SigKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_in_lower_case() {
        for text in ["7D0245A7", "0x7d0245a7", "7d0245a7"] {
            assert_eq!(text.parse::<SigKey>().unwrap().as_str(), "7d0245a7");
        }
        for text in ["", "7d0245", "../../../x", "7d0245a7/", "7d0245g7"] {
            assert!(text.parse::<SigKey>().is_err(), "{text}");
        }
    }
}
