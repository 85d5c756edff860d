//! What is printed.

use std::fmt::Arguments;
use std::io::{self, Write};

use crate::journal;

/// Prints a line on standard error, with the words of [`format!`].
macro_rules! tell {
    ($($words:tt)*) => {
        $crate::output::told(format_args!($($words)*))
    };
}
pub(crate) use tell;

/// Prints a line on standard error. Where nobody reads it any more, what is going on goes on: `eprintln!` would end it.
pub(crate) fn told(words: Arguments<'_>) {
    if journal::is_json() {
        tracing::info!(target: "fbs_http", "{words}");
        return;
    }
    let _ = io::stderr().write_all(format!("{words}\n").as_bytes());
}

/// Prints a line on standard output, if somebody reads it.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out
        .write_all(format!("{text}\n").as_bytes())
        .and_then(|()| out.flush());
}
