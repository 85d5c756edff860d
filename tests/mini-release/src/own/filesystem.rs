//! The package `filesystem`: the folders that all packages share, and the links of a merged /usr.

use crate::package::{File, Package};

/// Folders with their modes.
const FOLDERS: &[(&str, u16)] = &[
    ("/boot", 0o755),
    ("/dev", 0o755),
    ("/etc", 0o755),
    ("/etc/default", 0o755),
    ("/etc/opt", 0o755),
    ("/etc/pam.d", 0o755),
    ("/etc/profile.d", 0o755),
    ("/etc/security", 0o755),
    ("/etc/skel", 0o755),
    ("/etc/systemd", 0o755),
    ("/home", 0o755),
    ("/media", 0o755),
    ("/mnt", 0o755),
    ("/opt", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/srv", 0o755),
    ("/sys", 0o555),
    ("/tmp", 0o1777),
    ("/usr", 0o755),
    ("/usr/bin", 0o755),
    ("/usr/include", 0o755),
    ("/usr/lib", 0o755),
    ("/usr/lib/modules", 0o755),
    ("/usr/lib/systemd", 0o755),
    ("/usr/lib/systemd/system", 0o755),
    ("/usr/lib/systemd/system-preset", 0o755),
    ("/usr/lib64", 0o755),
    ("/usr/libexec", 0o755),
    ("/usr/local", 0o755),
    ("/usr/local/bin", 0o755),
    ("/usr/local/lib", 0o755),
    ("/usr/local/sbin", 0o755),
    ("/usr/sbin", 0o755),
    ("/usr/share", 0o755),
    ("/usr/src", 0o755),
    ("/var", 0o755),
    ("/var/cache", 0o755),
    ("/var/empty", 0o755),
    ("/var/lib", 0o755),
    ("/var/lib/misc", 0o755),
    ("/var/local", 0o755),
    ("/var/log", 0o755),
    ("/var/opt", 0o755),
    ("/var/spool", 0o755),
    ("/var/spool/mail", 0o755),
    ("/var/tmp", 0o1777),
];

/// Links with their targets.
const LINKS: &[(&str, &str)] = &[
    ("/bin", "usr/bin"),
    ("/etc/mtab", "../proc/self/mounts"),
    ("/lib", "usr/lib"),
    ("/lib64", "usr/lib64"),
    ("/sbin", "usr/sbin"),
    ("/var/lock", "../run/lock"),
    ("/var/mail", "spool/mail"),
    ("/var/run", "../run"),
];

/// Whether `filesystem` owns a path, so that no other package should.
pub(crate) fn is_shared(path: &str) -> bool {
    FOLDERS.iter().any(|(folder, _)| *folder == path) || LINKS.iter().any(|(link, _)| *link == path)
}

pub(super) fn package() -> Package {
    let mut package = Package::own("filesystem", "1-1", "The basic directory layout")
        .requires(["setup", "setup-shadow"])
        .provides(["/bin", "/lib", "/lib64", "/sbin", "filesystem-usrmerge"]);
    for (path, mode) in FOLDERS {
        package = package.file(path, File::folder(*mode));
    }
    for (path, target) in LINKS {
        package = package.file(path, File::link(*target));
    }
    package
}
