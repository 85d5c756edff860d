//! `fbs-http`: the build service over HTTP.
//!
//! Everything here is HTTP; what becomes of jobs is decided in `image_builder`.

mod api;
mod app;
mod artifacts;
mod assets;
mod config;
mod draft;
mod follow;
mod guard;
mod health;
mod images;
mod logs;
mod masters;
mod metrics;
mod pages;
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
use image_builder::error::StageError;

#[tokio::main]
async fn main() -> ExitCode {
    let args = config::Args::parse();
    // What nobody watches says in its journal what happens to it.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .with_max_level(tracing::Level::INFO)
        .init();
    match server::run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(error.kind().exit_code())
        }
    }
}
