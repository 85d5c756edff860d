//! The name of an entry: a digest of everything that its content depends on.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The name of an entry of the cache: a SHA-256, as lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(String);

/// Goes up when the engine makes something else of the same inputs.
const FORMAT: u32 = 2;

/// What every key begins with.
#[derive(Serialize)]
struct Keyed<'a, T> {
    engine: &'a str,
    format: u32,
    inputs: &'a T,
}

impl Key {
    /// The key of `inputs`: of their names and values, and of the engine's version.
    ///
    /// # Panics
    ///
    /// Never: inputs are plain data with names, which always can be written as JSON.
    #[must_use]
    pub fn of<T: Serialize>(inputs: &T) -> Self {
        let keyed = Keyed {
            engine: env!("CARGO_PKG_VERSION"),
            format: FORMAT,
            inputs,
        };
        #[expect(clippy::expect_used, reason = "plain data")]
        let text = serde_json::to_vec(&keyed).expect("keys are plain data");
        Self(crate::digest::hex(&Sha256::digest(text)))
    }

    /// A key that was written down: 64 digits in hex.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        (text.len() == 64 && text.chars().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its beginning, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_count() {
        #[derive(Serialize)]
        struct One {
            a: &'static str,
            b: &'static str,
        }
        let key = Key::of(&One { a: "1", b: "23" });
        assert_eq!(key, Key::of(&One { a: "1", b: "23" }));
        assert_ne!(key, Key::of(&One { a: "12", b: "3" }));
        #[derive(Serialize)]
        struct Other {
            a: &'static str,
            c: &'static str,
        }
        assert_ne!(key, Key::of(&Other { a: "1", c: "23" }));
        assert_eq!(Key::parse(key.as_str()), Some(key.clone()));
        assert_eq!(Key::parse(&key.as_str()[1..]), None);
        assert_eq!(Key::parse(&key.as_str().to_uppercase()), None);
        assert!(key.as_str().starts_with(key.short()));
    }
}
