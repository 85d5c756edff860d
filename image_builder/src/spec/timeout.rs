//! How long a build may take.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::value::{ValueError, quoted};
use super::word::serde_as_text;

/// A time limit of one second to seven days, written `90m`, `2h`, `1h30m`, `1d` or, in seconds,
/// `3600`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeout(Duration);

impl Timeout {
    const LONGEST: u64 = 7 * 24 * 3600;

    /// A limit of so many seconds; `None` for 0 and for more than seven days.
    pub const fn from_secs(seconds: u64) -> Option<Self> {
        if seconds == 0 || seconds > Self::LONGEST {
            None
        } else {
            Some(Self(Duration::from_secs(seconds)))
        }
    }

    /// The limit as a duration of whole seconds.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds if seconds % 3600 == 0 => write!(f, "{}h", seconds / 3600),
            seconds if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            seconds => write!(f, "{seconds}"),
        }
    }
}

impl FromStr for Timeout {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let seconds = seconds(text).ok_or_else(|| {
            ValueError::new(
                format!("{} is not a time", quoted(text)),
                "expected hours, minutes or seconds, such as 2h, 90m or 5400",
            )
        })?;
        Self::from_secs(seconds).ok_or_else(|| {
            ValueError::new(
                format!("{} is out of range", quoted(text)),
                "expected one second to seven days",
            )
        })
    }
}

/// The sum of the parts of `1h30m`; a part without unit counts seconds.
fn seconds(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let factor = match unit {
            "d" => 86_400,
            "h" => 3_600,
            "m" | "min" => 60,
            "s" | "sec" | "" => 1,
            _ => return None,
        };
        // A digit run too long for u64 is a time, only far out of range.
        let number = match number {
            "" => return None,
            digits => digits.parse::<u64>().unwrap_or(u64::MAX),
        };
        total = total.saturating_add(number.saturating_mul(factor));
        let next = tail.trim_start();
        if unit.is_empty() && !next.is_empty() {
            return None;
        }
        rest = next;
    }
    Some(total)
}

serde_as_text!(Timeout);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        for (text, seconds, shown) in [
            ("3600", 3600, "1h"),
            ("90m", 5400, "90m"),
            ("2h", 7200, "2h"),
            ("1h30m", 5400, "90m"),
            ("1h 30m 5s", 5405, "5405"),
            ("1d", 86_400, "24h"),
        ] {
            let timeout: Timeout = text.parse().unwrap();
            assert_eq!(timeout.duration().as_secs(), seconds, "{text}");
            assert_eq!(timeout.to_string(), shown);
            assert_eq!(shown.parse(), Ok(timeout));
        }
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "0",
            "h",
            "-1",
            "1.5h",
            "2 weeks",
            "8d",
            "5 h",
            "99999999999999999999",
            "2hé",
        ] {
            assert!(text.parse::<Timeout>().is_err(), "{text}");
        }
    }
}
