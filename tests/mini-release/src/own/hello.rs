//! The package `fbs-hello`, in two versions: what update tests look for.

use crate::package::{File, Package};
use crate::version::Version;

/// The package in a version like `1.0-1`.
///
/// Its unit is enabled, and says the version on the console of a booted image.
pub(super) fn package(version: &str) -> Package {
    let Version {
        version: number,
        release,
        ..
    } = Version::of_package(version);
    let release = release.unwrap_or_default();
    let script = format!("#!/bin/sh\necho \"Hello from fbs-hello {number}-{release}\"\n");
    let mut package = Package::own("fbs-hello", version, "Says its version")
        .requires(["/bin/sh"])
        .file("/usr/bin/fbs-hello", File::text(script, 0o755))
        .file(
            "/usr/lib/systemd/system/fbs-hello.service",
            File::text(include_str!("../../root/fbs-hello.service"), 0o644),
        );
    // In a transaction that brings systemd too, `mini-release` enables it once all are there.
    package.scriptlets.post = Some(
        "if [ -x /usr/bin/systemctl ]; then\n\
         systemctl --no-reload preset fbs-hello.service >/dev/null 2>&1\n\
         fi"
        .to_owned(),
    );
    package
}
