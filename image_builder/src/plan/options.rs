//! What a plan needs to know beside spec and host.

use std::path::PathBuf;

use jiff::Timestamp;

/// What a plan needs to know beside spec and host.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// Now: it goes into names.
    pub now: Timestamp,
    /// The folder from which relative default paths count.
    pub current_dir: PathBuf,
    /// Where caches shared by all builds of the host are.
    pub cache_dir: PathBuf,
}

impl PlanOptions {
    /// Now, here, and the cache in `FBS_CACHE_DIR` or `/var/cache/fbs`.
    #[must_use]
    pub fn from_environment() -> Self {
        let cache_dir = std::env::var_os("FBS_CACHE_DIR").filter(|dir| !dir.is_empty());
        Self {
            now: Timestamp::now(),
            current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            cache_dir: cache_dir.map_or_else(|| PathBuf::from(CACHE_DIR), PathBuf::from),
        }
    }
}

/// Where caches are unless the environment says otherwise.
pub const CACHE_DIR: &str = "/var/cache/fbs";
