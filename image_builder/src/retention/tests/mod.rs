//! Images that go, with a clock that is an argument.

#[cfg(feature = "sqlite")]
mod keeper;
mod policy;
#[cfg(feature = "sqlite")]
mod site;

use jiff::{SignedDuration, Timestamp};

/// So many hours after the beginning of all of these tests.
fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + hours * 3600).unwrap()
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}
