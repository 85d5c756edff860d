//! The library.

pub mod spec;
