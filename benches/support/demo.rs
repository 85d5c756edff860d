//! The demo's image as our side of a comparison builds it.

use fbs_suite::{Folders, Program, binaries, release};

/// `fbs build` of one of the examples with the packages that are compared, and without a boot test.
pub(crate) fn build(folders: &Folders, example: &str, newer: bool) -> Program {
    let build = folders
        .fbs_spec("build", &binaries::workspace().join(example))
        .set("packages", PACKAGES.join(";"))
        .set("boot_test", "none");
    match newer {
        true => build
            .set("updates", "yes")
            .set("99-updates_url", release::updates()),
        false => build,
    }
}

/// What is asked for; what else the image needs each tool is told in its way.
pub(crate) const PACKAGES: [&str; 2] = ["@core", "fbs-hello"];
