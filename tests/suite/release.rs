//! The mini release, below `target/` where `examples/boot.conf` looks for it.

use std::sync::OnceLock;

use mini_release::{MiniRelease, Repository};

use crate::{binaries, turn};

/// The release; made by the first test of the run that asks.
pub fn mini() -> &'static MiniRelease {
    static RELEASE: OnceLock<MiniRelease> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let root = binaries::workspace().join("target/mini-release");
        let _making = turn::lock("mini-release.lock");
        MiniRelease::make(&root, None).expect("the mini release is made")
    })
}

/// The address of its packages.
pub fn packages() -> String {
    mini().file_url(Repository::Release)
}

/// The address of its updates.
pub fn updates() -> String {
    mini().file_url(Repository::Updates)
}

/// The address of the packages that fail.
pub fn faulty() -> String {
    mini().file_url(Repository::Faulty)
}
