//! `.discinfo` and `.treeinfo`: what an installation tree says of itself.

use std::fmt::Write as _;

use crate::spec::Arch;

/// One file of the tree with its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Its path in the tree.
    pub path: String,
    /// Its SHA-256, as hex.
    pub sha256: String,
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
    /// When it was built, in seconds since 1970.
    pub timestamp: i64,
    /// The packed root's path in the tree.
    pub root_image: &'a str,
    /// The kernel's path in the tree.
    pub kernel: &'a str,
    /// The initramfs's path in the tree.
    pub initramfs: &'a str,
    /// The boot ISO's path in the tree.
    pub boot_iso: &'a str,
}

impl TreeInfo<'_> {
    /// `.discinfo`: time, description, architecture, a line each
    /// (<https://weldr.io/lorax/product-images.html> and anaconda read the third).
    #[must_use]
    pub fn discinfo(&self) -> String {
        format!(
            "{}.0\n{} {}\n{}\n",
            self.timestamp,
            self.product,
            self.version,
            self.arch.basearch()
        )
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
            boot_iso,
            ..
        } = self;
        let arch = self.arch.basearch();
        let mut text = String::from("[checksums]\n");
        for file in files {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} = sha256:{}", file.path, file.sha256);
        }
        let short: String = product
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let _ = write!(
            text,
            "\n[general]\n\
             ; WARNING.0 = This section provides compatibility with pre-productmd treeinfos.\n\
             arch = {arch}\nfamily = {product}\nname = {product} {version}\npackagedir = \n\
             platforms = {arch}\ntimestamp = {timestamp}\nvariant = \nversion = {version}\n\
             \n[header]\ntype = productmd.treeinfo\nversion = 1.2\n\
             \n[images-{arch}]\nboot.iso = {boot_iso}\ninitrd = {initramfs}\nkernel = {kernel}\n\
             \n[release]\nname = {product}\nshort = {short}\nversion = {version}\n\
             \n[stage2]\nmainimage = {root_image}\n\
             \n[tree]\narch = {arch}\nbuild_timestamp = {timestamp}\nplatforms = {arch}\n\
             variants = \n"
        );
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
        boot_iso: "images/boot.iso",
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
}
