//! What is wrong with one value, and what all value types share.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{self, Visitor};

/// Why a text is not a value of its kind, and what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ValueError {
    /// What is wrong, in lower case: `"disk" is not an image type`.
    pub problem: String,
    /// What would be right: `expected boot, dvd or live`.
    pub hint: Option<String>,
}

impl ValueError {
    /// An error with a way out.
    pub fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            hint: Some(hint.into()),
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// The error for a text that is none of the words of an enum.
pub(crate) fn not_a_word(text: &str, what: &str, words: &[&str]) -> ValueError {
    let hint = match closest(text, words.iter().copied()) {
        Some(word) => format!("did you mean \"{word}\"?"),
        None => format!("expected {}", one_of(words)),
    };
    ValueError::new(format!("{} is not {what}", quoted(text)), hint)
}

/// The text in double quotes, with control characters escaped and a long text cut short, fit for
/// a one-line message.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", on_one_line(text))
}

/// The text with control characters escaped and a long text cut short.
pub(crate) fn on_one_line(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char_shown).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    shown
}

fn char_shown(c: char) -> Vec<char> {
    if c.is_control() {
        c.escape_default().collect()
    } else {
        vec![c]
    }
}

/// `a, b or c`.
pub(crate) fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The candidate that a mistyped word most likely meant.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // The comparison takes time in proportion to the length; no word of a spec is as long.
    const LONGEST: usize = 64;
    let word = word.to_lowercase();
    let allowed = match word.chars().count() {
        1..=3 => 1,
        4..=7 => 2,
        8..=LONGEST => 3,
        _ => return None,
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words; `_`, `-`, `.` and blanks count as the same character.
fn distance(a: &str, b: &str) -> usize {
    let plain = |text: &str| text.replace(['_', '.', ' '], "-");
    strsim::damerau_levenshtein(&plain(a), &plain(b))
}

/// Reads a value from a string or a whole number.
pub(crate) fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = ValueError>,
{
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err = ValueError>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a whole number")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
    }

    deserializer.deserialize_any(Text(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_is_found_and_far_ones_are_not() {
        let keys = ["updates", "updates-testing", "release", "nvr", "bid"];
        for (typed, meant) in [
            ("updats", Some("updates")),
            ("updates_testing", Some("updates-testing")),
            ("relaese", Some("release")),
            ("nvrs", Some("nvr")),
            ("x86", None),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(typed, keys), meant, "{typed}");
        }
    }

    #[test]
    fn quoted_text_stays_on_one_line() {
        assert_eq!(quoted("a\nb\u{1b}"), "\"a\\nb\\u{1b}\"");
        assert_eq!(
            quoted(&"x".repeat(90)),
            format!("\"{}...\"", "x".repeat(80))
        );
    }
}
