//! The one place that starts programs: `apt-get`, `dpkg-deb` and `createrepo_c`.

use std::ffi::OsStr;
use std::io;
use std::process::{ChildStdout, Command, ExitStatus, Stdio};

use crate::Error;

/// The programs needed, with the Debian packages that hold them.
const NEEDED: [(&str, &str); 3] = [
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
    ("createrepo_c", "createrepo-c"),
];

/// Fails on the first needed program that is not on `PATH`.
pub(crate) fn check_installed() -> Result<(), Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for (tool, package) in NEEDED {
        if !std::env::split_paths(&path).any(|dir| dir.join(tool).is_file()) {
            return Err(Error::MissingTool { tool, package });
        }
    }
    Ok(())
}

/// Runs a program to its end and gives what it printed.
pub(crate) fn output<S: AsRef<OsStr>>(tool: &str, args: &[S]) -> Result<String, Error> {
    let out = command(tool, args)
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io(tool))?;
    if !out.status.success() {
        return Err(failure(tool, args, out.status, &out.stderr));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs a program and hands its output to `read` as it comes.
pub(crate) fn stream<S: AsRef<OsStr>, T>(
    tool: &str,
    args: &[S],
    read: impl FnOnce(&mut ChildStdout) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut child = command(tool, args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Error::io(tool))?;
    let mut stdout = child.stdout.take().ok_or_else(|| Error::Io {
        path: tool.into(),
        source: io::Error::other("its output is not piped"),
    })?;
    let value = read(&mut stdout);
    // An archive may go on after its last member: drained, so that the program does not die of
    // a closed pipe.
    let drained = io::copy(&mut stdout, &mut io::sink());
    let status = child.wait().map_err(Error::io(tool))?;
    let value = value?;
    drained.map_err(Error::io(tool))?;
    if !status.success() {
        return Err(failure(tool, args, status, b"(see above)"));
    }
    Ok(value)
}

#[expect(
    clippy::disallowed_methods,
    reason = "test tooling, apart from the library's runner"
)]
fn command<S: AsRef<OsStr>>(tool: &str, args: &[S]) -> Command {
    let mut command = Command::new(tool);
    command
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn failure<S: AsRef<OsStr>>(tool: &str, args: &[S], status: ExitStatus, stderr: &[u8]) -> Error {
    let mut command = tool.to_owned();
    for arg in args {
        command.push(' ');
        command.push_str(&arg.as_ref().to_string_lossy());
    }
    let stderr = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = stderr.lines().collect();
    let tail = lines[lines.len().saturating_sub(20)..].join("\n");
    Error::Command {
        command,
        status,
        stderr: tail,
    }
}
