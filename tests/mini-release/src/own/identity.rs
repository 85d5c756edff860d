//! The package `mini-release`: what the system is called, and which units are enabled.

use crate::dependency::Dependency;
use crate::package::{File, Package};
use crate::recipe::RELEASE;
use crate::version::Version;

pub(super) fn package() -> Package {
    let version = Version::of_package(&format!("{RELEASE}-1"));
    let mut package = Package::own(
        "mini-release",
        &version.to_string(),
        "Mini Release identity",
    )
    .requires(["filesystem"])
    .provides([
        "system-release",
        &format!("system-release({RELEASE})"),
        "redhat-release",
    ])
    .file("/usr/lib/os-release", File::text(os_release(), 0o644))
    .file("/etc/os-release", File::link("../usr/lib/os-release"))
    .file(
        "/etc/system-release",
        File::text(format!("Mini Release {RELEASE}\n"), 0o644),
    )
    .file(
        "/etc/issue",
        File::text("\\S\nKernel \\r on an \\m (\\l)\n\n", 0o644),
    )
    .file(
        "/usr/lib/systemd/system-preset/85-mini-release.preset",
        File::text(include_str!("../../root/85-mini-release.preset"), 0o644),
    );
    package
        .provides
        .push(Dependency::equal("fedora-release", &version));
    package.scriptlets.posttrans = Some(
        "if [ -x /usr/bin/systemctl ]; then\n\
         systemctl --no-reload preset-all >/dev/null 2>&1\n\
         fi"
        .to_owned(),
    );
    package
}

fn os_release() -> String {
    format!(
        "NAME=\"Mini Release\"\n\
         ID=minirelease\n\
         VERSION=\"{RELEASE}\"\n\
         VERSION_ID={RELEASE}\n\
         PLATFORM_ID=\"platform:f{RELEASE}\"\n\
         PRETTY_NAME=\"Mini Release {RELEASE}\"\n\
         ANSI_COLOR=\"0;34\"\n"
    )
}
