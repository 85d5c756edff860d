//! Namespaces for what runs as root on behalf of a package or a kickstart: scriptlets, file
//! triggers, dracut, `%post`.
//!
//! [bubblewrap](https://github.com/containers/bubblewrap) gives each command its own mount, pid
//! and network namespace. Nothing that it mounts is ever seen by the host, so nothing can be left
//! mounted, and when it ends (or when we do) the kernel ends every process inside.

use std::path::Path;

use crate::process::Invocation;

/// Options that every sandbox has.
const COMMON: [&str; 5] = [
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-net",
    "--die-with-parent",
];

/// As root bubblewrap drops every capability unless told otherwise; installing packages needs
/// chown, mknod and chroot.
const PACKAGES: &[&str] = &["ALL"];

/// What a script of a kickstart may: whatever it takes to change files and owners below its root,
/// and nothing that reaches beyond it, as mounting, making devices and loading modules would
/// ([capabilities(7)](https://man7.org/linux/man-pages/man7/capabilities.7.html)).
const SCRIPTS: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
    "CAP_AUDIT_WRITE",
];

/// What of `/proc` changes the host when root writes to it, whatever the capabilities are.
const OF_THE_HOST: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// A `/proc` of its own, in which the host's switches cannot be moved.
fn proc() -> Vec<String> {
    let locked = OF_THE_HOST
        .iter()
        .flat_map(|path| ["--ro-bind-try", path, path]);
    ["--proc", "/proc"]
        .into_iter()
        .chain(locked)
        .map(str::to_owned)
        .collect()
}

/// `command`, seeing the host's files, with `/proc`, `/sys`, `/dev` and `/run` of its own below
/// `root`: for a package manager of the host that installs into `root` and runs scriptlets there.
#[must_use]
pub fn beside(root: &Path, command: Invocation) -> Invocation {
    let below = |name: &str| root.join(name).to_string_lossy().into_owned();
    wrap(
        PACKAGES,
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

/// As [`inside`], and the root stays as it is.
#[must_use]
pub fn inside_unchanged(root: &Path, shared: &Path, command: Invocation) -> Invocation {
    let mut wrapped = inside(root, shared, command);
    if let Some(bind) = wrapped.args.iter_mut().find(|arg| *arg == "--bind") {
        *bind = "--ro-bind".into();
    }
    wrapped
}

/// `command` of the root itself, seeing nothing of the host but `shared` (at [`SHARED`]), without
/// the rights that would reach beyond the root: a kickstart's script may have changed it.
#[must_use]
pub fn inside(root: &Path, shared: &Path, command: Invocation) -> Invocation {
    let root = root.to_string_lossy().into_owned();
    let shared = shared.to_string_lossy().into_owned();
    wrap(
        SCRIPTS,
        command,
        [
            vec!["--bind".into(), root, "/".into()],
            proc(),
            vec!["--ro-bind".into(), "/sys".into(), "/sys".into()],
            vec!["--dev".into(), "/dev".into()],
            vec!["--tmpfs".into(), "/run".into()],
            vec!["--tmpfs".into(), "/tmp".into()],
            vec!["--tmpfs".into(), "/var/tmp".into()],
            // Below /run, so that the mount point is not left in the root.
            vec!["--bind".into(), shared, SHARED.into()],
            vec!["--clearenv".into()],
            vec!["--setenv".into(), "PATH".into(), PATH.into()],
            vec!["--setenv".into(), "LC_ALL".into(), "C.UTF-8".into()],
            vec!["--setenv".into(), "HOME".into(), "/root".into()],
        ],
    )
}

/// A script that runs beside the root: it sees the host's files, of which it can change only those
/// below `writable`, and nothing of what runs on the host. It starts in `folder`, and sees `shared`
/// where [`inside`] shows it.
#[must_use]
pub fn script_beside(
    writable: &[&Path],
    folder: &Path,
    shared: &Path,
    command: Invocation,
) -> Invocation {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let words = |words: &[&str]| -> Vec<String> { words.iter().map(|w| (*w).to_owned()).collect() };
    let bound = |path: &&Path| vec!["--bind".to_owned(), text(path), text(path)];
    wrap(
        SCRIPTS,
        command,
        [
            words(&["--ro-bind", "/", "/"]),
            proc(),
            words(&["--dev", "/dev"]),
            words(&["--tmpfs", "/run", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp"]),
            // It may lie below what was just covered.
            vec!["--ro-bind".into(), text(folder), text(folder)],
            writable.iter().flat_map(bound).collect(),
            vec!["--bind".into(), text(shared), SHARED.into()],
            vec!["--chdir".into(), text(folder)],
            words(&["--clearenv", "--setenv", "PATH", PATH]),
            words(&["--setenv", "LC_ALL", "C.UTF-8", "--setenv", "HOME", "/root"]),
        ],
    )
}

/// Where [`inside`] shows the shared folder.
pub const SHARED: &str = "/run/fbs";

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

fn wrap<const N: usize>(
    capabilities: &[&str],
    command: Invocation,
    mounts: [Vec<String>; N],
) -> Invocation {
    let mut wrapped = Invocation::new("bwrap").args(COMMON);
    for capability in capabilities {
        wrapped = wrapped.args(["--cap-add", capability]);
    }
    wrapped = wrapped.args(mounts.concat());
    // A sandbox that begins with an empty environment is told what is in it.
    let clears = wrapped.args.iter().any(|arg| arg == "--clearenv");
    if clears {
        for (name, value) in &command.env {
            wrapped = wrapped.args(["--setenv", name, value]);
        }
    } else {
        wrapped.env = command.env;
    }
    wrapped = wrapped.arg("--").arg(command.program).args(command.args);
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
