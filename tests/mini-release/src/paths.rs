//! Where a Debian package's files go in the release.

/// The top-level folders that are links into `/usr` (the `filesystem` package owns the links).
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// What is left out of every package, to keep images small or because it is Debian's machinery.
const LEFT_OUT: &[&str] = &[
    "/etc/apt",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/init.d",
    "/etc/kernel",
    "/etc/modules-load.d/modules.conf", // leads to a file of Debian's installer
    "/etc/rmt",                         // leads to one of Debian's alternatives
    "/usr/lib/udev/hwdb.d",             // names of devices, 20 MB once compiled
    "/usr/share/bug",
    "/usr/share/debconf",
    "/usr/share/doc",
    "/usr/share/doc-base",
    "/usr/share/gcc",
    "/usr/share/info",
    "/usr/share/initramfs-tools",
    "/usr/share/lintian",
    "/usr/share/locale",
    "/usr/share/man",
    "/usr/share/menu",
    "/usr/share/pam-configs",
];

/// Whether a path (canonical) has no place in the release.
pub(crate) fn is_left_out(path: &str) -> bool {
    LEFT_OUT.iter().any(|dir| {
        path.strip_prefix(dir)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// The absolute path of an archive member (`./lib/x`) in a merged tree (`/usr/lib/x`).
///
/// The member `./` itself is `/`.
pub(crate) fn canonical(member: &str) -> String {
    let path = member.trim_start_matches('.').trim_matches('/');
    let top = path.split('/').next().unwrap_or_default();
    if MERGED.contains(&top) {
        format!("/usr/{path}")
    } else {
        format!("/{path}")
    }
}

/// The target of a link, given the link's member name and the target in the archive.
///
/// Links within the system become relative, so that they lead into an install root when followed
/// from outside of it. Where a link moved with `/usr` its target is counted from where it is now:
/// `/lib/a` -> `../etc/b` is `/usr/lib/a` -> `../../etc/b`.
pub(crate) fn link_target(member: &str, target: &str) -> String {
    let is_run_time = ["/dev/", "/proc/", "/run/", "/sys/"]
        .iter()
        .any(|dir| target.starts_with(dir));
    if is_run_time || !target.contains('/') {
        return target.to_owned(); // `/dev/null` masks a unit, and must be spelled so
    }
    let was = format!("/{}", member.trim_start_matches('.').trim_matches('/'));
    let goal = canonical(&resolve(parent(&was), target));
    relative(parent(&canonical(member)), &goal)
}

/// The folder of a path.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// Follows a target from a folder, by name only.
fn resolve(dir: &str, target: &str) -> String {
    let dir = if target.starts_with('/') { "" } else { dir };
    let mut parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The way from a folder to a path, both absolute.
fn relative(dir: &str, path: &str) -> String {
    let from: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut parts = vec![".."; from.len() - shared];
    parts.extend(&to[shared..]);
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_level_folders_are_in_usr() {
        for (member, path) in [
            ("./", "/"),
            ("./bin/", "/usr/bin"),
            (
                "./lib64/ld-linux-x86-64.so.2",
                "/usr/lib64/ld-linux-x86-64.so.2",
            ),
            ("./libexec/x", "/libexec/x"),
            ("./usr/lib/x", "/usr/lib/x"),
            ("./etc/.pwd.lock", "/etc/.pwd.lock"),
        ] {
            assert_eq!(canonical(member), path, "{member}");
        }
    }

    #[test]
    fn a_link_still_leads_where_it_led() {
        for (member, target, expected) in [
            ("./lib/systemd/a", "b", "b"),
            ("./lib/systemd/a", "./b", "b"),
            ("./lib/a", "../etc/b", "../../etc/b"),
            (
                "./sbin/init",
                "../lib/systemd/systemd",
                "../lib/systemd/systemd",
            ),
            (
                "./sbin/init",
                "/lib/systemd/systemd",
                "../lib/systemd/systemd",
            ),
            ("./lib/a/b", "../../usr/share/c", "../../share/c"),
            ("./usr/lib/x/a.so", "../../../lib/x/a.so", "a.so"),
            ("./lib64/ld.so", "/lib/x/ld.so", "../lib/x/ld.so"),
            ("./etc/a", "/usr/share/a", "../usr/share/a"),
            ("./etc/systemd/a.service", "/dev/null", "/dev/null"),
            ("./var/run", "/run", "../run"),
        ] {
            assert_eq!(
                link_target(member, target),
                expected,
                "{member} -> {target}"
            );
        }
    }

    #[test]
    fn a_folder_is_left_out_with_all_below_it() {
        assert!(is_left_out("/usr/share/doc"));
        assert!(is_left_out("/usr/share/doc/bash/copyright"));
        assert!(!is_left_out("/usr/share/docs"));
    }
}
