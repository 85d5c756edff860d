//! `.discinfo` and `.treeinfo`: what an installation tree says of itself.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::ComposeError;
use crate::context::BuildContext;
use crate::digest;
use crate::events::Work;
use crate::spec::Arch;

/// One file of the tree with its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Its path in the tree.
    pub path: String,
    /// Its SHA-256, as hex.
    pub sha256: String,
}

impl TreeFile {
    /// The files `names` of `tree`, in their order.
    ///
    /// # Errors
    ///
    /// One that cannot be read.
    pub(crate) async fn hash(
        ctx: &BuildContext,
        tree: &Path,
        names: &[&str],
    ) -> Result<Vec<Self>, ComposeError> {
        let _working = ctx.working(Work::Sha256);
        let files: Vec<PathBuf> = names.iter().map(|name| tree.join(name)).collect();
        let digests = digest::sha256_files(&files)
            .await
            .map_err(|(path, source)| ComposeError::Io { path, source })?;
        let listed = names.iter().zip(digests).map(|(name, sha256)| Self {
            path: (*name).to_owned(),
            sha256,
        });
        Ok(listed.collect())
    }
}

/// The packages of a tree, where it has some.
#[derive(Debug, Clone, Copy)]
pub struct Variant<'a> {
    /// `Server`.
    pub name: &'a str,
    /// Whether the tree is the one on a disc.
    pub on_disc: bool,
}

/// What the two files say.
#[derive(Debug, Clone, Copy)]
pub struct TreeInfo<'a> {
    /// `Fedora`.
    pub product: &'a str,
    /// `43`.
    pub version: &'a str,
    /// The tree's architecture.
    pub arch: Arch,
    /// The time that it carries, in seconds since 1970.
    pub timestamp: u64,
    /// The packed root's path in the tree.
    pub root_image: &'a str,
    /// The kernel's path in the tree.
    pub kernel: &'a str,
    /// The initramfs's path in the tree.
    pub initramfs: &'a str,
    /// The boot ISO's path in the tree, if it is there.
    pub boot_iso: Option<&'a str>,
    /// The packages in the tree.
    pub variant: Option<Variant<'a>>,
}

impl TreeInfo<'_> {
    /// `.discinfo`: time, description, architecture, a line each
    /// (<https://weldr.io/lorax/product-images.html> and anaconda read the third); of a tree with
    /// packages also the number of its disc, as pungi writes it.
    #[must_use]
    pub fn discinfo(&self) -> String {
        let disc = self.variant.map_or("", |variant| match variant.on_disc {
            true => "1\n",
            false => "ALL\n",
        });
        format!(
            "{}\n{} {}\n{}\n{disc}",
            self.media_id(),
            self.product,
            self.version,
            self.arch.basearch()
        )
    }

    /// `media.repo`: the repository that the tree is, for a disc that is in the drive. dnf knows
    /// the disc by its `mediaid`, the first line of `.discinfo`.
    #[must_use]
    pub fn media_repo(&self) -> String {
        format!(
            "[InstallMedia]\nname={} {}\nmediaid={}\nmetadata_expire=-1\ngpgcheck=0\ncost=500\n",
            self.product,
            self.version,
            self.media_id()
        )
    }

    fn media_id(&self) -> String {
        format!("{}.0", self.timestamp)
    }

    /// `.treeinfo`, in
    /// [productmd's format 1.2](https://productmd.readthedocs.io/en/latest/treeinfo-1.2.html),
    /// with the `[general]` section that older readers look at.
    #[must_use]
    pub fn treeinfo(&self, files: &[TreeFile]) -> String {
        let Self {
            product,
            version,
            timestamp,
            root_image,
            kernel,
            initramfs,
            ..
        } = self;
        let arch = self.arch.basearch();
        let mut text = String::from("[checksums]\n");
        for file in files {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} = sha256:{}", file.path, file.sha256);
        }
        let name = self.variant.map_or("", |variant| variant.name);
        let packages = self.variant.map_or("", |_| "Packages");
        let boot_iso = self
            .boot_iso
            .map_or(String::new(), |path| format!("boot.iso = {path}\n"));
        let short: String = product
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let _ = write!(
            text,
            "\n[general]\n\
             ; WARNING.0 = This section provides compatibility with pre-productmd treeinfos.\n\
             arch = {arch}\nfamily = {product}\nname = {product} {version}\n\
             packagedir = {packages}\nplatforms = {arch}\ntimestamp = {timestamp}\n\
             variant = {name}\nversion = {version}\n\
             \n[header]\ntype = productmd.treeinfo\nversion = 1.2\n\
             \n[images-{arch}]\n{boot_iso}initrd = {initramfs}\nkernel = {kernel}\n\
             \n[release]\nname = {product}\nshort = {short}\nversion = {version}\n\
             \n[stage2]\nmainimage = {root_image}\n\
             \n[tree]\narch = {arch}\nbuild_timestamp = {timestamp}\nplatforms = {arch}\n\
             variants = {name}\n"
        );
        if let Some(variant) = self.variant {
            let _ = write!(
                text,
                "\n[variant-{name}]\nid = {name}\nname = {name}\npackages = {packages}\n\
                 repository = .\ntype = variant\nuid = {name}\n"
            );
            if variant.on_disc {
                text.push_str("\n[media]\ndiscnum = 1\ntotaldiscs = 1\n");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: TreeInfo<'static> = TreeInfo {
        product: "Fedora",
        version: "43",
        arch: Arch::X86_64,
        timestamp: 1_700_000_000,
        root_image: "LiveOS/squashfs.img",
        kernel: "images/pxeboot/vmlinuz",
        initramfs: "images/pxeboot/initrd.img",
        boot_iso: Some("images/boot.iso"),
        variant: None,
    };

    #[test]
    fn discinfo_has_three_lines() {
        assert_eq!(INFO.discinfo(), "1700000000.0\nFedora 43\nx86_64\n");
        assert!(
            TreeInfo {
                arch: Arch::I686,
                ..INFO
            }
            .discinfo()
            .ends_with("\ni386\n")
        );
    }

    #[test]
    fn treeinfo_names_what_an_installer_fetches() {
        let file = TreeFile {
            path: "images/boot.iso".into(),
            sha256: "abc".into(),
        };
        let text = INFO.treeinfo(&[file]);
        for line in [
            "images/boot.iso = sha256:abc",
            "[images-x86_64]",
            "kernel = images/pxeboot/vmlinuz",
            "mainimage = LiveOS/squashfs.img",
            "build_timestamp = 1700000000",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_disc_with_packages_is_a_variant() {
        let disc = TreeInfo {
            boot_iso: None,
            variant: Some(Variant {
                name: "Server",
                on_disc: true,
            }),
            ..INFO
        };
        let text = disc.treeinfo(&[]);
        for line in [
            "variants = Server",
            "[variant-Server]",
            "packages = Packages",
            "repository = .",
            "[media]",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert!(!text.contains("boot.iso"), "{text}");
        assert!(disc.discinfo().ends_with("\nx86_64\n1\n"));
        assert!(disc.media_repo().contains("\nmediaid=1700000000.0\n"));
    }
}
