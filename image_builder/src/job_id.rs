//! Names of jobs.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Mutex;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};

/// The digits of the part that tells jobs of one millisecond apart.
const DIGITS: u32 = 8;

/// As many ids as these digits can tell apart.
const IDS: u64 = 36_u64.pow(DIGITS);

/// The longest id that is read, in characters.
const LONGEST: usize = 64;

/// The id of a job: `20261121T094224123-k3v9q0ab`, the time in UTC down to the millisecond and letters
/// and digits. Ids sort by time, those of one process also within a millisecond, and can stand
/// in addresses and file names as they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct JobId(String);

impl JobId {
    /// A new one.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        /// The last one's time and number.
        static LAST: Mutex<(i64, u64)> = Mutex::new((i64::MIN, 0));
        let mut last = LAST
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let time = now.as_millisecond();
        let number = match *last {
            (then, number) if then == time => (number + 1) % IDS,
            // The hasher of the standard library is seeded by the operating system. Half of the numbers
            // are left to be counted on.
            _ => RandomState::new().build_hasher().finish() % (IDS / 2),
        };
        *last = (time, number);
        let digits: String = (0..DIGITS)
            .rev()
            .map(|place| {
                let digit = u32::try_from(number / 36_u64.pow(place) % 36).unwrap_or_default();
                char::from_digit(digit, 36).unwrap_or('0')
            })
            .collect();
        Self(format!("{}-{digits}", now.strftime("%Y%m%dT%H%M%S%3f")))
    }

    /// Reads one; nothing where it could lead out of a folder or an address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let fits = !text.is_empty() && text.len() <= LONGEST && !text.starts_with('-');
        (fits && text.chars().all(plain)).then(|| Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &"the id of a job"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_within_it() {
        let now: Timestamp = "2026-11-21T09:42:24.123456Z".parse().unwrap();
        let first = JobId::new(now);
        let second = JobId::new(now);
        assert!(first.as_str().starts_with("20261121T094224123-"), "{first}");
        assert_eq!(first.as_str().len(), 27);
        assert!(first < second, "{first} {second}");
        let later = JobId::new(now + std::time::Duration::from_millis(1));
        assert!(second < later);
        assert_eq!(JobId::parse(first.as_str()), Some(first));
    }

    #[test]
    fn what_leads_elsewhere_is_no_id() {
        for text in ["", "..", "a/b", "a b", "-x", "ä", "a%2f", &"a".repeat(65)] {
            assert_eq!(JobId::parse(text), None, "{text}");
            assert!(serde_json::from_value::<JobId>(text.into()).is_err());
        }
    }
}
