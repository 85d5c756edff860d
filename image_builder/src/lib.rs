//! The library.

pub mod context;
pub mod events;
pub mod process;
pub mod verify;
