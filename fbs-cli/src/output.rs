//! Standard output: results and JSON.

use std::io::{self, Write};

pub(crate) use image_builder::quantity::count;
use serde_json::Value;

/// Prints text. A reader that has gone (`fbs plan ... | head`) is no error.
pub(crate) fn text(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints one JSON object on a line of its own.
pub(crate) fn json_line(value: &Value) {
    text(&format!("{value}\n"));
}

/// Prints JSON for people to read too.
pub(crate) fn json_pretty(value: &Value) {
    text(&format!("{value:#}\n"));
}
