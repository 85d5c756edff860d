//! What is printed: results and JSON on standard output, everything else on standard error.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::OnceLock;

pub(crate) use image_builder::quantity::count;
use serde_json::Value;

use crate::exit::{self, Exit};

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
    let _ = io::stderr().write_all(format!("{words}\n").as_bytes());
}

/// Prints text.
pub(crate) fn text(text: &str) {
    let mut out = io::stdout().lock();
    wrote(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
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
