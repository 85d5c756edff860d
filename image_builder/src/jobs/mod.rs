//! Jobs: builds that are asked for here and made elsewhere.
//!
//! All that happens to jobs is a sequence of [`JobEvent`]s in one order, the ledger
//! ([`crate::queue`]). What a job is after them is decided by [`Job::apply`] alone, which every
//! client, worker and master runs over the same events and so comes to the same end: an event that does
//! not fit is passed over by all of them. A claim by two workers, a result that comes after its job
//! was given to somebody else, a message that was delivered twice: the first that fits counts.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod batch;
mod event;
mod job;
mod kickstart;
#[cfg(feature = "postgres")]
mod postgres;
mod prepare;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod record;
mod request;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod table;
#[cfg(test)]
pub(crate) mod tests;

pub use event::{
    Claim, Entry, JobEnding, JobEvent, JobEventKind, Moment, WorkerEvent, WorkerEventKind,
};
pub use job::{Job, JobState, Misfit, Transition};
pub use kickstart::untrusted;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use prepare::PrepareError;
pub use request::{JobRequest, Line, Payload, Priority};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::SqlStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use store::{Bookmark, JobFilter, JobStore, JobSummary, LineLoad, StoreError, Wish};
pub use table::{JobTable, Waiting};

pub use crate::job_id::JobId;

/// How often a job is begun whose worker dies, before it is given up.
pub const MAX_RUNS: u32 = 3;

/// How often workers may hand a job back that they cannot finish, before it is given up: beside once each, for those who
/// lack something that it needs.
pub const MAX_HAND_BACKS: u32 = 20;
