//! Namespaces for the distribution's own image tools.
//!
//! Such a tool mounts what it works on, attaches loop devices, chroots and starts services, all on
//! the host that it runs on. It gets a mount and a pid namespace: nothing that it mounts is ever
//! seen by the host, and when it, its `unshare` or we are killed, the kernel ends all that it
//! started. Unlike [`sandbox`](super::sandbox) this keeps nothing from it: bubblewrap's
//! no-new-privileges would forbid the SELinux transitions that installing packages needs.

use std::path::Path;

use crate::process::Invocation;

/// `command`, seeing the host as it is, with mounts and processes of its own.
#[must_use]
pub fn apart(command: Invocation) -> Invocation {
    let unshare = Invocation::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare"])
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    behind(unshare, command)
}

/// [`apart`], with `tmp` as its `/tmp`, and one at a time on the host: the others wait for `lock`.
/// The folders of the host's `/tmp` are in it too, since builds and repositories may lie there; its
/// files are not.
#[must_use]
pub fn apart_in_turn(lock: &Path, tmp: &Path, command: Invocation) -> Invocation {
    let turn = Invocation::new("flock")
        .args(["--no-fork", "--verbose"])
        .path(lock)
        .args(["sh", "-c", OWN_TMP, "sh"])
        .path(tmp);
    apart(behind(turn, command))
}

/// Runs what stands behind `--` with the folder in front of it as `/tmp`.
pub(crate) const OWN_TMP: &str = concat!(
    r#"for folder in /tmp/* /tmp/.[!.]*; do "#,
    r#"if [ -d "$folder" ] && [ ! -L "$folder" ]; then "#,
    r#"mkdir -p "$1/${folder##*/}" && mount --rbind "$folder" "$1/${folder##*/}" || exit; "#,
    r#"fi; done; mount --rbind "$1" /tmp && shift 2 && exec "$@""#,
);

/// `command` behind `--` and all that runs it.
fn behind(outer: Invocation, command: Invocation) -> Invocation {
    let outer = outer.arg("--").arg(command.program).args(command.args);
    Invocation {
        program: outer.program,
        args: outer.args,
        ..command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            format!(
                "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc \
                 -- flock --no-fork --verbose /run/lock/l sh -c '{OWN_TMP}' sh /w/tmp -- \
                 livecd-creator -c a.ks"
            )
        );
    }
}
