//! `fbs`: builds, checks and boots images from a small spec.
//!
//! Everything here is argument parsing, printing and exit codes; the work is in `image_builder`.

#![deny(clippy::print_stderr, clippy::print_stdout)]

mod args;
#[cfg(test)]
mod cli_reference;
mod commands;
mod display;
mod exit;
mod output;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    output::complete(commands::run(args::Args::parse()).await).into()
}
