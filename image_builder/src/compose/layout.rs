//! Where the parts of one build are, below its own work directory.

use std::path::{Path, PathBuf};

use crate::spec::RootFs;

/// The folders and files of one build. Nothing here touches the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    job: PathBuf,
}

impl Layout {
    /// The layout below `job`, the work directory that belongs to this build alone.
    #[must_use]
    pub fn new(job: impl Into<PathBuf>) -> Self {
        Self { job: job.into() }
    }

    /// The work directory itself.
    #[must_use]
    pub fn job(&self) -> &Path {
        &self.job
    }

    /// The root that packages are installed into.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.job.join("root")
    }

    /// The home folder that dnf and rpm see.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.job.join("home")
    }

    /// dnf's configuration.
    #[must_use]
    pub fn dnf_config(&self) -> PathBuf {
        self.job.join("dnf.conf")
    }

    /// What commands inside the root leave for us.
    #[must_use]
    pub fn parts(&self) -> PathBuf {
        self.job.join("parts")
    }

    /// The initramfs as dracut leaves it.
    #[must_use]
    pub fn initramfs(&self) -> PathBuf {
        self.parts().join("initrd.img")
    }

    /// Boot loader images and their configuration, on the way to the tree.
    #[must_use]
    pub fn boot(&self) -> PathBuf {
        self.job.join("boot")
    }

    /// The tree that becomes the ISO.
    #[must_use]
    pub fn iso_tree(&self) -> PathBuf {
        self.job.join("iso")
    }

    /// The tree that the user gets: lorax's layout.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.job.join("tree")
    }

    /// The packed root, in the tree of the ISO.
    #[must_use]
    pub fn root_image(&self) -> PathBuf {
        self.iso_tree().join(ROOT_IMAGE)
    }

    /// The pipe through which the ISO comes.
    #[must_use]
    pub fn iso_pipe(&self) -> PathBuf {
        self.job.join("iso.pipe")
    }

    /// The boot ISO.
    #[must_use]
    pub fn iso(&self) -> PathBuf {
        self.tree().join("images/boot.iso")
    }
}

/// The packed root on the ISO. dracut's `dmsquash-live` looks for this name whatever the file
/// system in it is.
pub const ROOT_IMAGE: &str = "LiveOS/squashfs.img";

/// The kernel on the ISO and in the tree.
pub const KERNEL: &str = "images/pxeboot/vmlinuz";

/// The initramfs on the ISO and in the tree.
pub const INITRAMFS: &str = "images/pxeboot/initrd.img";

/// The kernel module that reads a packed root.
#[must_use]
pub fn file_system_module(rootfs: RootFs) -> &'static str {
    match rootfs {
        RootFs::Squashfs => "squashfs",
        RootFs::Erofs => "erofs",
    }
}
