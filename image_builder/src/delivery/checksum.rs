//! `CHECKSUM`, as Fedora puts it beside its images: `sha256sum -c CHECKSUM` reads it.

use std::fmt::Write as _;

use crate::report::FileRecord;

/// The text for these images: for each its size in a comment, and the line that BSD's sha256 prints
/// (<https://docs.fedoraproject.org/en-US/quick-docs/verify-fedora-image/>).
pub(super) fn text(images: &[FileRecord]) -> String {
    let mut text = String::new();
    for FileRecord { name, size, sha256 } in images {
        // Writing to a String cannot fail.
        let _ = write!(text, "# {name}: {size} bytes\nSHA256 ({name}) = {sha256}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_has_two_lines() {
        let image = |name: &str, size| FileRecord {
            name: name.to_owned(),
            size,
            sha256: "ab".repeat(32),
        };
        let sum = "ab".repeat(32);
        assert_eq!(
            text(&[image("a.iso", 5), image("b-1.2.iso", 7)]),
            format!(
                "# a.iso: 5 bytes\nSHA256 (a.iso) = {sum}\n\
                 # b-1.2.iso: 7 bytes\nSHA256 (b-1.2.iso) = {sum}\n"
            )
        );
    }
}
