//! The library.

pub mod builders;
pub mod compose;
pub mod context;
pub mod digest;
pub mod error;
pub mod events;
pub mod host;
mod http;
pub mod job_log;
pub mod outdir;
pub mod plan;
pub mod preflight;
pub mod process;
pub mod repository;
pub mod spec;
pub mod transfer;
pub mod workdir;
