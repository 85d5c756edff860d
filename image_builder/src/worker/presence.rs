//! That a worker is there.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::jobs::JobId;

/// The topic on which workers say that they are there.
pub const PRESENCE: &str = "presence";

/// The topic on which somebody asks who is there. Answers are [`Presence`]s.
pub const WHO: &str = "who";

/// How often a worker says that it is there.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// A worker that has said nothing for so long is gone, for those who look. Its jobs are given to others
/// later.
pub const GONE: Duration = Duration::from_secs(20);

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// Its name.
    pub worker: String,
    /// Its life.
    pub session: String,
    /// The host that it runs on.
    pub host: String,
    /// The architecture that it builds for.
    pub arch: String,
    /// The releases that it serves.
    pub releases: Vec<String>,
    /// The builds that it makes at a time.
    pub slots: u32,
    /// The jobs that it builds.
    pub running: Vec<JobId>,
    /// Jobs that it brought to an end.
    pub finished: u64,
    /// Since when it serves.
    pub since: Timestamp,
    /// Its version.
    pub version: String,
    /// Whether it takes no more jobs.
    pub draining: bool,
    /// Why it takes no more jobs for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot: Option<String>,
    /// How many processes want to run on its host, on the average of a minute
    /// ([proc(5)](https://man7.org/linux/man-pages/man5/proc_loadavg.5.html)).
    pub load: f32,
    /// How many bytes are free where it builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// When it said so.
    pub time: Timestamp,
}

/// The load of this host.
pub(super) fn load() -> f32 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or_default()
}
