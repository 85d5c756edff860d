//! The time that an image carries, so that the same packages give the same bytes.
//!
//! [`SOURCE_DATE_EPOCH`](https://reproducible-builds.org/specs/source-date-epoch/) of the environment
//! says it; otherwise it is the time at which the newest package of the image was built.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::process::Invocation;

/// The variable of the environment.
pub const VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// Stands for the seconds in a planned command line: where the environment does not say them, only
/// the solved set of packages does.
pub const PLACEHOLDER: &str = "{source-date-epoch}";

/// The time that an image carries, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDate {
    /// Seconds since 1970.
    pub seconds: u64,
    /// Where it is from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Where the time of an image is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// `SOURCE_DATE_EPOCH`.
    Environment,
    /// The build time of the newest package.
    Package {
        /// Its name-epoch:version-release.arch.
        package: String,
    },
    /// The time of the build, since nothing else tells one: the next image will differ.
    Clock,
}

/// A `SOURCE_DATE_EPOCH` that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceDateError {
    /// It is no number of seconds.
    #[error("SOURCE_DATE_EPOCH is {0:?}, which is no number of seconds since 1970")]
    Number(String),
    /// What is made now would be older than it says.
    #[error("SOURCE_DATE_EPOCH is {0}, which is later than now ({1})")]
    Future(u64, u64),
}

impl SourceDate {
    /// What `text`, the variable's value, says at the time `now`.
    ///
    /// # Errors
    ///
    /// [`SourceDateError`]
    pub fn of_environment(text: &str, now: Timestamp) -> Result<Self, SourceDateError> {
        let wrong = || SourceDateError::Number(text.to_owned());
        // A sign is no digit.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: u64 = text.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
        let now = u64::try_from(now.as_second()).unwrap_or_default();
        match seconds > now {
            true => Err(SourceDateError::Future(seconds, now)),
            false => Ok(Self {
                seconds,
                origin: Origin::Environment,
            }),
        }
    }

    /// The build time of `package`, the newest one.
    #[must_use]
    pub fn of_package(seconds: u64, package: String) -> Self {
        Self {
            seconds,
            origin: Origin::Package { package },
        }
    }

    /// The time of the build.
    #[must_use]
    pub fn of_clock(now: Timestamp) -> Self {
        Self {
            seconds: u64::try_from(now.as_second()).unwrap_or_default(),
            origin: Origin::Clock,
        }
    }
}

/// `command` with the time of the image in its environment, and in no time zone. The seconds are
/// [`PLACEHOLDER`], to be bound.
#[must_use]
pub fn dated(command: Invocation) -> Invocation {
    command.env(VARIABLE, PLACEHOLDER).env("TZ", "UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_time_that_is_past_is_taken() {
        let now: Timestamp = "2026-11-21T09:42:24Z".parse().unwrap();
        let read = |text: &str| SourceDate::of_environment(text, now);
        assert_eq!(read("0").unwrap().seconds, 0);
        assert_eq!(read("1795254144").unwrap().origin, Origin::Environment);
        for text in ["", "-1", "+1", "1.5", "today", "99999999999999999999999"] {
            assert_eq!(read(text), Err(SourceDateError::Number(text.to_owned())));
        }
        let error = read("1795254145").unwrap_err().to_string();
        assert!(error.contains("is later than now (1795254144)"), "{error}");
    }

    #[test]
    fn where_it_is_from_is_written_beside_it() {
        let date = SourceDate::of_package(7, "bash-5.3-1.fc43.x86_64".to_owned());
        let json = serde_json::to_string(&date).unwrap();
        assert_eq!(
            json,
            r#"{"seconds":7,"from":"package","package":"bash-5.3-1.fc43.x86_64"}"#
        );
        assert_eq!(serde_json::from_str::<SourceDate>(&json).unwrap(), date);
    }
}
