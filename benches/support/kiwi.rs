//! A description for kiwi (<https://osinside.github.io/kiwi/image_description.html>) of the image that
//! the demo is: a live ISO of the mini release's packages, for BIOS and UEFI.
//!
//! kiwi calls GRUB in the new root, which the mini release does not have: it comes from the host, by
//! way of an overlay of the description. All packages are in the bootstrap phase, since kiwi would
//! call a dnf of the new root for others.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fbs_suite::{Program, tools};

use super::demo::PACKAGES;
use super::peer::Compression;

pub(crate) struct Description {
    pub(crate) repositories: Vec<String>,
    pub(crate) compression: Compression,
}

impl Description {
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join("config.xml"), self.config())?;
        let root = folder.join("root");
        fs::create_dir_all(root.join("usr/bin"))?;
        let grub = tools::find("grub-mkimage").or_else(|| tools::find("grub2-mkimage"));
        let grub = grub.ok_or_else(|| io::Error::other("grub-mkimage is not there"))?;
        fs::copy(grub, root.join("usr/bin/grub2-mkimage"))?;
        fs::create_dir_all(root.join("usr/lib"))?;
        let copy = Program::new("cp").args(["--archive", "/usr/lib/grub"]);
        copy.arg(root.join("usr/lib")).run().assert_exit(0);
        // With dmsquash-live kiwi wants this module of dracut's, which boots over a network and needs
        // curl: one that does nothing is less work than the real one.
        let livenet = root.join("usr/lib/dracut/modules.d/90livenet");
        fs::create_dir_all(&livenet)?;
        let setup = livenet.join("module-setup.sh");
        fs::write(&setup, NOTHING)?;
        fs::set_permissions(&setup, fs::Permissions::from_mode(0o755))?;
        if self.compression == Compression::Same {
            let dracut = root.join("etc/dracut.conf.d");
            fs::create_dir_all(&dracut)?;
            fs::write(
                dracut.join("10-bench.conf"),
                "compress=\"zstd -3 -T0 -q\"\n",
            )?;
        }
        Ok(())
    }

    fn config(&self) -> String {
        let packing = match self.compression {
            // In blocks of the size that mksquashfs has by itself.
            Compression::Same | Compression::SameRoot => {
                " squashfscompression=\"zstd\" \
                 fscreateoptions=\"-comp zstd -Xcompression-level 3 -b 131072\""
            }
            Compression::Default => "",
        };
        let mut repositories = String::new();
        for (number, url) in self.repositories.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(
                repositories,
                "<repository type=\"rpm-md\" alias=\"mini{number}\" sourcetype=\"baseurl\" \
                 package_gpgcheck=\"false\"><source path=\"{url}\"/></repository>"
            );
        }
        let packages: String = PACKAGES
            .iter()
            .chain(&["filesystem", "kernel", "dracut-live", "zstd"])
            .map(|name| match name.strip_prefix('@') {
                Some(group) => format!("<namedCollection name=\"{group}\"/>"),
                None => format!("<package name=\"{name}\"/>"),
            })
            .collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <image schemaversion=\"7.5\" name=\"bench\"><description type=\"system\">\
             <author>bench</author><contact>bench@example.org</contact>\
             <specification>The demo</specification></description><preferences>\
             <version>1.0.0</version><packagemanager>dnf</packagemanager><timezone>UTC</timezone>\
             <release-version>99</release-version>\
             <rpm-check-signatures>false</rpm-check-signatures>\
             <rpm-excludedocs>true</rpm-excludedocs>\
             <type image=\"iso\" primary=\"true\" flags=\"dmsquash\" firmware=\"efi\" volid=\"BENCH\" \
             filesystem=\"squashfs\"{packing}><bootloader name=\"grub2\" timeout=\"3\"/></type>\
             </preferences>{repositories}<packages type=\"image\"/>\
             <packages type=\"bootstrap\">{packages}</packages></image>\n"
        )
    }
}

const NOTHING: &str = "#!/bin/bash\n\
                       check() { return 0; }\n\
                       depends() { return 0; }\n\
                       install() { return 0; }\n";
