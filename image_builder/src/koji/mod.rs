//! Koji, Fedora's build system.

mod nvr;

pub use nvr::{BuildId, BuildRef, Nvr};
