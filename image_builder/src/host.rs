//! What this machine has: the programs that builds need, and what to install where one is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::spec::{Arch, Backend, RootFs};

/// How many bytes are free on the disk that holds `folder`, which exists.
///
/// # Errors
///
/// The operating system's.
pub fn free_bytes(folder: &Path) -> std::io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(folder)?;
    Ok(stat.fragment_size().saturating_mul(stat.blocks_available()))
}

/// Something that a build needs from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    /// Names that it may have: programs looked up in PATH, or absolute paths.
    pub names: &'static [&'static str],
    /// What it is for.
    pub purpose: &'static str,
    /// Debian's package.
    pub debian: &'static str,
    /// Fedora's package.
    pub fedora: &'static str,
}

const fn need(
    names: &'static [&'static str],
    purpose: &'static str,
    debian: &'static str,
    fedora: &'static str,
) -> Requirement {
    Requirement {
        names,
        purpose,
        debian,
        fedora,
    }
}

const DNF: Requirement = need(&["dnf5", "dnf"], "to install packages", "dnf", "dnf5");
const BWRAP: Requirement = need(
    &["bwrap"],
    "to keep scriptlets from the host",
    "bubblewrap",
    "bubblewrap",
);
const MKSQUASHFS: Requirement = need(
    &["mksquashfs"],
    "to pack the root",
    "squashfs-tools",
    "squashfs-tools",
);
const MKFS_EROFS: Requirement = need(
    &["mkfs.erofs"],
    "to pack the root",
    "erofs-utils",
    "erofs-utils",
);
const MKIMAGE: Requirement = need(
    &["grub2-mkimage", "grub-mkimage"],
    "to make boot loaders",
    "grub-common",
    "grub2-tools-minimal",
);
const MKFS_VFAT: Requirement = need(
    &["mkfs.vfat"],
    "to make the UEFI partition",
    "dosfstools",
    "dosfstools",
);
const MTOOLS: Requirement = need(&["mcopy"], "to fill the UEFI partition", "mtools", "mtools");
const XORRISO: Requirement = need(&["xorriso"], "to write and read ISOs", "xorriso", "xorriso");
const ISOMD5SUM: Requirement = need(
    &["checkisomd5"],
    "to check the media checksum",
    "isomd5sum",
    "isomd5sum",
);
const UNSQUASHFS: Requirement = need(
    &["unsquashfs"],
    "to read the image back",
    "squashfs-tools",
    "squashfs-tools",
);
const RPM: Requirement = need(&["rpm"], "to read the image's package list", "rpm", "rpm");
const LORAX: Requirement = need(&["lorax"], "the backend itself", "", "lorax");
const LIVEMEDIA_CREATOR: Requirement = need(
    &["livemedia-creator"],
    "the backend itself",
    "",
    "lorax-lmc-novirt",
);
const ANACONDA: Requirement = need(
    &["anaconda"],
    "to install the packages",
    "",
    "lorax-lmc-novirt",
);
const LIVECD_CREATOR: Requirement = need(
    &["livecd-creator"],
    "the backend itself",
    "",
    "livecd-tools",
);
const KIWI: Requirement = need(&["kiwi-ng"], "the backend itself", "kiwi", "kiwi-cli");
const IMAGE_BUILDER: Requirement = need(
    &["image-builder"],
    "the backend itself",
    "",
    "image-builder",
);
const PUNGI: Requirement = need(&["pungi"], "the backend itself", "", "pungi");
/// Not what the backend `pungi` needs, but taken for it.
const PUNGI_KOJI: Requirement = need(&["pungi-koji"], "to make composes", "", "pungi");
const UNSHARE: Requirement = need(
    &["unshare"],
    "to keep its mounts from the host",
    "util-linux",
    "util-linux-core",
);
const SETPRIV: Requirement = need(
    &["setpriv"],
    "to end it with its build",
    "util-linux",
    "util-linux",
);
const FLOCK: Requirement = need(
    &["flock"],
    "to run one of it at a time",
    "util-linux",
    "util-linux-core",
);
const DEBUGFS: Requirement = need(
    &["debugfs"],
    "to read the root in the image back",
    "e2fsprogs",
    "e2fsprogs",
);
const FSCK_EROFS: Requirement = need(
    &["fsck.erofs"],
    "to read the root in the image back",
    "erofs-utils",
    "erofs-utils",
);
const QEMU: Requirement = need(
    &["qemu-system-x86_64"],
    "to boot the image",
    "qemu-system-x86",
    "qemu-system-x86-core",
);
const OVMF: Requirement = need(
    &[
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
    ],
    "to boot the image by UEFI",
    "ovmf",
    "edk2-ovmf",
);
const GRUB_PC: Requirement = need(
    &["/usr/lib/grub/i386-pc/boot_hybrid.img"],
    "to boot by BIOS",
    "grub-pc-bin",
    "grub2-pc-modules",
);
const GRUB_X64: Requirement = need(
    &["/usr/lib/grub/x86_64-efi/linux.mod"],
    "to boot by UEFI",
    "grub-efi-amd64-bin",
    "grub2-efi-x64-modules",
);
const GRUB_IA32: Requirement = need(
    &["/usr/lib/grub/i386-efi/linux.mod"],
    "to boot by UEFI",
    "grub-efi-ia32-bin",
    "grub2-efi-ia32-modules",
);
const GRUB_AA64: Requirement = need(
    &["/usr/lib/grub/arm64-efi/linux.mod"],
    "to boot by UEFI",
    "grub-efi-arm64-bin",
    "grub2-efi-aa64-modules",
);

/// What `backend` needs to make an image of `arch`.
#[must_use]
pub fn requirements(backend: Backend, arch: Arch, rootfs: RootFs) -> Vec<Requirement> {
    let read_back = [XORRISO, UNSQUASHFS, RPM];
    let mut needs = match backend {
        Backend::Native => {
            let mut needs = vec![DNF, BWRAP, MKIMAGE, MKFS_VFAT, MTOOLS, ISOMD5SUM];
            match rootfs {
                // The engine packs it itself.
                RootFs::Squashfs => {}
                RootFs::Erofs => needs.push(MKFS_EROFS),
            }
            match arch {
                Arch::X86_64 => needs.extend([GRUB_PC, GRUB_X64]),
                Arch::I686 => needs.extend([GRUB_PC, GRUB_IA32]),
                Arch::Aarch64 => needs.push(GRUB_AA64),
                Arch::Ppc64le | Arch::S390x => {}
            }
            needs
        }
        Backend::Lorax => vec![LORAX],
        Backend::LivemediaCreator => {
            vec![
                LIVEMEDIA_CREATOR,
                ANACONDA,
                UNSHARE,
                SETPRIV,
                FLOCK,
                match rootfs {
                    RootFs::Squashfs => DEBUGFS,
                    RootFs::Erofs => FSCK_EROFS,
                },
            ]
        }
        Backend::LivecdCreator => vec![LIVECD_CREATOR, UNSHARE, SETPRIV, DEBUGFS],
        Backend::Kiwi => vec![KIWI, DNF, UNSHARE, SETPRIV, MKSQUASHFS, DEBUGFS],
        // Its roots are EROFS.
        Backend::ImageBuilder => vec![IMAGE_BUILDER, UNSHARE, SETPRIV, FSCK_EROFS],
        Backend::Pungi => vec![PUNGI, UNSHARE, SETPRIV],
        // A plan has chosen one.
        Backend::Auto => Vec::new(),
    };
    needs.extend(read_back);
    needs
}

/// What a boot test needs.
#[must_use]
pub fn boot_test_requirements(uefi: bool) -> Vec<Requirement> {
    if uefi { vec![QEMU, OVMF] } else { vec![QEMU] }
}

/// All that is ever asked for, some of it more than once.
fn everything() -> Vec<Requirement> {
    let mut needs = boot_test_requirements(true);
    needs.push(PUNGI_KOJI);
    for backend in Backend::ALL {
        for arch in Arch::ALL {
            for rootfs in RootFs::ALL {
                needs.extend(requirements(*backend, *arch, *rootfs));
            }
        }
    }
    needs
}

/// Which dnf the host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DnfVersion {
    /// dnf 4, in Python (`dnf`, `dnf-3`).
    Dnf4,
    /// dnf5, in C++ (`dnf5`, and `dnf` since Fedora 41).
    Dnf5,
}

impl DnfVersion {
    /// Told by the file that the `dnf` in PATH is a link to, without running it (starting
    /// Python costs a third of a second).
    #[must_use]
    pub fn of(program: &Path) -> Self {
        let resolved = program
            .canonicalize()
            .unwrap_or_else(|_| program.to_owned());
        match resolved.file_name().and_then(|name| name.to_str()) {
            Some("dnf5") => Self::Dnf5,
            _ => Self::Dnf4,
        }
    }
}

/// A requirement that the host does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The program or file.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// The package of this host's distribution that has it; empty where it has none.
    pub package: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.purpose)?;
        match self.package.as_str() {
            "" => write!(f, " (not packaged for this system)"),
            package => write!(f, " (package {package})"),
        }
    }
}

/// The machine that builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its architecture, if Fedora is made for it.
    pub arch: Option<Arch>,
    /// `PRETTY_NAME` of os-release.
    pub system: String,
    /// `ID` of os-release: `fedora`, `debian`.
    pub id: String,
    /// `VERSION_ID` of os-release.
    pub version: String,
    /// Whether we run as root.
    pub is_root: bool,
    /// How many processors we may use.
    pub processors: usize,
    /// Programs and files that were found, by the name they were asked for. In JSON what of a path is not UTF-8 is U+FFFD.
    #[serde(serialize_with = "as_text")]
    pub found: BTreeMap<String, PathBuf>,
    /// Which dnf it has.
    pub dnf: Option<DnfVersion>,
}

fn as_text<S: serde::Serializer>(
    found: &BTreeMap<String, PathBuf>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_map(
        found
            .iter()
            .map(|(name, path)| (name, path.to_string_lossy())),
    )
}

impl Host {
    /// One of this architecture that has nothing.
    pub(crate) fn of(arch: Arch) -> Self {
        Self {
            name: String::new(),
            arch: Some(arch),
            system: String::new(),
            id: String::new(),
            version: String::new(),
            is_root: false,
            processors: 1,
            found: BTreeMap::new(),
            dnf: None,
        }
    }

    /// Looks around. Starts no program.
    #[must_use]
    pub fn probe() -> Self {
        let os_release = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        let field = |name: &str| {
            let line = os_release
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name}=")));
            line.unwrap_or_default()
                .trim_matches(['"', '\''])
                .to_owned()
        };
        let names: BTreeSet<&str> = everything()
            .iter()
            .flat_map(|need| need.names.iter().copied())
            .collect();
        let found: BTreeMap<String, PathBuf> = names
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), find(name)?)))
            .collect();
        let dnf = DNF.names.iter().find_map(|name| found.get(*name));
        Self {
            name: name(),
            arch: Arch::host(),
            system: field("PRETTY_NAME"),
            id: field("ID"),
            version: field("VERSION_ID"),
            is_root: nix::unistd::geteuid().is_root(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            dnf: dnf.map(|program| DnfVersion::of(program)),
            found,
        }
    }

    /// The first of the names that this host has.
    #[must_use]
    pub fn program<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        names
            .iter()
            .copied()
            .find(|name| self.found.contains_key(*name))
    }

    /// The host's name for grub-mkimage; Debian's where it has none, for a plan to show.
    #[must_use]
    pub fn mkimage(&self) -> &'static str {
        self.program(MKIMAGE.names).unwrap_or("grub-mkimage")
    }

    /// Whether a program or file was found.
    #[must_use]
    pub fn has(&self, requirement: &Requirement) -> bool {
        self.program(requirement.names).is_some()
    }

    /// Those of `requirements` that the host does not meet.
    #[must_use]
    pub fn missing(&self, requirements: &[Requirement]) -> Vec<Missing> {
        let unmet = requirements
            .iter()
            .filter(|requirement| !self.has(requirement));
        unmet
            .map(|requirement| Missing {
                name: requirement.names.last().map_or("", |name| name).to_owned(),
                purpose: requirement.purpose.to_owned(),
                package: self.package(requirement).to_owned(),
            })
            .collect()
    }

    /// Whether packages are installed with apt here.
    #[must_use]
    pub fn is_debian(&self) -> bool {
        matches!(self.id.as_str(), "debian" | "ubuntu")
    }

    /// The command that installs what `missing` needs; nothing where no package has it.
    #[must_use]
    pub fn install_command(&self, missing: &[Missing]) -> Option<String> {
        let mut packages: Vec<&str> = missing.iter().map(|need| need.package.as_str()).collect();
        packages.retain(|package| !package.is_empty());
        packages.sort_unstable();
        packages.dedup();
        let tool = if self.is_debian() { "apt-get" } else { "dnf" };
        (!packages.is_empty()).then(|| format!("{tool} install {}", packages.join(" ")))
    }

    fn package(&self, requirement: &Requirement) -> &'static str {
        if self.is_debian() {
            requirement.debian
        } else {
            requirement.fedora
        }
    }
}

fn find(name: &str) -> Option<PathBuf> {
    if name.starts_with('/') {
        let path = Path::new(name);
        return path.exists().then(|| path.to_owned());
    }
    // sbin is not in the PATH of every user, and its tools can be asked for all the same.
    which::which(name).ok().or_else(|| {
        let path = Path::new("/usr/sbin").join(name);
        path.is_file().then_some(path)
    })
}

/// The name of this host.
#[must_use]
pub fn name() -> String {
    nix::unistd::gethostname().map_or_else(
        |_| "localhost".into(),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A Fedora host that has everything but lorax.
    pub(crate) fn complete() -> Host {
        let arches = [Arch::X86_64, Arch::Aarch64];
        let mut needs: Vec<Requirement> = arches
            .iter()
            .flat_map(|arch| requirements(Backend::Native, *arch, RootFs::Squashfs))
            .collect();
        needs.extend(boot_test_requirements(true));
        needs.push(MKFS_EROFS);
        let names = needs.iter().flat_map(|need| need.names);
        Host {
            name: "builder".into(),
            arch: Some(Arch::X86_64),
            system: "Fedora Linux 43".into(),
            id: "fedora".into(),
            version: "43".into(),
            is_root: true,
            processors: 2,
            found: names
                .map(|name| ((*name).to_owned(), PathBuf::from(name)))
                .collect(),
            dnf: Some(DnfVersion::Dnf5),
        }
    }

    #[test]
    fn what_is_missing_is_named_with_this_system_s_package() {
        let mut host = complete();
        host.found.remove("unsquashfs");
        host.found.remove("mcopy");
        let needs = requirements(Backend::Native, Arch::X86_64, RootFs::Squashfs);
        let missing = host.missing(&needs);
        let words: Vec<String> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "mcopy to fill the UEFI partition (package mtools)",
                "unsquashfs to read the image back (package squashfs-tools)"
            ]
        );
        assert_eq!(
            host.install_command(&missing).as_deref(),
            Some("dnf install mtools squashfs-tools")
        );
        host.id = "debian".into();
        let lorax = host.missing(&requirements(
            Backend::Lorax,
            Arch::X86_64,
            RootFs::Squashfs,
        ));
        assert_eq!(
            lorax[0].to_string(),
            "lorax the backend itself (not packaged for this system)"
        );
    }

    #[test]
    fn either_name_will_do() {
        let mut host = complete();
        host.found.remove("grub2-mkimage");
        assert_eq!(host.mkimage(), "grub-mkimage");
        assert!(host.missing(&[MKIMAGE]).is_empty());
    }

    #[test]
    fn fedora_has_a_package_for_all_of_it() {
        for need in everything() {
            assert!(!need.fedora.is_empty(), "{:?}", need.names);
        }
        let mut host = complete();
        let needs = requirements(Backend::Kiwi, Arch::X86_64, RootFs::Squashfs);
        host.found
            .insert("setpriv".into(), "/usr/bin/setpriv".into());
        assert_eq!(
            host.install_command(&host.missing(&needs)).as_deref(),
            Some("dnf install e2fsprogs kiwi-cli squashfs-tools util-linux-core")
        );
    }

    #[test]
    fn probing_finds_what_is_there() {
        let host = Host::probe();
        assert!(host.processors > 0 && !host.name.is_empty());
        assert!(host.found.values().all(|path| path.exists()));
    }
}
