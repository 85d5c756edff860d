//! The packages that are not Debian's.

mod faulty;
mod filesystem;
mod hello;
mod identity;
mod setup;

pub(crate) use filesystem::is_shared;

use crate::package::Package;

/// The packages of the release itself.
pub(crate) fn release() -> Vec<Package> {
    let mut packages = setup::packages().to_vec();
    packages.extend([
        filesystem::package(),
        identity::package(),
        hello::package("1.0-1"),
    ]);
    packages
}

/// The packages of the updates.
pub(crate) fn updates() -> Vec<Package> {
    vec![hello::package("1.1-1")]
}

/// Packages that fail, each in its way.
pub(crate) fn faulty() -> Vec<Package> {
    faulty::packages()
}

/// The names of our own packages in the comps group `core`.
pub(crate) const CORE: &[&str] = &["filesystem", "mini-release", "setup"];

/// The names of our own packages in the comps group `standard`.
pub(crate) const STANDARD: &[&str] = &["fbs-hello"];
