//! Names of files that come from a remote service.

/// Why `name` may not be the name of a downloaded RPM, if it may not.
///
/// A hub's answer is not trusted: a name becomes a file in the cache, in the side repository and
/// an address in repodata, and must stay one plain word there.
pub(super) fn problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > 200 {
        return Some("it is longer than 200 bytes");
    }
    if name.starts_with('.') || name.starts_with('-') {
        return Some("it begins with a dot or a dash");
    }
    // As rpm's own names are: https://docs.fedoraproject.org/en-US/packaging-guidelines/Naming/
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._+~^:,%@=".contains(c);
    if !name.chars().all(plain) {
        return Some("it has characters that no RPM's name has");
    }
    if name.contains("..") {
        return Some("it has two dots in a row");
    }
    if !name.ends_with(".rpm") {
        return Some("it does not end in .rpm");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_real_packages_pass() {
        for name in [
            "bash-5.2.15-2+b13.x86_64.rpm",
            "hello-3.0~rc1-1.fc43.noarch.rpm",
            "hello-1.0^20240501git1a2b3c4-1.fc43.x86_64.rpm",
            "libstdc++-15.1-1.fc43.i686.rpm",
        ] {
            assert_eq!(problem(name), None, "{name}");
        }
    }

    #[test]
    fn hostile_names_do_not() {
        for name in [
            "",
            ".rpm",
            "-rf.rpm",
            "../x.rpm",
            "/etc/x.rpm",
            "a/b.rpm",
            "a\\b.rpm",
            "a\nb.rpm",
            "a\0b.rpm",
            "a b.rpm",
            "a..b.rpm",
            "a\"b.rpm",
            "a&b.rpm",
            "a\u{202e}b.rpm",
            "a.rpm\r",
            "passwd",
            &format!("{}.rpm", "a".repeat(300)),
        ] {
            assert!(problem(name).is_some(), "{name:?}");
        }
    }
}
