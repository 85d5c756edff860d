//! Names of packages: Debian's and Fedora's.

/// Debian's name, Fedora's name.
///
/// Only what an engine, a kickstart or a person is likely to ask for by its Fedora name; the
/// libraries in the background keep Debian's names.
const RENAMED: &[(&str, &str)] = &[
    ("dracut-core", "dracut"),
    ("iproute2", "iproute"),
    ("libc-bin", "glibc-common"),
    ("libc6", "glibc"),
    ("libgcc-s1", "libgcc"),
    ("libpam-runtime", "pam"),
    ("libpam-systemd", "systemd-pam"),
    ("libstdc++6", "libstdc++"),
    ("libsystemd0", "systemd-libs"),
    ("ncurses-bin", "ncurses"),
    ("passwd", "shadow-utils"),
    ("procps", "procps-ng"),
    ("udev", "systemd-udev"),
    ("vim-tiny", "vim-minimal"),
    ("xz-utils", "xz"),
    ("zlib1g", "zlib"),
];

/// Fedora's name of a Debian package.
pub(crate) fn fedora(debian: &str) -> &str {
    RENAMED
        .iter()
        .find(|(name, _)| *name == debian)
        .map_or(debian, |(_, fedora)| *fedora)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_named_as_in_fedora() {
        assert_eq!(fedora("udev"), "systemd-udev");
        assert_eq!(fedora("bash"), "bash");
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut names: Vec<&str> = RENAMED.iter().map(|(_, fedora)| *fedora).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RENAMED.len());
    }
}
