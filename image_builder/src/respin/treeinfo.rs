//! The checksums in `.treeinfo`, kept true where they name a file that was changed.

/// The text of a `.treeinfo` with `sha256` as the checksum of `path`; `None` if it has none of it.
#[must_use]
pub(super) fn with_checksum(text: &str, path: &str, sha256: &str) -> Option<String> {
    let mut in_checksums = false;
    let mut found = false;
    let mut new = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let bare = line.trim();
        if bare.starts_with('[') {
            in_checksums = bare == "[checksums]";
        }
        let key = bare.split_once('=').map(|(key, _)| key.trim());
        if in_checksums && key == Some(path) {
            found = true;
            new.push_str(&format!("{path} = sha256:{sha256}\n"));
        } else {
            new.push_str(line);
        }
    }
    found.then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_checksum_of_the_file_is_changed() {
        let text = "[checksums]\nimages/a.img = sha256:00\nimages/b.img = sha256:11\n\n\
            [images-x86_64]\nimages/a.img = x\n";
        assert_eq!(
            with_checksum(text, "images/a.img", "ff").unwrap(),
            text.replace("sha256:00", "sha256:ff")
        );
        assert_eq!(with_checksum(text, "images/c.img", "ff"), None);
    }
}
