//! Namespaces for what runs as root on behalf of a package: scriptlets, file triggers, dracut.
//!
//! [bubblewrap](https://github.com/containers/bubblewrap) gives each command its own mount, pid
//! and network namespace. Nothing that it mounts is ever seen by the host, so nothing can be left
//! mounted, and when it ends (or when we do) the kernel ends every process inside.

use std::path::Path;

use crate::process::Invocation;

/// Options that every sandbox has.
const COMMON: [&str; 7] = [
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-net",
    "--die-with-parent",
    // As root bubblewrap drops every capability unless told otherwise; installing packages needs
    // chown, mknod and chroot.
    "--cap-add",
    "ALL",
];

/// `command`, seeing the host's files, with `/proc`, `/sys`, `/dev` and `/run` of its own below
/// `root`: for a package manager of the host that installs into `root` and runs scriptlets there.
#[must_use]
pub fn beside(root: &Path, command: Invocation) -> Invocation {
    let below = |name: &str| root.join(name).to_string_lossy().into_owned();
    wrap(
        command,
        [
            vec!["--dev-bind".into(), "/".into(), "/".into()],
            vec!["--proc".into(), below("proc")],
            vec!["--ro-bind".into(), "/sys".into(), below("sys")],
            vec!["--dev".into(), below("dev")],
            vec!["--tmpfs".into(), below("run")],
        ],
    )
}

/// `command` of the root itself, seeing nothing of the host but `shared` (at the same path).
#[must_use]
pub fn inside(root: &Path, shared: &Path, command: Invocation) -> Invocation {
    let root = root.to_string_lossy().into_owned();
    let shared = shared.to_string_lossy().into_owned();
    wrap(
        command,
        [
            vec!["--bind".into(), root, "/".into()],
            vec!["--proc".into(), "/proc".into()],
            vec!["--ro-bind".into(), "/sys".into(), "/sys".into()],
            vec!["--dev".into(), "/dev".into()],
            vec!["--tmpfs".into(), "/run".into()],
            vec!["--tmpfs".into(), "/tmp".into()],
            vec!["--tmpfs".into(), "/var/tmp".into()],
            // Below /run, so that the mount point is not left in the root.
            vec!["--bind".into(), shared, SHARED.into()],
            vec!["--clearenv".into()],
            vec![
                "--setenv".into(),
                "PATH".into(),
                "/usr/sbin:/usr/bin:/sbin:/bin".into(),
            ],
            vec!["--setenv".into(), "LC_ALL".into(), "C.UTF-8".into()],
            vec!["--setenv".into(), "HOME".into(), "/root".into()],
        ],
    )
}

/// Where [`inside`] shows the shared folder.
pub const SHARED: &str = "/run/fbs";

fn wrap<const N: usize>(command: Invocation, mounts: [Vec<String>; N]) -> Invocation {
    let mut wrapped = Invocation::new("bwrap").args(COMMON).args(mounts.concat());
    wrapped = wrapped.arg("--").arg(command.program).args(command.args);
    wrapped.env = command.env;
    wrapped.cwd = command.cwd;
    wrapped.timeout = command.timeout;
    wrapped.accepts = command.accepts;
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_manager_sees_the_host_and_its_scriptlets_their_own_kernel_files() {
        let dnf = beside(
            Path::new("/w/root"),
            Invocation::new("dnf").env("HOME", "/w/home"),
        );
        assert_eq!(
            dnf.to_string(),
            "HOME=/w/home bwrap --unshare-pid --unshare-ipc --unshare-uts --unshare-net \
             --die-with-parent --cap-add ALL --dev-bind / / --proc /w/root/proc \
             --ro-bind /sys /w/root/sys --dev /w/root/dev --tmpfs /w/root/run -- dnf"
        );
    }

    #[test]
    fn a_command_of_the_root_sees_nothing_of_the_host() {
        let dracut = inside(
            Path::new("/w/root"),
            Path::new("/w/out"),
            Invocation::new("dracut"),
        );
        let line = dracut.to_string();
        assert!(line.contains("--bind /w/root / ") && line.contains("--bind /w/out /run/fbs"));
        assert!(!line.contains("--dev-bind"), "{line}");
    }
}
