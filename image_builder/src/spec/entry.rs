//! What all formats are first read into: sections and entries, with their lines, unjudged.

use super::mistake::Mistake;

/// A section as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) line: Option<usize>,
}

/// One value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) section: String,
    pub(crate) key: String,
    /// The text; the items of a list each on a line.
    pub(crate) value: String,
    /// Whether it was written as a list, which only TOML and JSON have.
    pub(crate) list: bool,
    pub(crate) line: Option<usize>,
    /// The text of the override that set it.
    pub(crate) set_by: Option<String>,
}

/// A spec as it was written, in any format.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) heads: Vec<Head>,
    pub(crate) entries: Vec<Entry>,
    /// Whether the text could not be taken apart at all: there is nothing more to judge.
    pub(crate) broken: bool,
    /// What already went wrong while the text was taken apart.
    pub(crate) mistakes: Vec<Mistake>,
}
