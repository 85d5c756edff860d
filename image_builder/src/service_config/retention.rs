//! `[http.retention]`: how long images stay.

use std::time::Duration;

use jiff::SignedDuration;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::quantity::{Age, ByteSize};
use crate::retention::Policy;

/// How long images stay that were delivered to the service itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSection {
    /// How long after its delivery an image stays: `14d`, or `never`.
    pub max_age: Option<Lifetime>,
    /// How many bytes all images may have together.
    pub max_size: Option<ByteSize>,
    /// How long before the end of an image its people get a mail.
    pub warning: Option<Age>,
}

/// How long something may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// So long.
    For(Age),
    /// For ever: `never` ends it.
    Endless,
}

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "never" {
            return Ok(Self::Endless);
        }
        let wrong =
            |_| D::Error::custom(format!("{text:?} is neither a time such as 14d nor never"));
        text.parse().map(Self::For).map_err(wrong)
    }
}

impl RetentionSection {
    /// What holds.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let Policy {
            max_age,
            max_size,
            warning,
        } = Policy::default();
        Policy {
            max_age: match self.max_age {
                None => max_age,
                Some(Lifetime::For(age)) => Some(signed(age)),
                Some(Lifetime::Endless) => None,
            },
            max_size: self.max_size.map(|size| size.0).or(max_size),
            warning: self.warning.map_or(warning, signed),
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.max_size == Some(ByteSize(0)) {
            return Err(
                "[http.retention] max_size: no image fits into 0 bytes; leave it out for any size"
                    .to_owned(),
            );
        }
        if self.warning == Some(Age(Duration::ZERO)) {
            return Err(
                "[http.retention] warning: people need some time to save their image, such as \"2d\""
                    .to_owned(),
            );
        }
        let Policy {
            max_age, warning, ..
        } = self.policy();
        match max_age {
            Some(max_age) if max_age <= warning => Err(format!(
                "[http.retention] max_age: {} is not longer than warning, which is {}: the mail would go with the \
                 image's delivery; `max_age = \"never\"` keeps images for ever",
                words(max_age),
                words(warning)
            )),
            _ => Ok(()),
        }
    }
}

fn signed(age: Age) -> SignedDuration {
    SignedDuration::try_from(age.0).unwrap_or(SignedDuration::MAX)
}

fn words(time: SignedDuration) -> String {
    Age(time.unsigned_abs()).to_string()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::retention::Policy;
    use crate::service_config::ServiceConfig;

    fn policy(text: &str) -> Result<Policy, String> {
        let config = ServiceConfig::parse(&format!("[http.retention]\n{text}\n"))?;
        Ok(config.http.retention.policy())
    }

    #[test]
    fn what_is_not_said_is_14_days_any_size_and_a_mail_two_days_before() {
        let hours = SignedDuration::from_hours;
        for (text, max_age, max_size, warning) in [
            ("", Some(hours(14 * 24)), None, hours(48)),
            ("max_age = \"never\"", None, None, hours(48)),
            (
                "max_age = \"3d\"\nmax_size = \"500G\"\nwarning = \"12h\"",
                Some(hours(72)),
                Some(500 << 30),
                hours(12),
            ),
        ] {
            let expected = Policy {
                max_age,
                max_size,
                warning,
            };
            assert_eq!(policy(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("maxage = \"3d\"", &["maxage", "max_age"][..]),
            ("max_age = \"soon\"", &["soon", "14d", "never"]),
            ("max_age = 14", &["expected a string"]),
            (
                "max_age = \"2d\"",
                &["[http.retention] max_age", "2 days", "never"],
            ),
            ("max_age = \"0\"", &["[http.retention] max_age", "never"]),
            (
                "warning = \"14d\"",
                &["[http.retention] max_age", "14 days"],
            ),
            ("warning = \"0d\"", &["[http.retention] warning", "2d"]),
            ("warning = \"2 days\"", &["line 2", "12h"]),
            ("max_size = \"0\"", &["[http.retention] max_size"]),
            ("max_size = \"lots\"", &["lots", "20G"]),
        ] {
            let problem = policy(text).unwrap_err();
            for word in words {
                assert!(problem.contains(word), "{text}: {word}: {problem}");
            }
        }
    }
}
