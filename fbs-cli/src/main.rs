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
use image_builder::redact;

use output::tell;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            // It repeats what was given, and that may be an address with a password.
            tell!("{}", redact::arguments(error.to_string().trim_end()));
            return exit::Exit::Usage.into();
        }
        Err(help) => help.exit(),
    };
    output::complete(commands::run(args).await).into()
}
