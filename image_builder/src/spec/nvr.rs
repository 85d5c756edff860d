//! The names of Koji builds, as `nvr` and `bid` hold them.

pub use crate::koji::{BuildId, Nvr};
