//! `%post`: the scripts of a kickstart, run where they can change the image and nothing else.
//!
//! Those in the root see nothing but the root. Those beside it (`--nochroot`) see the host's files
//! and can change only what `$INSTALL_ROOT` and `$LIVE_ROOT` name. Neither has a network, and when
//! its first process ends, the kernel ends all others.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::files::{make_folder, write_private};
use super::{ComposeError, root, sandbox};
use crate::context::BuildContext;
use crate::error::{ErrorKind, StageError};
use crate::events::{EventKind, Outcome, seconds};
use crate::host::free_bytes;
use crate::kickstart::{Script, SectionKind};
use crate::process::{CommandError, Exit, Invocation, Stream};
use crate::report::ScriptRecord;
use crate::source_date::dated;

/// Why a script ends the build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {script} script of {place} {problem}")]
pub struct ScriptError {
    /// `%post`, or `%post --nochroot`.
    pub script: String,
    /// File and line of its header.
    pub place: String,
    /// What is wrong.
    pub problem: ScriptProblem,
}

/// What is wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptProblem {
    /// It failed, and its failure is the build's.
    Failed {
        /// Its exit status.
        exit: Exit,
        /// File and line at which it failed, where its interpreter said so.
        at: Option<String>,
        /// The last lines that it printed.
        tail: Vec<String>,
    },
    /// It did not come to an end.
    TimedOut(Duration),
    /// It left too little space on the disk.
    DiskFull(PathBuf),
    /// It removed what makes the root a system.
    Destroyed(String),
    /// It put something where a file of the image's own goes.
    InTheWay(String),
}

impl fmt::Display for ScriptProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { exit, at, tail } => {
                write!(f, "failed with {exit}")?;
                if let Some(at) = at {
                    write!(f, " at {at}")?;
                }
                match tail.is_empty() {
                    true => f.write_str(" without printing anything"),
                    false => write!(f, ", after printing:\n  {}", tail.join("\n  ")),
                }
            }
            Self::TimedOut(limit) => {
                write!(f, "was ended: it ran for more than {} s", limit.as_secs())
            }
            Self::DiskFull(path) => write!(
                f,
                "was ended: it left no space on the disk that holds {}",
                path.display()
            ),
            Self::Destroyed(name) => write!(f, "removed the installed system: {name} is gone"),
            Self::InTheWay(name) => write!(
                f,
                "left {name} in $LIVE_ROOT, where the image's own file goes"
            ),
        }
    }
}

impl StageError for ScriptError {
    fn kind(&self) -> ErrorKind {
        match self.problem {
            ScriptProblem::DiskFull(_) => ErrorKind::Host,
            _ => ErrorKind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self.problem {
                ScriptProblem::Failed { .. } => {
                    "mend the script, or take --erroronfail away if the image is good without it; \
                 scripts have no network"
                }
                ScriptProblem::TimedOut(_) => {
                    "mend the script, or give it more with `post_timeout`"
                }
                ScriptProblem::DiskFull(_) => {
                    "mend the script, or name a `tmpdir` on a larger disk"
                }
                ScriptProblem::Destroyed(_) | ScriptProblem::InTheWay(_) => "mend the script",
            }
            .to_owned(),
        )
    }
}

/// Whether a script is run; the others are for the installer.
#[must_use]
pub fn runs(script: &Script) -> bool {
    script.kind == SectionKind::Post
}

/// Where scripts work.
#[derive(Debug, Clone)]
pub struct Scripts {
    /// The installed root: `$INSTALL_ROOT`.
    pub root: PathBuf,
    /// The tree of the ISO: `$LIVE_ROOT`.
    pub live_root: PathBuf,
    /// The folder of the spec, in which those beside the root start.
    pub folder: PathBuf,
    /// A folder that only root reads, for the scripts' texts.
    pub shared: PathBuf,
    /// Where the logs are kept that do not go into the root.
    pub logs: PathBuf,
    /// How long each may run.
    pub limit: Duration,
    /// What has to be in the root still when a script is done, as far as it was there before.
    pub essential: Vec<String>,
    /// What no script may leave in the tree of the ISO: the image's own files go there.
    pub reserved: Vec<String>,
}

/// What is left to others of a disk that a script fills: so much, or a quarter of what was free.
const RESERVE: u64 = 256 * 1024 * 1024;

impl Scripts {
    /// The command that runs the script that is the `number`th.
    #[must_use]
    pub fn invocation(&self, script: &Script, number: usize) -> Invocation {
        let mut words = script.interpreter.split_whitespace();
        let command = Invocation::new(words.next().unwrap_or("/bin/sh"))
            .args(words)
            .arg(format!("{}/{}", sandbox::SHARED, file_name(number)))
            .timeout(self.limit);
        let command = dated(command);
        if script.in_root {
            return sandbox::inside(&self.root, &self.shared, command);
        }
        let command = command
            .env("INSTALL_ROOT", self.root.to_string_lossy())
            .env("LIVE_ROOT", self.live_root.to_string_lossy());
        let writable = [self.root.as_path(), self.live_root.as_path()];
        sandbox::script_beside(&writable, &self.folder, &self.shared, command)
    }

    /// Runs the script that is the `number`th. What it leaves is checked; how it ended is told
    /// also where it ends the build.
    pub async fn run(
        &self,
        ctx: &BuildContext,
        script: &Script,
        number: usize,
    ) -> (ScriptRecord, Result<(), ComposeError>) {
        let started = Instant::now();
        let essential = self.present();
        let ended = self.execute(ctx, script, number).await;
        let mut record = ScriptRecord {
            script: name(script),
            place: script.place.to_string(),
            outcome: Outcome::Succeeded,
            exit: None,
            failed_at: None,
            seconds: seconds(started.elapsed()),
        };
        let result = match ended {
            Ok(exit) => {
                record.exit = Some(exit);
                let left = self.check(script, &essential);
                if left.is_err() {
                    record.outcome = Outcome::Failed;
                }
                left
            }
            Err(error) => {
                record.outcome = match error.kind() {
                    ErrorKind::Cancelled => Outcome::Cancelled,
                    _ => Outcome::Failed,
                };
                if let ComposeError::Script(script_error) = &error
                    && let ScriptProblem::Failed { exit, at, .. } = &script_error.problem
                {
                    record.exit = Some(*exit);
                    record.failed_at.clone_from(at);
                    if !script.error_on_fail {
                        ctx.events.warn(error.to_string());
                        return (record, self.check(script, &essential));
                    }
                }
                Err(error)
            }
        };
        (record, result)
    }

    /// Runs it to its end.
    async fn execute(
        &self,
        ctx: &BuildContext,
        script: &Script,
        number: usize,
    ) -> Result<Exit, ComposeError> {
        for folder in [&self.shared, &self.logs, &self.live_root] {
            make_folder(folder)?;
        }
        let text = self.shared.join(file_name(number));
        write_private(&text, &script.text())?;
        let log = Log::create(self.logs.join(format!("post-{number}.log")), script)?;
        let sink = {
            let (events, log) = (ctx.events.clone(), log.clone());
            move |stream: Stream, line: &str| {
                log.line(line);
                let line = line.to_owned();
                events.emit(EventKind::Output { stream, line });
            }
        };
        let cancel = ctx.cancel.child_token();
        let invocation = self.invocation(script, number);
        let mut run = std::pin::pin!(ctx.run_into(&invocation, Arc::new(sink), &cancel));
        let reserve = RESERVE.min(free_bytes(&self.root).unwrap_or_default() / 4);
        let is_full = || free_bytes(&self.root).is_ok_and(|free| free < reserve);
        let mut full = false;
        let result = loop {
            match tokio::time::timeout(Duration::from_millis(100), &mut run).await {
                Ok(result) => break result,
                Err(_) if !full && is_full() => {
                    full = true;
                    cancel.cancel();
                }
                Err(_) => {}
            }
        };
        let _ = std::fs::remove_file(&text);
        self.keep(&log, script)?;
        let problem = match result {
            Ok(done) => return Ok(done.exit),
            Err(_) if full => ScriptProblem::DiskFull(self.root.clone()),
            Err(CommandError::TimedOut { limit, .. }) => ScriptProblem::TimedOut(limit),
            Err(CommandError::Failed { exit, tail, .. }) => ScriptProblem::Failed {
                exit,
                at: failing_line(&tail, number)
                    .and_then(|line| script.place_of(line))
                    .map(ToString::to_string),
                tail: tail[tail.len().saturating_sub(12)..].to_vec(),
            },
            Err(error) => return Err(error.into()),
        };
        Err(problem.of(script).into())
    }

    /// The log goes where the script wants it, if that is in the root.
    fn keep(&self, log: &Log, script: &Script) -> Result<(), ComposeError> {
        let (Some(path), Some(wanted)) = (&log.path, &script.log) else {
            return Ok(());
        };
        if !script.in_root {
            return Ok(());
        }
        let name = wanted.trim_start_matches('/');
        let to = root::vacant(&self.root, name).map_err(|source| ComposeError::Io {
            path: self.root.join(name),
            source,
        })?;
        std::fs::copy(path, &to)
            .and_then(|_| std::fs::remove_file(path))
            .map_err(|source| ComposeError::Io { path: to, source })
    }

    fn present(&self) -> Vec<&String> {
        let is_there = |name: &&String| root::below(&self.root, name).is_some_and(|p| p.exists());
        self.essential.iter().filter(is_there).collect()
    }

    /// What the script left.
    fn check(&self, script: &Script, essential: &[&String]) -> Result<(), ComposeError> {
        let present = self.present();
        if let Some(gone) = essential.iter().find(|name| !present.contains(name)) {
            let problem = ScriptProblem::Destroyed(format!("/{gone}"));
            return Err(problem.of(script).into());
        }
        let taken = |name: &&String| {
            root::below(&self.live_root, name).is_none_or(|path| path.symlink_metadata().is_ok())
        };
        match self.reserved.iter().find(taken) {
            Some(name) => {
                let problem = ScriptProblem::InTheWay(name.clone());
                Err(problem.of(script).into())
            }
            None => Ok(()),
        }
    }
}

impl ScriptProblem {
    fn of(self, script: &Script) -> Box<ScriptError> {
        Box::new(ScriptError {
            script: name(script),
            place: script.place.to_string(),
            problem: self,
        })
    }
}

fn name(script: &Script) -> String {
    match script.in_root {
        true => script.kind.to_string(),
        false => format!("{} --nochroot", script.kind),
    }
}

fn file_name(number: usize) -> String {
    format!("post-{number}")
}

/// The line of the script that failed, as shells and Python name it in what they print last:
/// `/run/fbs/post-1: line 3: ...` (bash), `/run/fbs/post-1: 3: ...` (dash),
/// `File "/run/fbs/post-1", line 3` (Python).
fn failing_line(tail: &[String], number: usize) -> Option<usize> {
    let file = format!("{}/{}", sandbox::SHARED, file_name(number));
    tail.iter().rev().find_map(|line| {
        let (_, rest) = line.split_once(&file)?;
        let rest = rest
            .strip_prefix('"')
            .unwrap_or(rest)
            .strip_prefix([':', ','])?;
        let rest = rest.trim_start();
        let digits = rest.strip_prefix("line ").unwrap_or(rest);
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        digits[..end].parse().ok()
    })
}

/// What a script with `--log` prints.
#[derive(Debug, Clone)]
struct Log {
    path: Option<PathBuf>,
    file: Option<Arc<Mutex<std::fs::File>>>,
}

impl Log {
    fn create(path: PathBuf, script: &Script) -> Result<Self, ComposeError> {
        if script.log.is_none() {
            return Ok(Self {
                path: None,
                file: None,
            });
        }
        let file = std::fs::File::create(&path).map_err(|source| ComposeError::Io {
            path: path.clone(),
            source,
        })?;
        Ok(Self {
            path: Some(path),
            file: Some(Arc::new(Mutex::new(file))),
        })
    }

    fn line(&self, line: &str) {
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // A full disk is noticed elsewhere.
            let _ = writeln!(file, "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kickstart::Kickstart;

    fn script(text: &str) -> Script {
        let kickstart = Kickstart::parse(text, "live.ks").unwrap();
        kickstart.settings().unwrap().scripts.remove(0)
    }

    fn scripts() -> Scripts {
        Scripts {
            root: "/w/root".into(),
            live_root: "/w/iso".into(),
            folder: "/home/qa".into(),
            shared: "/w/scripts".into(),
            logs: "/w/script-logs".into(),
            limit: Duration::from_secs(60),
            essential: Vec::new(),
            reserved: Vec::new(),
        }
    }

    #[test]
    fn a_script_in_the_root_sees_the_root_alone() {
        let post = script("%post --interpreter=/usr/bin/python3\nprint(1)\n%end\n");
        let line = scripts().invocation(&post, 1).to_string();
        assert!(
            line.contains("--bind /w/root / ") && !line.contains("--bind / /"),
            "{line}"
        );
        assert!(line.contains("--ro-bind-try /proc/sys /proc/sys"), "{line}");
        assert!(
            !line.contains(" ALL ") && !line.contains("SYS_ADMIN"),
            "{line}"
        );
        assert!(
            line.ends_with("-- /usr/bin/python3 /run/fbs/post-1"),
            "{line}"
        );
    }

    #[test]
    fn a_script_beside_it_changes_the_image_only() {
        let post = script("%post --nochroot\ncp a $LIVE_ROOT/\n%end\n");
        let line = scripts().invocation(&post, 2).to_string();
        assert!(line.contains("--ro-bind / / "), "{line}");
        assert!(
            line.contains("--bind /w/root /w/root --bind /w/iso /w/iso"),
            "{line}"
        );
        assert!(
            line.contains("--setenv INSTALL_ROOT /w/root --setenv LIVE_ROOT /w/iso"),
            "{line}"
        );
        assert!(line.contains("--chdir /home/qa ") && line.ends_with("-- /bin/sh /run/fbs/post-2"));
    }

    #[test]
    fn the_line_that_failed_is_found() {
        let tail = |line: &str| vec!["hello".to_owned(), line.to_owned(), "end".to_owned()];
        for (line, expected) in [
            (
                "/run/fbs/post-1: line 3: nosuch: command not found",
                Some(3),
            ),
            ("/run/fbs/post-1: 12: nosuch: not found", Some(12)),
            ("  File \"/run/fbs/post-1\", line 7, in <module>", Some(7)),
            ("/run/fbs/post-11: line 3: x", None),
            ("cat: /x: No such file or directory", None),
        ] {
            assert_eq!(failing_line(&tail(line), 1), expected, "{line}");
        }
    }
}
