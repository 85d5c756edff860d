//! Live images, natively.
