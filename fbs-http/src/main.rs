//! `fbs-http`: the build service over HTTP.
//!
//! Everything here is HTTP; what becomes of jobs is decided in `image_builder`.

#![deny(clippy::print_stderr, clippy::print_stdout)]

mod api;
mod app;
mod artifacts;
mod assets;
mod auth;
mod builds;
mod changes;
mod check;
mod conditions;
mod config;
mod draft;
mod files;
mod follow;
mod followers;
mod guard;
mod health;
mod images;
mod journal;
mod kept;
mod logs;
mod masters;
mod metrics;
mod orders;
mod output;
mod packages;
mod pages;
mod paging;
mod places;
mod plans;
mod problem;
mod rest;
mod server;
mod sse;
#[cfg(test)]
mod tests;
mod view;
mod worker;

use std::process::ExitCode;

use clap::Parser;
use config::Command;
use image_builder::error::StageError;

use crate::output::tell;

#[tokio::main]
async fn main() -> ExitCode {
    let args = config::Args::parse();
    let done = match args.command {
        None => server::run(&args).await,
        Some(Command::Check) => check::check(&args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            problem(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// Tells what is wrong, and the way out.
fn problem(error: &impl StageError) {
    let hint = error.hint();
    if journal::is_json() {
        tracing::error!(target: "fbs_http", hint, "{error}");
        return;
    }
    tell!("error: {error}");
    if let Some(hint) = hint {
        tell!("hint: {hint}");
    }
}
