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
    /// The Koji hub for specs that name none; Fedora's if absent.
    pub koji_hub: Option<String>,
    /// The folder above `packages/` that belongs to it.
    pub koji_files: Option<String>,
    /// The Bodhi for specs that name none; Fedora's if absent.
    pub bodhi: Option<String>,
}

impl PlanOptions {
    /// Whatever the environment says: Fedora's servers.
    #[must_use]
    pub fn new(
        now: Timestamp,
        current_dir: impl Into<PathBuf>,
        cache_dir: impl Into<PathBuf>,
    ) -> Self {
        Self {
            now,
            current_dir: current_dir.into(),
            cache_dir: cache_dir.into(),
            koji_hub: None,
            koji_files: None,
            bodhi: None,
        }
    }

    /// Now, here, the cache in `FBS_CACHE_DIR` or `/var/cache/fbs`, and the servers in
    /// `FBS_KOJI_HUB`, `FBS_KOJI_FILES` and `FBS_BODHI`.
    #[must_use]
    pub fn from_environment() -> Self {
        let cache_dir = std::env::var_os("FBS_CACHE_DIR").filter(|dir| !dir.is_empty());
        let current_dir = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let cache_dir = cache_dir.map_or_else(|| PathBuf::from(CACHE_DIR), PathBuf::from);
        Self {
            koji_hub: address("FBS_KOJI_HUB"),
            koji_files: address("FBS_KOJI_FILES"),
            bodhi: address("FBS_BODHI"),
            ..Self::new(Timestamp::now(), current_dir, cache_dir)
        }
    }
}

fn address(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Where caches are unless the environment says otherwise.
pub const CACHE_DIR: &str = "/var/cache/fbs";
