//! What is inside an image, as text for people.

use std::fmt::Write;

use super::implanted_md5::ImplantedMd5;
use super::iso::IsoContents;
use super::packages::{PackageList, PackageSource};
use super::rootfs::{RootFormat, RootImage, RootLayout};

/// The contents of an image as text: a summary, the files, the packages. Ends with a newline.
#[must_use]
pub fn render(contents: &IsoContents) -> String {
    let mut text = String::new();
    let _ = write_all(&mut text, contents);
    text
}

/// Writing to a String does not fail.
fn write_all(out: &mut String, contents: &IsoContents) -> std::fmt::Result {
    writeln!(out, "image     {}", contents.path.display())?;
    writeln!(out, "label     {}", contents.volume_id)?;
    if let Some(name) = &contents.os_name {
        writeln!(out, "system    {name}")?;
    }
    writeln!(out, "size      {} bytes", contents.size)?;
    writeln!(out, "sha256    {}", contents.sha256)?;
    writeln!(out, "media md5 {}", implanted(&contents.implanted_md5))?;
    writeln!(out, "boots     {}", boots(contents))?;
    if let Some(root) = &contents.root_image {
        writeln!(out, "root      {}", root_line(root))?;
    }
    if let Some(line) = contents.discinfo.as_deref().map(one_line) {
        writeln!(out, "discinfo  {line}")?;
    }
    let tree = contents.treeinfo.is_some();
    writeln!(out, "treeinfo  {}", if tree { "yes" } else { "no" })?;

    writeln!(out, "\nfiles ({})", contents.files.len())?;
    for file in &contents.files {
        write!(out, "  {:>12}  {}", file.size, file.path)?;
        if let Some(sum) = &file.sha256 {
            write!(out, "  sha256 {sum}")?;
        }
        writeln!(out)?;
    }

    if !contents.media_packages.is_empty() {
        writeln!(
            out,
            "\npackages on the disc ({})",
            contents.media_packages.len()
        )?;
        for package in &contents.media_packages {
            writeln!(out, "  {}", package.nevra())?;
        }
    }
    match &contents.packages {
        PackageList::Listed { source, packages } => {
            writeln!(
                out,
                "\npackages ({}, from {})",
                packages.len(),
                origin(source)
            )?;
            for package in packages {
                writeln!(out, "  {}", package.nevra())?;
            }
        }
        PackageList::Unavailable { reason } => writeln!(out, "\npackages unknown: {reason}")?,
    }
    Ok(())
}

fn implanted(md5: &ImplantedMd5) -> String {
    match md5 {
        ImplantedMd5::Absent => "none implanted".to_owned(),
        ImplantedMd5::Intact { md5 } => format!("{md5}, matches"),
        ImplantedMd5::Mismatch { md5 } => format!("{md5}, DOES NOT MATCH: the image has changed"),
        ImplantedMd5::Unchecked { md5, reason } => format!("{md5}, not checked: {reason}"),
    }
}

fn boots(contents: &IsoContents) -> String {
    let bootable = contents.boot_entries.iter().filter(|entry| entry.bootable);
    let platforms: Vec<&str> = bootable.map(|entry| entry.platform.as_str()).collect();
    match platforms.as_slice() {
        [] => "nothing: no El Torito boot entry".to_owned(),
        platforms => platforms.join(", "),
    }
}

fn root_line(root: &RootImage) -> String {
    let format = match root.format {
        RootFormat::Squashfs => "squashfs",
        RootFormat::Erofs => "erofs",
    };
    let inside = match &root.layout {
        RootLayout::Flat => String::new(),
        RootLayout::Ext4Inside { path } => format!(", with ext4 inside ({path})"),
    };
    let RootImage {
        path,
        compression,
        size,
        ..
    } = root;
    format!("{path}, {format} ({compression}), {size} bytes{inside}")
}

fn origin(source: &PackageSource) -> String {
    match source {
        PackageSource::RpmDatabase { path, backend } => {
            format!("the rpm database {path}, {backend}")
        }
        PackageSource::LoraxLog { path } => path.clone(),
    }
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::super::iso::IsoFile;
    use super::super::iso_image::BootEntry;
    use super::super::packages::Package;
    use super::*;

    fn contents() -> IsoContents {
        IsoContents {
            path: "out/boot.iso".into(),
            volume_id: "Fedora-43".into(),
            size: 4096,
            sha256: "ab".into(),
            boot_entries: vec![BootEntry {
                platform: "BIOS".into(),
                bootable: true,
                emulation: "none".into(),
                load_sectors: 4,
                path: Some("images/eltorito.img".into()),
            }],
            implanted_md5: ImplantedMd5::Intact { md5: "cd".into() },
            files: vec![
                IsoFile {
                    path: "images/install.img".into(),
                    size: 2048,
                    sha256: Some("ef".into()),
                },
                IsoFile {
                    path: "x.rpm".into(),
                    size: 7,
                    sha256: None,
                },
            ],
            discinfo: Some("1.5\n43\nx86_64\n".into()),
            treeinfo: None,
            root_image: Some(RootImage {
                path: "images/install.img".into(),
                size: 2048,
                format: RootFormat::Squashfs,
                compression: "xz".into(),
                layout: RootLayout::Ext4Inside {
                    path: "LiveOS/rootfs.img".into(),
                },
            }),
            os_name: Some("Fedora Linux 43".into()),
            media_packages: Vec::new(),
            packages: PackageList::Listed {
                source: PackageSource::LoraxLog {
                    path: "root/lorax-packages.log".into(),
                },
                packages: vec![Package {
                    name: "bash".into(),
                    epoch: 0,
                    version: "5.3".into(),
                    release: "2.fc43".into(),
                    arch: "x86_64".into(),
                    sha256_header: None,
                    sigmd5: None,
                }],
            },
        }
    }

    #[test]
    fn says_all_of_it() {
        assert_eq!(
            render(&contents()),
            "\
image     out/boot.iso
label     Fedora-43
system    Fedora Linux 43
size      4096 bytes
sha256    ab
media md5 cd, matches
boots     BIOS
root      images/install.img, squashfs (xz), 2048 bytes, with ext4 inside (LiveOS/rootfs.img)
discinfo  1.5 | 43 | x86_64
treeinfo  no

files (2)
          2048  images/install.img  sha256 ef
             7  x.rpm

packages (1, from root/lorax-packages.log)
  bash-5.3-2.fc43.x86_64
"
        );
    }

    #[test]
    fn says_what_is_not_known() {
        let mut contents = contents();
        contents.boot_entries.clear();
        contents.root_image = None;
        contents.packages = PackageList::Unavailable {
            reason: "the disc has no root image that we know".into(),
        };
        let text = render(&contents);
        assert!(text.contains("boots     nothing: no El Torito boot entry\n"));
        assert!(text.ends_with("\npackages unknown: the disc has no root image that we know\n"));
    }

    #[test]
    fn survives_json() {
        let json = serde_json::to_string(&contents()).unwrap();
        assert_eq!(
            serde_json::from_str::<IsoContents>(&json).unwrap(),
            contents()
        );
    }
}
