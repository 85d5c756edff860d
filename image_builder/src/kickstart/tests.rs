//! Whole kickstarts, as values.

mod settings;
