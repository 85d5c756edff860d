//! The library.

pub mod builders;
pub mod compose;
pub mod context;
pub mod delivery;
pub mod digest;
pub mod error;
pub mod events;
pub mod host;
mod http;
pub mod imagebuilder;
pub mod job_log;
pub mod outdir;
pub mod plan;
pub mod preflight;
pub mod process;
pub mod repo_create;
pub mod report;
pub mod repository;
pub mod spec;
pub mod transfer;
pub mod verify;
pub mod workdir;
