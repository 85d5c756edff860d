//! What a test needs of the host.

use std::io::Write;

/// What building an image of the mini release takes.
pub const BUILD: &[Need] = &[
    Need::Root,
    Need::Debian,
    Need::Tool("dnf"),
    Need::Tool("bwrap"),
    Need::Tool("unsquashfs"),
    Need::Tool("grub-mkimage"),
    Need::Tool("mkfs.vfat"),
    Need::Tool("mcopy"),
    Need::Tool("xorriso"),
    Need::Tool("implantisomd5"),
    Need::Tool("rpm"),
];

/// What booting an image takes on top.
pub const BOOT: &[Need] = &[
    Need::Tool("qemu-system-x86_64"),
    Need::File("/usr/share/OVMF/OVMF_CODE_4M.fd"),
];

/// Something that not every host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The test must run as root.
    Root,
    /// The mini release is made of Debian's packages.
    Debian,
    /// A program in PATH.
    Tool(&'static str),
    /// A file.
    File(&'static str),
}

impl Need {
    fn missing(self) -> Option<String> {
        let (met, what) = match self {
            Self::Root => (nix::unistd::geteuid().is_root(), "root".to_owned()),
            Self::Debian => {
                let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
                (
                    release.lines().any(|line| line == "ID=debian"),
                    "Debian".to_owned(),
                )
            }
            Self::Tool(name) => (crate::tools::find(name).is_some(), name.to_owned()),
            Self::File(path) => (std::path::Path::new(path).exists(), path.to_owned()),
        };
        (!met).then_some(what)
    }
}

/// Whether the host has what a test needs. Where it has not, one line says so, and the test is to
/// return; where `FBS_TESTS_REQUIRE_ALL` is 1, as `make test` sets it on Debian, it fails.
///
/// # Panics
///
/// As said.
#[must_use]
pub fn met(needs: &[&[Need]]) -> bool {
    let missing: Vec<String> = needs
        .concat()
        .into_iter()
        .filter_map(Need::missing)
        .collect();
    if missing.is_empty() {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let missing = missing.join(", ");
    let all = std::env::var("FBS_TESTS_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!all, "{test} needs {missing}");
    skipped(&missing);
    false
}

/// One line that says which test does not run for want of what no test may insist on.
pub fn skipped(missing: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not `eprintln!`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "skipped: {test} (needs {missing})");
}
