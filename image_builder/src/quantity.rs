//! Sizes, ages and numbers of things as people write them, on a command line and in the configuration.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// `1 package`, `2 packages`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// A size in bytes, written with K, M, G or T: powers of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

/// The units and what they stand for, the smallest first.
const SIZES: [(char, u64); 4] = [
    ('K', 1 << 10),
    ('M', 1 << 20),
    ('G', 1 << 30),
    ('T', 1 << 40),
];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        number(text, &SIZES, 1)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no size; expected one such as 500M or 20G"))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZES.iter().rev().find(|(_, unit)| self.0 >= *unit) {
            Some((letter, unit)) => write!(f, "{:.1} {letter}iB", self.0 as f64 / *unit as f64),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// A time, written with m, h or d.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(pub Duration);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        number(text, &[('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)], 1)
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .ok_or_else(|| "expected a time such as 12h or 30d".to_owned())
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// `2 days`, `36 hours`, `90 s`: in the largest unit that it has a whole number of.
impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        for (noun, unit) in [("day", 86_400), ("hour", 3600), ("minute", 60)] {
            if seconds >= unit && seconds.is_multiple_of(unit) {
                let number = usize::try_from(seconds / unit).unwrap_or(usize::MAX);
                return f.write_str(&count(number, noun));
            }
        }
        write!(f, "{seconds} s")
    }
}

/// A whole number and a unit; `plain` is what it counts without one.
fn number(text: &str, units: &[(char, u64)], plain: u64) -> Option<u64> {
    let last = text.chars().last()?;
    let known = units
        .iter()
        .find(|(letter, _)| letter.eq_ignore_ascii_case(&last));
    let (digits, unit) = match known {
        Some((_, unit)) => (&text[..text.len() - last.len_utf8()], *unit),
        None => (text, plain),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages() {
        for (text, bytes) in [("0", 0), ("500M", 500 << 20), ("20g", 20 << 30), ("7", 7)] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)));
        }
        assert_eq!("30d".parse(), Ok(Age(Duration::from_secs(2_592_000))));
        for text in ["", "G", "-1", "1.5G", "20 G", "99999999999T", "1é"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        for (text, words) in [
            ("48h", "2 days"),
            ("36h", "36 hours"),
            ("1d", "1 day"),
            ("90", "90 s"),
        ] {
            assert_eq!(text.parse::<Age>().unwrap().to_string(), words);
        }
        assert_eq!(ByteSize(1536).to_string(), "1.5 KiB");
        assert_eq!(ByteSize(12).to_string(), "12 bytes");
    }
}
