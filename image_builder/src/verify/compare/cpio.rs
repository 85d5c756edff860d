//! The members of an initramfs: cpio archives in the format "newc", one behind the other, of which
//! the last may be compressed
//! (<https://docs.kernel.org/driver-api/early-userspace/buffer-format.html>).

use sha2::{Digest, Sha256};

use super::listing::{Facts, Listing};
use crate::digest::hex;

/// A member's header, in bytes.
const HEADER: usize = 110;

/// The members at the beginning of `bytes`, and where these archives end: at what is no archive, or
/// at the end of all. Members of a later archive take the place of earlier ones, as in the kernel.
pub(super) fn members(bytes: &[u8]) -> (Listing, usize) {
    let mut listing = Listing::new();
    let mut at = 0;
    loop {
        // Archives begin at multiples of 4; between them may be zeros.
        while bytes.get(at) == Some(&0) {
            at += 1;
        }
        let Some((member, next)) = member(bytes, at) else {
            return (listing, at);
        };
        at = next;
        if let Some((name, facts)) = member {
            listing.insert(name, facts);
        }
    }
}

/// The member at `at`, nothing for the one that ends an archive, and where the next is.
fn member(bytes: &[u8], at: usize) -> Option<(Option<(String, Facts)>, usize)> {
    let header = bytes.get(at..at.checked_add(HEADER)?)?;
    if !matches!(&header[..6], b"070701" | b"070702") {
        return None;
    }
    let field = |index: usize| {
        let start = 6 + 8 * index;
        let digits = std::str::from_utf8(&header[start..start + 8]).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (mode, size) = (field(1)?, usize::try_from(field(6)?).ok()?);
    let name_size = usize::try_from(field(11)?).ok()?;
    let name = bytes.get(at + HEADER..(at + HEADER).checked_add(name_size)?)?;
    let name = String::from_utf8_lossy(name.strip_suffix(b"\0")?).into_owned();
    let start = (at + HEADER + name_size).next_multiple_of(4);
    let content = bytes.get(start..start.checked_add(size)?)?;
    let next = (start + size).next_multiple_of(4).min(bytes.len());
    if name == "TRAILER!!!" {
        return Some((None, next));
    }
    let (is_file, is_link) = (mode & 0o170_000 == 0o100_000, mode & 0o170_000 == 0o120_000);
    let is_device = matches!(mode & 0o170_000, 0o020_000 | 0o060_000);
    let facts = Facts {
        mode: Some(mode),
        owner: Some((field(2)?, field(3)?)),
        mtime: Some(field(5)?.into()),
        size: is_file.then_some(size as u64),
        target: is_link.then(|| String::from_utf8_lossy(content).into_owned()),
        device: is_device.then_some((field(9)?.into(), field(10)?.into())),
        xattrs: None,
        sha256: is_file.then(|| hex(&Sha256::digest(content))),
    };
    let name = name.trim_start_matches("./").trim_start_matches('/');
    Some((Some((name.to_owned(), facts)), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(members: &[(&str, u32, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, mode, content) in members.iter().chain(&[("TRAILER!!!", 0, "")]) {
            let fields = [1, *mode, 0, 0, 1, 7, content.len() as u32, 0, 0, 0, 0];
            bytes.extend(b"070701");
            for field in fields.iter().chain(&[name.len() as u32 + 1, 0]) {
                bytes.extend(format!("{field:08X}").bytes());
            }
            for part in [format!("{name}\0").as_bytes(), content.as_bytes()] {
                bytes.extend(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
        }
        bytes
    }

    #[test]
    fn members_of_archives_behind_each_other_are_read() {
        let mut bytes = archive(&[("kernel/x", 0o100_644, "microcode")]);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        let second = bytes.len();
        bytes.extend(archive(&[
            ("./bin", 0o120_777, "usr/bin"),
            ("usr", 0o040_755, ""),
        ]));
        let end = bytes.len();
        bytes.extend([0x28, 0xb5, 0x2f, 0xfd, 1]);
        let (listing, rest) = members(&bytes);
        assert_eq!(rest, end);
        let names: Vec<&str> = listing.keys().map(String::as_str).collect();
        assert_eq!(names, ["bin", "kernel/x", "usr"]);
        assert_eq!(listing["bin"].target.as_deref(), Some("usr/bin"));
        let microcode = &listing["kernel/x"];
        assert_eq!((microcode.size, microcode.mtime), (Some(9), Some(7)));
        assert_eq!(members(&bytes[second..end]).0.len(), 2);
        for cut in 0..end {
            // Cut anywhere: no panic, no endless loop.
            let _ = members(&bytes[..cut]);
        }
    }
}
