//! The formats a spec may be written in.

use std::path::Path;

use super::entry::Document;
use super::{ini, json_text, toml_text};

/// A format; all three know the same sections and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The INI format of 2012.
    Ini,
    /// TOML: a table a section.
    Toml,
    /// JSON: an object of objects.
    Json,
}

impl Format {
    /// By the file's extension: `.toml`, `.json`; INI for all others.
    pub fn of_path(path: &Path) -> Self {
        let extension = path
            .extension()
            .map(|extension| extension.to_ascii_lowercase());
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("toml") => Self::Toml,
            Some("json") => Self::Json,
            _ => Self::Ini,
        }
    }

    pub(crate) fn read(self, text: &str, origin: &str) -> Document {
        match self {
            Self::Ini => ini::read(text, origin),
            Self::Toml => toml_text::read(text, origin),
            Self::Json => json_text::read(text, origin),
        }
    }
}
