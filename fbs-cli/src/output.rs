//! Standard output: results and JSON.

use std::io::{self, Write};

use serde_json::Value;

/// Prints text. A reader that has gone (`fbs plan ... | head`) is no error.
pub(crate) fn text(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// `1 package`, `2 packages`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
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
