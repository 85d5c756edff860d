//! What holds where a spec says nothing: pure functions and constants that a planner uses.
//!
//! Addresses are those of Fedora's public servers; see
//! <https://dl.fedoraproject.org/pub/fedora/linux/> and
//! <https://mirrors.fedoraproject.org/> for their layout.

use super::arch::Arch;
use super::choice::{BootTest, RootFs};
use super::compression::Compression;
use super::release::Release;
use super::repository::{RepositoryId, RepositoryKind};
use super::timeout::Timeout;

/// The product's name.
pub const PRODUCT: &str = "Fedora";
/// The flavor of a DVD.
pub const FLAVOR: &str = "Server";
/// Where the installer sends its users with bugs.
pub const BUG_URL: &str = "https://bugzilla.redhat.com";
/// The staging folder, relative to the current folder.
pub const STAGING: &str = "fbs-images";
/// The folder that images are made below.
pub const WORK_DIR: &str = "/var/tmp/fbs";
/// The release that a sample is written for unless one is chosen.
pub const SAMPLE_RELEASE: Release = Release::Number(43);

/// The last release that has moved to Fedora's archive server.
const LAST_ARCHIVED: u32 = 41;
/// The last release whose updates lie outside an `Everything` folder.
const LAST_PLAIN_UPDATES: u32 = 27;

/// How long a build may take: four hours.
pub fn timeout() -> Timeout {
    const FOUR_HOURS: Timeout = match Timeout::from_secs(4 * 3600) {
        Some(timeout) => timeout,
        None => panic!("checked when this is compiled"),
    };
    FOUR_HOURS
}

/// How long a script of a kickstart may run: half an hour.
pub fn post_timeout() -> Timeout {
    const HALF_AN_HOUR: Timeout = match Timeout::from_secs(30 * 60) {
        Some(timeout) => timeout,
        None => panic!("checked when this is compiled"),
    };
    HALF_AN_HOUR
}

/// The compression of the root file system: zstd at the tool's own level.
pub fn compression() -> Compression {
    Compression::default()
}

/// The root file system: SquashFS.
pub fn rootfs() -> RootFs {
    RootFs::default()
}

/// Firmware the finished image is booted with: none.
pub fn boot_test() -> BootTest {
    BootTest::default()
}

/// The folder of a release's packages on Fedora's master server, with a slash at its end.
pub fn release_url(release: &Release, arch: Arch) -> String {
    repository_url(
        &RepositoryId::new(release.clone(), RepositoryKind::Release),
        arch,
    )
    .unwrap_or_default()
}

/// The folder of a repository on Fedora's master server, with a slash at its end; `None` where a
/// release has no such repository: rawhide and eln get no updates.
pub fn repository_url(id: &RepositoryId, arch: Arch) -> Option<String> {
    let basearch = arch.basearch();
    let number = match (&id.release, id.kind) {
        (Release::Number(number), _) => *number,
        (Release::Rawhide, RepositoryKind::Release) => {
            let root = root(u32::MAX, arch);
            return Some(format!(
                "{root}/development/rawhide/Everything/{basearch}/os/"
            ));
        }
        (Release::Eln, RepositoryKind::Release) => {
            return Some(format!(
                "https://odcs.fedoraproject.org/composes/production/latest-Fedora-ELN/compose/\
                 BaseOS/{basearch}/os/"
            ));
        }
        _ => return None,
    };
    let root = root(number, arch);
    let everything = if number > LAST_PLAIN_UPDATES {
        "Everything/"
    } else {
        ""
    };
    Some(match id.kind {
        RepositoryKind::Release => format!("{root}/releases/{number}/Everything/{basearch}/os/"),
        RepositoryKind::Updates => format!("{root}/updates/{number}/{everything}{basearch}/"),
        RepositoryKind::UpdatesTesting => {
            format!("{root}/updates/testing/{number}/{everything}{basearch}/")
        }
    })
}

/// The server and folder that hold a release: old ones are archived, POWER and Z are secondary.
fn root(number: u32, arch: Arch) -> String {
    let server = if number <= LAST_ARCHIVED {
        "https://archives.fedoraproject.org/pub/archive"
    } else {
        "https://dl.fedoraproject.org/pub"
    };
    match arch {
        Arch::Ppc64le | Arch::S390x => format!("{server}/fedora-secondary"),
        Arch::X86_64 | Arch::Aarch64 | Arch::I686 => format!("{server}/fedora/linux"),
    }
}

/// The name Fedora's mirror manager gives a repository: `fedora-43`, `updates-released-f43`,
/// `updates-testing-f43`, `rawhide`; `None` where it has none.
pub fn mirror_name(id: &RepositoryId) -> Option<String> {
    match (&id.release, id.kind) {
        (Release::Number(number), RepositoryKind::Release) => Some(format!("fedora-{number}")),
        (Release::Number(number), RepositoryKind::Updates) => {
            Some(format!("updates-released-f{number}"))
        }
        (Release::Number(number), RepositoryKind::UpdatesTesting) => {
            Some(format!("updates-testing-f{number}"))
        }
        (Release::Rawhide, RepositoryKind::Release) => Some("rawhide".to_owned()),
        _ => None,
    }
}

/// The metalink of a repository, by the name [`mirror_name`] gives.
pub fn metalink(mirror_name: &str, arch: Arch) -> String {
    let arch = arch.basearch();
    format!("https://mirrors.fedoraproject.org/metalink?repo={mirror_name}&arch={arch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let id = |text: &str| text.parse::<RepositoryId>().unwrap();
        for (name, arch, url) in [
            (
                "43",
                Arch::X86_64,
                "https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Everything/x86_64/os/",
            ),
            (
                "43-updates",
                Arch::Aarch64,
                "https://dl.fedoraproject.org/pub/fedora/linux/updates/43/Everything/aarch64/",
            ),
            (
                "43-updates-testing",
                Arch::S390x,
                "https://dl.fedoraproject.org/pub/fedora-secondary/updates/testing/43/Everything/s390x/",
            ),
            (
                "17-updates",
                Arch::I686,
                "https://archives.fedoraproject.org/pub/archive/fedora/linux/updates/17/i386/",
            ),
            (
                "rawhide",
                Arch::X86_64,
                "https://dl.fedoraproject.org/pub/fedora/linux/development/rawhide/Everything/x86_64/os/",
            ),
        ] {
            assert_eq!(repository_url(&id(name), arch).as_deref(), Some(url));
        }
        assert_eq!(repository_url(&id("rawhide-updates"), Arch::X86_64), None);
        assert_eq!(
            release_url(&Release::Number(43), Arch::X86_64)
                .matches("43")
                .count(),
            1
        );
    }

    #[test]
    fn mirrors() {
        let name = |text: &str| mirror_name(&text.parse().unwrap());
        assert_eq!(name("43").as_deref(), Some("fedora-43"));
        assert_eq!(name("43-updates").as_deref(), Some("updates-released-f43"));
        assert_eq!(
            name("43-updates-testing").as_deref(),
            Some("updates-testing-f43")
        );
        assert_eq!(name("rawhide").as_deref(), Some("rawhide"));
        assert_eq!(name("eln"), None);
        assert_eq!(
            metalink("fedora-30", Arch::I686),
            "https://mirrors.fedoraproject.org/metalink?repo=fedora-30&arch=i386"
        );
        assert_eq!(timeout().to_string(), "4h");
    }
}
