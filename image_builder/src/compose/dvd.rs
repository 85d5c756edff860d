//! The ISO of a DVD: the installer's boot ISO, with the packages added.
//!
//! xorriso writes a new image from the old one, whose boot equipment (El Torito for BIOS and UEFI,
//! MBR, partition table) it puts into the new one
//! ([xorriso(1)](https://www.gnu.org/software/xorriso/man_1_xorriso.html), `-boot_image any replay`).
//! Fedora's own DVDs are made in this way.

use std::path::Path;

use super::iso::xorriso;
use crate::process::Invocation;
use crate::source_date;

/// xorriso, writing to `pipe` the boot ISO `from` with `files` in it: paths here and on the disc.
/// `from` was made with the same volume id, by which its boot loader looks for the disc.
#[must_use]
pub fn rewrite(from: &Path, pipe: &Path, volume_id: &str, files: &[(&Path, &str)]) -> Invocation {
    let drive = |path: &Path| format!("stdio:{}", path.display());
    let mut xorriso = xorriso()
        .arg("-indev")
        .arg(drive(from))
        .arg("-outdev")
        .arg(drive(pipe))
        // Else the size in the volume descriptor is that without what comes behind the file system.
        .args(["-padding", "included"])
        .args(["-boot_image", "any", "replay", "-volid", volume_id])
        .args(["-joliet", "on"])
        // Names of packages are longer than Joliet's 64 characters.
        .args(["-compliance", "iso_9660_level=3:joliet_long_names"])
        .args(["-volume_date", "all_file_dates"])
        .arg(format!("={}", source_date::PLACEHOLDER));
    xorriso = source_date::dated(xorriso);
    for (here, there) in files {
        xorriso = xorriso.arg("-map").path(here).arg(*there);
    }
    xorriso.arg("-end")
}

/// xorriso, writing to `pipe` the ISO of the folder `srpms` of source packages, which is `SRPMS` on it.
#[must_use]
pub fn source_iso(srpms: &Path, pipe: &Path, volume_id: &str) -> Invocation {
    let xorriso = xorriso()
        .args(["-as", "mkisofs", "-iso-level", "3", "-r", "-J"])
        .arg("--set_all_file_dates")
        .arg(format!("={}", source_date::PLACEHOLDER))
        .args(["-joliet-long", "-V", volume_id, "-o"])
        .path(pipe)
        .args(["-graft-points", &format!("SRPMS={}", srpms.display())]);
    source_date::dated(xorriso)
}

/// pungi's list of checksums, which `sha256sum --check` reads: file names with their SHA-256.
#[must_use]
pub fn checksums(files: &[(String, String)]) -> String {
    let mut text = "# The image checksum(s) are generated with sha256sum.\n".to_owned();
    for (name, sha256) in files {
        text.push_str(&format!("SHA256 ({name}) = {sha256}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dvd_is_its_boot_iso_with_packages() {
        let files = [
            (Path::new("/d/os/Packages"), "/Packages"),
            (Path::new("/w/media.repo"), "/media.repo"),
        ];
        let line = rewrite(
            Path::new("/d/os/images/boot.iso"),
            Path::new("/w/iso.pipe"),
            "Fedora-Server-43-x86_64",
            &files,
        );
        assert_eq!(
            line.to_string(),
            "SOURCE_DATE_EPOCH={source-date-epoch} TZ=UTC \
             xorriso -no_rc -pacifier interval=0.1 -indev stdio:/d/os/images/boot.iso -outdev stdio:/w/iso.pipe \
             -padding included -boot_image any replay -volid Fedora-Server-43-x86_64 -joliet on \
             -compliance iso_9660_level=3:joliet_long_names \
             -volume_date all_file_dates ={source-date-epoch} -map /d/os/Packages /Packages \
             -map /w/media.repo /media.repo -end"
        );
    }

    #[test]
    fn checksums_are_lines_of_sha256sum() {
        let sum = [("F-43-x86_64-DVD.iso".to_owned(), "ab".to_owned())];
        assert_eq!(
            checksums(&sum),
            "# The image checksum(s) are generated with sha256sum.\n\
             SHA256 (F-43-x86_64-DVD.iso) = ab\n"
        );
    }
}
