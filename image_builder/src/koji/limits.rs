//! How much is asked for at once, how much is taken as an answer, and how long it may take.

use std::time::Duration;

/// The limits of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long one request may take, from connecting to the last byte.
    pub answer: Duration,
    /// The largest answer, in bytes.
    pub body: usize,
    /// How deeply the elements of an answer may be nested. An array or a struct takes three.
    pub depth: usize,
    /// How many calls go into one multiCall.
    pub batch: usize,
    /// How often a request is sent before the client gives up.
    pub attempts: u32,
    /// The pause before the second attempt. It doubles from one to the next.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Limits {
    /// Two minutes and 64 MiB for an answer, 1000 calls at once, five attempts within half a
    /// minute.
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(120),
            body: 64 * 1024 * 1024,
            depth: 150,
            batch: 1000,
            attempts: 5,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(10),
        }
    }
}
