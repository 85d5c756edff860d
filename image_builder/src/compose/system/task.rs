//! One thing to do in a root, and the doing of it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::NotApplied;
use crate::compose::files::{make_folder, write_private};
use crate::compose::{ComposeError, root, sandbox};
use crate::context::BuildContext;
use crate::kickstart::{Place, Secret};
use crate::process::{CommandError, Invocation};
use crate::source_date::dated;

/// One thing that a kickstart asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Where it asks.
    pub place: Place,
    /// The command, with the option if it is only that.
    pub what: String,
    /// What is done.
    pub action: Action,
}

/// What is done. Paths count from the root, without a slash in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A file gets this text.
    Write {
        /// The file.
        name: String,
        /// Its text.
        text: String,
    },
    /// A symbolic link is made.
    Link {
        /// The link.
        name: String,
        /// What it points to.
        target: String,
        /// The file that has to be there; else the link is not made.
        needs: String,
    },
    /// `key=...` of a file gets a value.
    Assign {
        /// The file.
        name: String,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What if there is no such file.
        absent: IfMissing,
    },
    /// A program of the root is run in it.
    Run {
        /// The program and its arguments.
        argv: Vec<String>,
        /// What if it fails, or is not there.
        failed: IfMissing,
    },
    /// A password is set, hashed, in a line as chpasswd(8) reads it; it is on no command line.
    Password(Secret),
    /// Nothing.
    Refuse {
        /// Why.
        reason: String,
    },
}

/// What if something cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    /// The image is not what was asked for.
    Error,
    /// It is told.
    NotApplied(&'static str),
    /// Nothing was to be done then.
    Fine,
}

impl Task {
    pub(super) fn write(
        place: &Place,
        what: impl Into<String>,
        name: impl Into<String>,
        text: String,
    ) -> Self {
        let name = name.into();
        Self {
            place: place.clone(),
            what: what.into(),
            action: Action::Write { name, text },
        }
    }

    pub(super) fn run<S: Into<String>>(
        place: &Place,
        what: impl Into<String>,
        argv: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            place: place.clone(),
            what: what.into(),
            action: Action::Run {
                argv: argv.into_iter().map(Into::into).collect(),
                failed: IfMissing::Error,
            },
        }
    }

    pub(super) fn refuse(place: &Place, what: impl Into<String>, reason: &str) -> Self {
        Self {
            place: place.clone(),
            what: what.into(),
            action: Action::Refuse {
                reason: reason.to_owned(),
            },
        }
    }

    /// With something else than an error when the program fails.
    pub(super) fn or(mut self, if_missing: IfMissing) -> Self {
        if let Action::Run { failed, .. } = &mut self.action {
            *failed = if_missing;
        }
        self
    }

    /// Its command, if it has one.
    #[must_use]
    pub fn invocation(&self, root: &Path, shared: &Path) -> Option<Invocation> {
        let command = match &self.action {
            Action::Run { argv, .. } => {
                let (program, args) = argv.split_first()?;
                Invocation::new(program).args(args.iter().cloned())
            }
            Action::Password(_) => {
                let file = format!("{}/{PASSWORDS}", sandbox::SHARED);
                Invocation::new("sh").args(["-c", &format!("exec chpasswd -e <{file}")])
            }
            _ => return None,
        };
        // systemctl asks no running system then.
        let command = dated(command.env("SYSTEMD_OFFLINE", "1"));
        Some(sandbox::inside(root, shared, command))
    }

    fn not_applied(&self, reason: impl Into<String>) -> NotApplied {
        NotApplied {
            place: self.place.to_string(),
            what: self.what.clone(),
            reason: reason.into(),
        }
    }

    fn failed(&self, problem: impl Into<String>) -> ComposeError {
        ComposeError::Kickstart {
            place: self.place.to_string(),
            what: self.what.clone(),
            problem: problem.into(),
        }
    }
}

/// In the shared folder, while a password is being set.
const PASSWORDS: &str = "passwords";

/// Does `task` in `root`. `shared` is a folder that its programs see too, and which only root
/// reads.
///
/// # Errors
///
/// [`ComposeError::Kickstart`], if the image would not be what was asked for.
pub async fn carry_out(
    ctx: &BuildContext,
    task: &Task,
    root: &Path,
    shared: &Path,
) -> Result<Option<NotApplied>, ComposeError> {
    match &task.action {
        Action::Refuse { reason } => Ok(Some(task.not_applied(reason))),
        Action::Write { name, text } => {
            let path = root::vacant(root, name).map_err(|error| task.failed(told(name, &error)))?;
            fs::write(&path, text).map_err(|source| ComposeError::Io { path, source })?;
            Ok(None)
        }
        Action::Link {
            name,
            target,
            needs,
        } => {
            if !root::below(root, needs).is_some_and(|path| path.exists()) {
                return Ok(Some(task.not_applied(format!("the root has no /{needs}"))));
            }
            let path = root::vacant(root, name).map_err(|error| task.failed(told(name, &error)))?;
            symlink(target, &path).map_err(|source| ComposeError::Io { path, source })?;
            Ok(None)
        }
        Action::Assign {
            name,
            key,
            value,
            absent,
        } => {
            let text = root::below(root, name).and_then(|path| fs::read_to_string(path).ok());
            let Some(text) = text else {
                return or(task, *absent, || format!("the root has no /{name}"));
            };
            let path = root::vacant(root, name).map_err(|error| task.failed(told(name, &error)))?;
            fs::write(&path, assigned(&text, key, value))
                .map_err(|source| ComposeError::Io { path, source })?;
            Ok(None)
        }
        Action::Run { failed, .. } => match run(ctx, task, root, shared).await? {
            Ok(()) => Ok(None),
            Err(words) => or(task, *failed, || words),
        },
        Action::Password(line) => {
            make_folder(shared)?;
            let file = shared.join(PASSWORDS);
            write_private(&file, line.expose())?;
            let done = run(ctx, task, root, shared).await;
            let _ = fs::remove_file(&file);
            match done? {
                Ok(()) => Ok(None),
                Err(words) => Err(task.failed(words)),
            }
        }
    }
}

/// Runs the task's command; a program that fails or is not there tells why.
async fn run(
    ctx: &BuildContext,
    task: &Task,
    root: &Path,
    shared: &Path,
) -> Result<Result<(), String>, ComposeError> {
    let Some(command) = task.invocation(root, shared) else {
        return Ok(Ok(()));
    };
    make_folder(shared)?;
    match ctx.run(&command).await {
        Ok(_) => Ok(Ok(())),
        Err(CommandError::Failed { exit, tail, .. }) => {
            let last = tail.last().cloned();
            Ok(Err(last.unwrap_or_else(|| format!("it failed with {exit}"))))
        }
        Err(error) => Err(error.into()),
    }
}

fn or(
    task: &Task,
    if_missing: IfMissing,
    words: impl FnOnce() -> String,
) -> Result<Option<NotApplied>, ComposeError> {
    match if_missing {
        IfMissing::Error => Err(task.failed(words())),
        IfMissing::NotApplied(reason) => {
            let words = words();
            Ok(Some(task.not_applied(format!("{reason}: {words}"))))
        }
        IfMissing::Fine => Ok(None),
    }
}

fn told(name: &str, error: &io::Error) -> String {
    format!("/{name}: {error}")
}

/// `text` with `key=value` in the place of its assignment, or at its end.
pub(super) fn assigned(text: &str, key: &str, value: &str) -> String {
    let line = format!("{key}={value}");
    let is_it = |line: &str| {
        let rest = line.trim_start().strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let mut lines: Vec<&str> = text.lines().collect();
    match lines.iter().position(|line| is_it(line)) {
        Some(at) => lines[at] = &line,
        None => lines.push(&line),
    }
    lines.join("\n") + "\n"
}
