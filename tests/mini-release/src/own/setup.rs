//! The package `setup`: users, groups, PAM's common files, and the like.
//!
//! Root's password is locked (`*` in `/etc/shadow`): an image gets one from its kickstart.

use crate::dependency::Dependency;
use crate::package::{File, Package};

const USERS: &str = include_str!("../../root/passwd");
const GROUPS: &str = include_str!("../../root/group");

/// Path, mode, text. All are configuration files.
const FILES: &[(&str, u16, &str)] = &[
    ("/etc/default/locale", 0o644, ""),
    ("/etc/environment", 0o644, ""),
    ("/etc/group", 0o644, GROUPS),
    ("/etc/host.conf", 0o644, "multi on\n"),
    (
        "/etc/hosts",
        0o644,
        "127.0.0.1 localhost\n::1 localhost ip6-localhost\n",
    ),
    ("/etc/locale.conf", 0o644, "LANG=C.UTF-8\n"),
    // Empty: a running system gives itself one, and takes no boot for the first one.
    ("/etc/machine-id", 0o444, ""),
    ("/etc/motd", 0o644, ""),
    (
        "/etc/nsswitch.conf",
        0o644,
        include_str!("../../root/nsswitch.conf"),
    ),
    (
        "/etc/pam.d/common-account",
        0o644,
        include_str!("../../root/common-account"),
    ),
    (
        "/etc/pam.d/common-auth",
        0o644,
        include_str!("../../root/common-auth"),
    ),
    (
        "/etc/pam.d/common-password",
        0o644,
        include_str!("../../root/common-password"),
    ),
    (
        "/etc/pam.d/common-session",
        0o644,
        include_str!("../../root/common-session"),
    ),
    (
        "/etc/pam.d/common-session-noninteractive",
        0o644,
        include_str!("../../root/common-session-noninteractive"),
    ),
    ("/etc/passwd", 0o644, USERS),
    ("/etc/profile", 0o644, include_str!("../../root/profile")),
    (
        "/etc/shells",
        0o644,
        "/bin/sh\n/bin/bash\n/usr/bin/sh\n/usr/bin/bash\n",
    ),
];

/// The package `setup`, and `setup-shadow` with the files that belong to the group `shadow`: rpm
/// knows a group only once the package with `/etc/group` is there.
pub(super) fn packages() -> [Package; 2] {
    let mut setup = Package::own(
        "setup",
        "1-1",
        "Users, groups and basic configuration files",
    );
    for (path, mode, text) in FILES {
        setup = setup.file(
            path,
            File {
                config: true,
                ..File::text(*text, *mode)
            },
        );
    }
    for user in names(USERS) {
        setup
            .provides
            .push(Dependency::any(format!("user({user})")));
    }
    for group in names(GROUPS) {
        setup
            .provides
            .push(Dependency::any(format!("group({group})")));
    }

    let shadow = Package::own("setup-shadow", "1-1", "Locked passwords")
        .requires(["setup"])
        .file("/etc/gshadow", locked(GROUPS, ":*::"))
        .file("/etc/shadow", locked(USERS, ":*:20454:0:99999:7:::"));
    [setup, shadow]
}

/// A file with a line for each name.
fn locked(of: &str, rest: &str) -> File {
    let text: String = names(of).map(|name| format!("{name}{rest}\n")).collect();
    File {
        config: true,
        group: "shadow".to_owned(),
        ..File::text(text, 0o640)
    }
}

/// The first fields of a file like `/etc/passwd`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.split(':').next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Content;

    #[test]
    fn every_user_has_a_group_and_a_locked_password() {
        let groups = include_str!("../../root/group");
        let numbers: Vec<&str> = groups
            .lines()
            .filter_map(|line| line.split(':').nth(2))
            .collect();
        for user in USERS.lines() {
            let fields: Vec<&str> = user.split(':').collect();
            assert_eq!(fields.len(), 7, "{user}");
            assert!(numbers.contains(&fields[3]), "{user}");
        }
        let Content::Bytes(shadow) = locked(USERS, ":*:").content else {
            panic!("not a text")
        };
        assert!(shadow.starts_with(b"root:*:"));
    }
}
