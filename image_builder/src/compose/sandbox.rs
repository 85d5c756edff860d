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
    bubble(
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
    bubble(
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

/// `command`, one of the distribution's image tools, seeing the host as it is, in a mount and a pid
/// namespace of its own. Such a tool mounts what it works on, has devices, chroots and the SELinux
/// of the host to itself, and starts services; bubblewrap would take away what those need
/// (no-new-privileges forbids SELinux's transitions). What it mounts is never seen by the host,
/// and when it, its `unshare` or we are killed, the kernel ends all that it started.
#[must_use]
pub fn apart(command: Invocation) -> Invocation {
    wrap(
        Invocation::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare"])
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]),
        command,
    )
}

/// [`apart`], with `tmp` as its `/tmp`, and one at a time on the host: the others wait for `lock`.
#[must_use]
pub fn apart_in_turn(lock: &Path, tmp: &Path, command: Invocation) -> Invocation {
    let turn = Invocation::new("flock")
        .args(["--no-fork", "--verbose"])
        .path(lock)
        .args(["sh", "-c", OWN_TMP, "sh"])
        .path(tmp);
    apart(wrap(turn, command))
}

/// Runs what stands behind `--` with the folder in front of it as `/tmp`.
const OWN_TMP: &str = r#"mount --bind "$1" /tmp && shift 2 && exec "$@""#;

/// Where [`inside`] shows the shared folder.
pub const SHARED: &str = "/run/fbs";

fn bubble<const N: usize>(command: Invocation, mounts: [Vec<String>; N]) -> Invocation {
    let sandbox = Invocation::new("bwrap").args(COMMON).args(mounts.concat());
    wrap(sandbox, command)
}

/// `command` behind the options of `sandbox`, which runs it.
fn wrap(sandbox: Invocation, command: Invocation) -> Invocation {
    let wrapped = sandbox.arg("--").arg(command.program).args(command.args);
    Invocation {
        program: wrapped.program,
        args: wrapped.args,
        ..command
    }
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
    fn a_tool_has_mounts_and_processes_of_its_own() {
        let tool = Invocation::new("livecd-creator").args(["-c", "a.ks"]);
        assert_eq!(
            apart(tool.clone().cwd("/w")).to_string(),
            "cd /w && setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child \
             --mount-proc -- livecd-creator -c a.ks"
        );
        assert_eq!(
            apart_in_turn(Path::new("/run/lock/l"), Path::new("/w/tmp"), tool).to_string(),
            "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc -- \
             flock --no-fork --verbose /run/lock/l sh -c \
             'mount --bind \"$1\" /tmp && shift 2 && exec \"$@\"' sh /w/tmp -- \
             livecd-creator -c a.ks"
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
