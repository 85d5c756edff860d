//! The package `setup`: users, groups, PAM's common files, and the like.
//!
//! Root's password is locked (`*` in `/etc/shadow`): an image gets one from its kickstart.

use crate::package::{File, Package};

/// Path, mode, group, text. All are configuration files.
const FILES: &[(&str, u16, &str, &str)] = &[
    ("/etc/default/locale", 0o644, "root", ""),
    ("/etc/environment", 0o644, "root", ""),
    (
        "/etc/group",
        0o644,
        "root",
        include_str!("../../root/group"),
    ),
    ("/etc/host.conf", 0o644, "root", "multi on\n"),
    (
        "/etc/hosts",
        0o644,
        "root",
        "127.0.0.1 localhost\n::1 localhost ip6-localhost\n",
    ),
    ("/etc/locale.conf", 0o644, "root", "LANG=C.UTF-8\n"),
    // Empty: a running system gives itself one, and takes no boot for the first one.
    ("/etc/machine-id", 0o444, "root", ""),
    ("/etc/motd", 0o644, "root", ""),
    (
        "/etc/nsswitch.conf",
        0o644,
        "root",
        include_str!("../../root/nsswitch.conf"),
    ),
    (
        "/etc/pam.d/common-account",
        0o644,
        "root",
        include_str!("../../root/common-account"),
    ),
    (
        "/etc/pam.d/common-auth",
        0o644,
        "root",
        include_str!("../../root/common-auth"),
    ),
    (
        "/etc/pam.d/common-password",
        0o644,
        "root",
        include_str!("../../root/common-password"),
    ),
    (
        "/etc/pam.d/common-session",
        0o644,
        "root",
        include_str!("../../root/common-session"),
    ),
    (
        "/etc/pam.d/common-session-noninteractive",
        0o644,
        "root",
        include_str!("../../root/common-session-noninteractive"),
    ),
    (
        "/etc/passwd",
        0o644,
        "root",
        include_str!("../../root/passwd"),
    ),
    (
        "/etc/profile",
        0o644,
        "root",
        include_str!("../../root/profile"),
    ),
    (
        "/etc/shells",
        0o644,
        "root",
        "/bin/sh\n/bin/bash\n/usr/bin/sh\n/usr/bin/bash\n",
    ),
];

pub(super) fn package() -> Package {
    let (users, groups) = (
        include_str!("../../root/passwd"),
        include_str!("../../root/group"),
    );
    let mut package = Package::own(
        "setup",
        "1-1",
        "Users, groups and basic configuration files",
    );
    for (path, mode, group, text) in FILES {
        package = package.file(path, config(text, *mode, group));
    }
    let users: Vec<&str> = names(users).collect();
    let groups: Vec<&str> = names(groups).collect();
    package = package
        .file(
            "/etc/shadow",
            config(&lines(&users, ":*:20454:0:99999:7:::"), 0o640, "shadow"),
        )
        .file(
            "/etc/gshadow",
            config(&lines(&groups, ":*::"), 0o640, "shadow"),
        )
        .provides(
            users
                .iter()
                .map(|name| format!("user({name})"))
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str),
        )
        .provides(
            groups
                .iter()
                .map(|name| format!("group({name})"))
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str),
        );
    package
}

fn config(text: &str, mode: u16, group: &str) -> File {
    File {
        config: true,
        group: group.to_owned(),
        ..File::text(text, mode)
    }
}

/// The first fields of a file like `/etc/passwd`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.split(':').next())
}

fn lines(names: &[&str], rest: &str) -> String {
    names.iter().map(|name| format!("{name}{rest}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_has_a_group_and_a_locked_password() {
        let groups = include_str!("../../root/group");
        let numbers: Vec<&str> = groups
            .lines()
            .filter_map(|line| line.split(':').nth(2))
            .collect();
        for user in include_str!("../../root/passwd").lines() {
            let fields: Vec<&str> = user.split(':').collect();
            assert_eq!(fields.len(), 7, "{user}");
            assert!(numbers.contains(&fields[3]), "{user}");
        }
        assert!(lines(&["root"], ":*:").starts_with("root:*:"));
    }
}
