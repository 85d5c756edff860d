//! Names that a plan makes up: of files, of the volume.

/// A word for a file name: what is not a letter, a digit, `.` or `_` becomes `-`.
pub(super) fn file_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let word: String = text
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .collect();
    word.trim_start_matches(['.', '-']).to_owned()
}

/// The largest volume id that ISO 9660 has room for, in characters.
pub const VOLUME_ID_MAX: usize = 32;

/// A volume id from `product-version-arch`: at most 32 characters, all of them such that GRUB,
/// udev and the kernel's command line take them as they are.
#[must_use]
pub fn volume_id(product: &str, version: &str, arch: &str) -> String {
    let clean = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                    c
                } else {
                    '-'
                }
            })
            .collect()
    };
    // The end tells images apart, so a long product gives way.
    let end = format!("-{}-{}", clean(version), clean(arch));
    let room = VOLUME_ID_MAX.saturating_sub(end.len()).max(1);
    let mut id: String = clean(product).chars().take(room).collect();
    id.truncate(id.trim_end_matches('-').len());
    id.push_str(&end);
    id.truncate(VOLUME_ID_MAX);
    id
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_ids_fit_and_keep_their_end() {
        assert_eq!(volume_id("Fedora", "43", "x86_64"), "Fedora-43-x86_64");
        assert_eq!(
            volume_id("My Fedora", "43 Beta", "x86_64"),
            "My-Fedora-43-Beta-x86_64"
        );
        let long = volume_id("A product with a very long name", "rawhide", "x86_64");
        assert_eq!(long, "A-product-with-a-rawhide-x86_64");
        assert!(volume_id("F", &"9".repeat(60), "x86_64").len() == VOLUME_ID_MAX);
    }
}
