//! Random words that prove who somebody is.

use std::fmt;

use crate::digest::sha256_text;

/// The random part, in bytes.
const LENGTH: usize = 32;

/// The longest that is looked for.
const LONGEST: usize = 200;

/// What only its owner has: the word itself. Its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

impl Credential {
    /// A new one of 256 random bits, behind `prefix`, by which people and scanners for leaked secrets know it.
    ///
    /// # Errors
    ///
    /// The operating system has no randomness.
    pub fn new(prefix: &str) -> Result<Self, String> {
        let mut bytes = [0; LENGTH];
        getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self(format!("{prefix}{digits}")))
    }

    /// One that somebody shows; nothing that cannot be one of ours.
    #[must_use]
    pub fn shown(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let fits = (LENGTH * 2..=LONGEST).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| Self(text.to_owned()))
    }

    /// The word: for its owner alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it. It is random and long, so that nobody comes from this to the word, and no salt is needed.
    #[must_use]
    pub fn hash(&self) -> String {
        sha256_text(&self.0)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_what_is_kept_is_not_the_word() {
        let one = Credential::new("fbs_").unwrap();
        let other = Credential::new("fbs_").unwrap();
        assert_ne!(one, other);
        assert!(one.reveal().starts_with("fbs_") && one.reveal().len() == 68);
        assert_eq!(Credential::shown(one.reveal()), Some(one.clone()));
        assert_ne!(one.hash(), other.hash());
        assert!(!one.hash().contains(&one.reveal()[4..12]));
        assert_eq!(format!("{one:?}"), "***");
        for wrong in [
            "",
            "fbs_1",
            &"x".repeat(201),
            &"é".repeat(40),
            &"'".repeat(70),
        ] {
            assert_eq!(Credential::shown(wrong), None, "{wrong}");
        }
    }
}
