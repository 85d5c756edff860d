//! What the service says in its journal: a line for each event, whatever words of others are in it.

mod lines;
mod plain;
mod requests;
#[cfg(test)]
pub(crate) mod written;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use image_builder::service_config::LogFormat;

pub(crate) use lines::Lines;
pub(crate) use plain::{LONGEST, plain};
pub(crate) use requests::{Answered, told};

/// Whether the journal is for programs.
static JSON: AtomicBool = AtomicBool::new(false);

/// Whether all that is written to standard error is to be JSON.
pub(crate) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Begins to write the journal to standard error.
pub(crate) fn begin(format: LogFormat) {
    JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    tracing_subscriber::fmt()
        // It would panic where nobody reads the journal any more.
        .log_internal_errors(false)
        .event_format(Lines::new(format))
        .with_writer(io::stderr)
        .with_max_level(tracing::Level::INFO)
        .init();
}
