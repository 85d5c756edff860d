//! Whole kickstarts, as values.

mod flatten;
mod settings;
