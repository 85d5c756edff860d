//! What the release is made of: the Debian packages, and what is changed in them.

use crate::Error;

/// The release's number, where Fedora has 43.
pub(crate) const RELEASE: &str = "99";

/// The host's architecture, under both names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Architecture {
    /// RPM's name.
    pub(crate) rpm: &'static str,
    /// Debian's name.
    pub(crate) debian: &'static str,
}

impl Architecture {
    /// The architecture of this host.
    pub(crate) fn host() -> Result<Self, Error> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self {
                rpm: "x86_64",
                debian: "amd64",
            }),
            "aarch64" => Ok(Self {
                rpm: "aarch64",
                debian: "arm64",
            }),
            other => Err(Error::Architecture(other)),
        }
    }

    /// The Debian package that stands for the newest kernel.
    ///
    /// The cloud kernel has a quarter of the generic one's modules, and all that a live image
    /// needs in QEMU: isofs, squashfs, overlay, sr_mod, ata_piix, virtio. It has no ahci.
    pub(crate) fn kernel(self) -> String {
        format!("linux-image-cloud-{}", self.debian)
    }
}

/// In the comps group `core`: a root that boots to a login prompt, and in which dracut works.
pub(crate) const CORE: &[&str] = &[
    "bash",
    "bsdutils",
    "coreutils",
    "dbus",
    "debianutils",
    "diffutils",
    "dracut-core",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "iproute2",
    "kmod",
    "less",
    "libc-bin",
    "libc6",
    "libpam-modules",
    "libpam-runtime",
    "libpam-systemd",
    "login",
    "mount",
    "ncurses-base",
    "ncurses-bin",
    "passwd",
    "procps",
    "sed",
    "systemd",
    "systemd-sysv",
    "sysvinit-utils",
    "tar",
    "udev",
    "util-linux",
    "vim-tiny",
    "zstd",
];

/// In the comps group `standard`.
pub(crate) const STANDARD: &[&str] = &["file", "gawk", "lz4", "nano", "xz-utils"];

/// In no group.
pub(crate) const OTHERS: &[&str] = &["dracut-live", "e2fsprogs", "cpio", "dmsetup"];

/// Fetched so that apt does not choose `initramfs-tools`, and left out.
pub(crate) const FETCHED_ONLY: &[&str] = &["dracut"];

/// Debian's own machinery, and what our own packages replace. Neither is in the release, and what
/// others require of it is dropped. Perl is only here for the tools of Debian's maintainer scripts.
const LEFT_OUT: &[&str] = &[
    "adduser",
    "base-files",
    "base-passwd",
    "cdebconf",
    "dash",
    "debconf",
    "debconf-2.0",
    "dpkg",
    "dracut", // hooks for Debian's kernel packages; dracut itself is in dracut-core
    "init-system-helpers",
    "initramfs-tools",
    "install-info",
    "libfile-find-rule-perl",
    "libgdbm-compat4",
    "libgdbm6",
    "libnumber-compare-perl",
    "libperl5.36",
    "libtext-glob-perl",
    "linux-base",
    "linux-initramfs-tool",
    "mawk",
    "perl",
    "perl-base",
    "perl-modules-5.36",
    "sensible-utils",
    "ucf",
    "usr-is-merged",
    "usrmerge",
];

/// Whether a Debian package (real or virtual) stays out of the release.
pub(crate) fn is_left_out(debian: &str) -> bool {
    LEFT_OUT.contains(&debian)
}

/// What is changed in a package on its way.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Names that Fedora's package provides besides its own.
    pub(crate) provides: &'static [&'static str],
    /// Fedora names required besides Debian's.
    pub(crate) requires: &'static [&'static str],
    /// Links to make (path, target): mostly what Debian's alternatives system would.
    pub(crate) links: &'static [(&'static str, &'static str)],
    /// Paths to leave out.
    pub(crate) without: &'static [&'static str],
    /// Texts to replace (path, from, to).
    pub(crate) patches: &'static [(&'static str, &'static str, &'static str)],
    /// Runs once all packages of the transaction are there.
    pub(crate) posttrans: Option<&'static str>,
}

/// dracut 059 lets systemd mount the overlay on `/sysroot` before its folders are there: the unit
/// is shown as failed on every boot, and a hook mounts it later. Newer ones make them here.
const OVERLAY_FOLDERS: (&str, &str, &str) = (
    "/usr/lib/dracut/modules.d/90dmsquash-live/dmsquash-live-root.sh",
    "        mkdir -m 0755 -p /run/rootfsbase\n",
    "        mkdir -m 0755 -p /run/rootfsbase /run/overlayfs /run/ovlwork\n",
);

/// dracut 059 mounts the packed root as SquashFS whatever it is. Fedora's, which is newer, lets
/// mount find out, and so starts from EROFS too.
const ANY_ROOT_IMAGE: (&str, &str, &str) = (
    "/usr/lib/dracut/modules.d/90dmsquash-live/dmsquash-live-root.sh",
    "    mount -n -t squashfs -o ro ",
    "    mount -n -o ro ",
);

/// The changes to a Debian package.
pub(crate) fn changes(debian: &str) -> Changes {
    let none = Changes::default();
    match debian {
        "bash" => Changes {
            provides: &["/bin/bash", "/bin/sh", "/usr/bin/sh"],
            links: &[("/usr/bin/sh", "bash")],
            ..none
        },
        "debianutils" => Changes {
            provides: &["which"],
            links: &[("/usr/bin/which", "which.debianutils")],
            ..none
        },
        "gawk" => Changes {
            provides: &["/bin/awk", "/usr/bin/awk"],
            links: &[("/usr/bin/awk", "gawk")],
            ..none
        },
        "libc6" => Changes {
            requires: &["glibc-common"],
            ..none
        },
        "libc-bin" => Changes {
            // One run for the transaction: the loader finds Debian's library folders without it.
            posttrans: Some("/usr/sbin/ldconfig"),
            provides: &["/sbin/ldconfig"],
            ..none
        },
        "systemd" => Changes {
            requires: &["systemd-sysv", "systemd-pam"],
            provides: &["syslog"],
            links: &[(
                "/usr/lib/systemd/system/default.target",
                "multi-user.target",
            )],
            without: &[
                // Would ask for a root password on the console when an image has no machine-id.
                "/usr/lib/systemd/system/sysinit.target.wants/systemd-firstboot.service",
                // Debian's numbering of users; `setup` has them all.
                "/usr/lib/sysusers.d/basic.conf",
            ],
            ..none
        },
        "dracut-core" => Changes {
            requires: &["coreutils", "findutils", "grep", "sed", "util-linux"],
            ..none
        },
        "dracut-live" => Changes {
            requires: &["gzip", "tar", "util-linux"],
            patches: &[OVERLAY_FOLDERS, ANY_ROOT_IMAGE],
            ..none
        },
        "util-linux" => Changes {
            requires: &["bsdutils", "login", "mount"],
            ..none
        },
        "vim-tiny" => Changes {
            links: &[("/usr/bin/vi", "vim.tiny")],
            ..none
        },
        _ => none,
    }
}
