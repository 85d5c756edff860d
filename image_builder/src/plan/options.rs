//! What a plan needs to know beside spec and host.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::job_id::JobId;
use crate::service_config::ServiceConfig;
use crate::source_date;

/// What a plan needs to know beside spec and host.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// Now: it goes into names.
    pub now: Timestamp,
    /// The job's id, where it has one already.
    pub job: Option<JobId>,
    /// The folder from which relative default paths count.
    pub current_dir: PathBuf,
    /// Where caches shared by all builds of the host are.
    pub cache_dir: PathBuf,
    /// What they may hold at most, in bytes.
    pub cache_max_bytes: u64,
    /// Whether a new root may be made in memory, where it fits.
    pub in_memory: bool,
    /// The Koji hub for specs that name none; Fedora's if absent.
    pub koji_hub: Option<String>,
    /// The folder above `packages/` that belongs to it.
    pub koji_files: Option<String>,
    /// The Bodhi for specs that name none; Fedora's if absent.
    pub bodhi: Option<String>,
    /// `SOURCE_DATE_EPOCH` as it is in the environment.
    pub source_date_epoch: Option<String>,
    /// Whether the spec's `email` is told of the build; if not, a note of the plan says so.
    pub notified: bool,
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
            job: None,
            current_dir: current_dir.into(),
            cache_dir: cache_dir.into(),
            cache_max_bytes: CACHE_MAX_BYTES,
            in_memory: true,
            koji_hub: None,
            koji_files: None,
            bodhi: None,
            source_date_epoch: None,
            notified: false,
        }
    }

    /// Now, here, the cache in `FBS_CACHE_DIR` or `/var/cache/fbs`, the servers in `FBS_KOJI_HUB`,
    /// `FBS_KOJI_FILES` and `FBS_BODHI`, and `SOURCE_DATE_EPOCH`.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::of(&ServiceConfig::default())
    }

    /// As the environment says, and where it says nothing as the configuration of the service.
    #[must_use]
    pub fn of(config: &ServiceConfig) -> Self {
        let cache_dir = std::env::var_os("FBS_CACHE_DIR").filter(|dir| !dir.is_empty());
        let current_dir = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let cache_dir = cache_dir
            .map(PathBuf::from)
            .or_else(|| config.cache.dir.clone())
            .unwrap_or_else(|| PathBuf::from(CACHE_DIR));
        let (hub, files) = (address("FBS_KOJI_HUB"), address("FBS_KOJI_FILES"));
        // A hub and its files go together.
        let (koji_hub, koji_files) = match hub {
            Some(_) => (hub, files),
            None => (
                config.koji.hub.clone(),
                files.or_else(|| config.koji.files.clone()),
            ),
        };
        Self {
            koji_hub,
            koji_files,
            source_date_epoch: address(source_date::VARIABLE),
            cache_max_bytes: (config.cache.max_size).map_or(CACHE_MAX_BYTES, |size| size.0),
            in_memory: config.work.in_memory,
            bodhi: address("FBS_BODHI").or_else(|| config.bodhi.url.clone()),
            ..Self::new(Timestamp::now(), current_dir, cache_dir)
        }
    }
}

fn address(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// What caches may hold unless the configuration says otherwise: 20 GiB.
pub const CACHE_MAX_BYTES: u64 = 20 << 30;

/// Where caches are unless the environment says otherwise.
pub const CACHE_DIR: &str = "/var/cache/fbs";
