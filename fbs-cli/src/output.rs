//! What is printed: results and JSON on standard output, everything else on standard error.

use std::fmt::Arguments;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

pub(crate) use image_builder::quantity::count;
use serde_json::Value;

use crate::exit::{self, Exit};
use crate::terminal;

/// What was wrong with standard output first.
static FAULT: OnceLock<io::Error> = OnceLock::new();

/// Prints a line on standard error, with the words of [`format!`].
macro_rules! tell {
    ($($words:tt)*) => {
        $crate::output::told(format_args!($($words)*))
    };
}
pub(crate) use tell;

/// Prints a line on standard error. Where nobody reads it (`fbs build ... |& head`), what is going on goes on:
/// `eprintln!` would end it in the middle.
pub(crate) fn told(words: Arguments<'_>) {
    let words = format!("{words}\n");
    let mut err = io::stderr().lock();
    let shown = match err.is_terminal() {
        true => terminal::harmless(&words),
        false => words.as_str().into(),
    };
    let _ = err.write_all(shown.as_bytes());
}

/// Prints text: as it is, but for what would steer a terminal that shows it.
pub(crate) fn text(text: &str) {
    let mut out = io::stdout().lock();
    let shown = match out.is_terminal() {
        true => terminal::harmless(text),
        false => text.into(),
    };
    wrote(out.write_all(shown.as_bytes()).and_then(|()| out.flush()));
}

/// Remembers that something could not be written to standard output, for [`complete`]. A reader that has gone
/// (`fbs plan ... | head`) is no error.
pub(crate) fn wrote(result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = FAULT.set(error);
    }
}

/// How the program ends: not well if its results have come to nothing.
pub(crate) fn complete(exit: Exit) -> Exit {
    match FAULT.get() {
        Some(error) => {
            exit::say(format_args!("standard output: {error}"));
            match exit {
                Exit::Done => Exit::Host,
                other => other,
            }
        }
        None => exit,
    }
}

/// Prints one JSON object on a line of its own.
pub(crate) fn json_line(value: &Value) {
    text(&format!("{value}\n"));
}

/// Prints JSON for people to read too.
pub(crate) fn json_pretty(value: &Value) {
    text(&format!("{value:#}\n"));
}
