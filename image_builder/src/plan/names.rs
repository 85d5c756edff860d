//! Names that a plan makes up: of files, of the volume.

/// Stands for a product of which a file name can hold nothing.
const NAMELESS: &str = "image";

/// A word for a file name: what is not a letter, a digit, `.` or `_` becomes `-`. It begins with neither a dot, which
/// hides files, nor a dash, which programs take for an option.
pub(super) fn file_word(text: &str) -> String {
    let clean = clean(text);
    let word = clean.trim_start_matches(['.', '-']);
    match word {
        "" => NAMELESS.to_owned(),
        word => word.to_owned(),
    }
}

fn clean(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.chars()
        .map(|c| if plain(c) { c } else { '-' })
        .collect()
}

/// The largest volume id that ISO 9660 has room for, in characters.
pub const VOLUME_ID_MAX: usize = 32;

/// A volume id from `product-version-arch`: at most 32 characters, all of them such that GRUB,
/// udev and the kernel's command line take them as they are.
#[must_use]
pub fn volume_id(product: &str, version: &str, arch: &str) -> String {
    // The end tells images apart, so a long product gives way.
    let end = format!("-{}-{}", clean(version), clean(arch));
    let room = VOLUME_ID_MAX.saturating_sub(end.len()).max(1);
    let mut id: String = file_word(product).chars().take(room).collect();
    id.truncate(id.trim_end_matches('-').len());
    id.push_str(&end);
    id.truncate(VOLUME_ID_MAX);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_begins_with_a_dash() {
        for (product, word) in [
            ("Fedora", "Fedora"),
            ("My Fedora", "My-Fedora"),
            ("Über Linux", "ber-Linux"),
            ("ü", "image"),
            ("日本語", "image"),
            ("-. -", "image"),
            ("", "image"),
        ] {
            assert_eq!(file_word(product), word, "{product}");
            let id = volume_id(product, "43", "x86_64");
            assert_eq!(id, format!("{word}-43-x86_64"), "{product}");
        }
    }

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
