//! The ISO file: one image that boots from CD on BIOS and UEFI, and from a USB stick on both.

use std::path::Path;

use super::bootloader::{BootFiles, GRUB_MODULES, Platform};
use super::layout::Layout;
use crate::process::Invocation;
use crate::source_date;

/// The partition type of an EFI system partition
/// ([UEFI specification, 5.3.3](https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html)).
const ESP_TYPE: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";

/// The El Torito image of BIOS, on the ISO. lorax keeps it there too.
pub const ELTORITO: &str = "images/eltorito.img";

/// xorriso, without the host's start-up files, which must not change what is written. It ends when it
/// next looks at the clock: every second, unless told otherwise.
pub(crate) fn xorriso() -> Invocation {
    Invocation::new("xorriso").args(["-no_rc", "-pacifier", "interval=0.1"])
}

/// xorriso, writing the image of [`Layout::iso_tree`] to [`Layout::iso_pipe`].
#[must_use]
pub fn invocation(layout: &Layout, platform: Platform, volume_id: &str) -> Invocation {
    let esp = BootFiles::of(layout, platform).esp;
    let mut xorriso = xorriso().args([
        "-as",
        "mkisofs",
        "-iso-level",
        "3",
        // Everything is root's and can be read, whatever the caller's umask is.
        "-r",
        "-J",
        "-joliet-long",
        "--set_all_file_dates",
        &format!("={}", source_date::PLACEHOLDER),
        "-V",
        volume_id,
    ]);
    xorriso = source_date::dated(xorriso);
    if platform.bios.is_some() {
        xorriso = xorriso
            // The same file starts as a disk: GRUB's hybrid MBR finds the El Torito image.
            .arg("--grub2-mbr")
            .path(&Path::new(GRUB_MODULES).join("i386-pc/boot_hybrid.img"))
            .args([
                "-b",
                ELTORITO,
                "-no-emul-boot",
                "-boot-load-size",
                "4",
                "-boot-info-table",
            ])
            .args(["--grub2-boot-info", "-eltorito-alt-boot"]);
    }
    xorriso
        .args(["-append_partition", "2", ESP_TYPE])
        .path(&esp)
        .args(["-appended_part_as_gpt", "-partition_offset", "16"])
        .args([
            "-e",
            "--interval:appended_partition_2:all::",
            "-no-emul-boot",
        ])
        .arg("-o")
        .path(&layout.iso_pipe())
        .path(&layout.iso_tree())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::bootloader::platform;
    use crate::spec::Arch;

    #[test]
    fn a_pc_image_boots_four_ways() {
        let platform = platform(Arch::X86_64).unwrap();
        assert_eq!(
            invocation(&Layout::new("/w"), platform, "Fedora-43-x86_64").to_string(),
            "SOURCE_DATE_EPOCH={source-date-epoch} TZ=UTC xorriso -no_rc -pacifier interval=0.1 -as mkisofs -iso-level 3 \
             -r -J -joliet-long --set_all_file_dates ={source-date-epoch} -V Fedora-43-x86_64 \
             --grub2-mbr /usr/lib/grub/i386-pc/boot_hybrid.img -b images/eltorito.img \
             -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
             -eltorito-alt-boot -append_partition 2 C12A7328-F81F-11D2-BA4B-00A0C93EC93B \
             /w/boot/efiboot.img -appended_part_as_gpt -partition_offset 16 \
             -e --interval:appended_partition_2:all:: -no-emul-boot -o /w/iso.pipe /w/iso"
        );
    }

    #[test]
    fn an_arm_image_has_no_bios_part() {
        let platform = platform(Arch::Aarch64).unwrap();
        let line = invocation(&Layout::new("/w"), platform, "F").to_string();
        assert!(!line.contains("mbr") && !line.contains("-b "), "{line}");
    }
}
