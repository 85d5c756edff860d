//! The library.

pub mod process;
