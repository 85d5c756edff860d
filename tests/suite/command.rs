//! Running a program with a time limit.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// No test waits longer for anything. A boot test is given ten minutes, and shall end by itself.
const LIMIT: Duration = Duration::from_secs(900);

/// How often a condition without an event is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// A program and how to run it.
#[derive(Debug)]
#[must_use]
pub struct Program(Command);

impl Program {
    /// `program`, in the C locale.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where a test starts a program"
    )]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        Self(command)
    }

    /// With one argument more.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    /// With more arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.0.args(args);
        self
    }

    /// With `--set KEY=VALUE`.
    pub fn set(self, key: &str, value: impl AsRef<OsStr>) -> Self {
        let mut pair = OsString::from(format!("{key}="));
        pair.push(value);
        self.arg("--set").arg(pair)
    }

    /// With an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Without one of ours.
    pub fn without_env(mut self, name: impl AsRef<OsStr>) -> Self {
        self.0.env_remove(name);
        self
    }

    /// In another folder.
    pub fn folder(mut self, path: &Path) -> Self {
        self.0.current_dir(path);
        self
    }

    /// With a file system of its own of `size` (tmpfs: `100m`) at `folder`, which nobody else sees
    /// and which is gone when the program has ended.
    pub fn on_a_disk(self, folder: &Path, size: &str) -> Self {
        let mount = format!("mount -t tmpfs -o size={size} none \"$0\" && exec \"$@\"");
        let outer = Program::new("unshare")
            .args(["--mount", "sh", "-c", &mount])
            .arg(folder);
        self.inside(outer)
    }

    /// With a standard output that has no room for anything.
    pub fn without_room(self) -> Self {
        let full = "exec \"$0\" \"$@\" > /dev/full";
        self.inside(Self::new("sh").args(["-c", full]))
    }

    /// As the last arguments of `outer`, which is to start it.
    pub fn inside(self, outer: Program) -> Self {
        let mut outer = outer.arg(self.0.get_program()).args(self.0.get_args());
        for (name, value) in self.0.get_envs() {
            if let Some(value) = value {
                outer.0.env(name, value);
            }
        }
        if let Some(folder) = self.0.get_current_dir() {
            outer.0.current_dir(folder);
        }
        outer
    }

    /// In a terminal, which writes what it shows to `shown`.
    pub fn in_a_terminal(self, shown: &Path) -> Self {
        let quoted = |word: &OsStr| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''"));
        let words: Vec<String> = std::iter::once(self.0.get_program())
            .chain(self.0.get_args())
            .map(quoted)
            .collect();
        let mut outer = Self::new("script")
            .args(["--quiet", "--flush", "--return", "--command"])
            .arg(format!("exec {}", words.join(" ")))
            .arg(shown)
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm");
        for (name, value) in self.0.get_envs() {
            match value {
                Some(value) => outer.0.env(name, value),
                None => outer.0.env_remove(name),
            };
        }
        if let Some(folder) = self.0.get_current_dir() {
            outer.0.current_dir(folder);
        }
        outer.0.stdin(Stdio::null());
        outer
    }

    /// As the standard library has it, for a program that is neither run to its end nor read.
    pub(crate) fn into_command(self) -> Command {
        self.0
    }

    /// Runs it to its end.
    pub fn run(self) -> Finished {
        self.start().finish()
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let shown = format!("{:?}", self.0);
        let mut child = self
            .0
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("it is a pipe");
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let pipe = BufReader::new(child.stderr.take().expect("it is a pipe"));
        let text = Arc::clone(&stderr);
        let reader = thread::spawn(move || {
            // A read error on a pipe means the same as its end.
            for line in pipe.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                lock(&text).push_str(&format!("{line}\n"));
            }
        });
        Running {
            shown,
            child,
            lines,
            stdout: Vec::new(),
            stderr,
            reader: Some(reader),
            started: Instant::now(),
        }
    }
}

/// A program that runs. It is killed when dropped.
#[derive(Debug)]
pub struct Running {
    shown: String,
    child: Child,
    lines: Receiver<String>,
    stdout: Vec<String>,
    stderr: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
    started: Instant,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal: to it alone, not to what it started.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id is small");
        kill(Pid::from_raw(pid), signal).expect("it runs and is ours");
    }

    /// Waits for a JSON event on standard output.
    pub fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let left = LIMIT.saturating_sub(self.started.elapsed());
            let line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => self.give_up(what),
                Err(RecvTimeoutError::Disconnected) => self.give_up(what),
            };
            let event: Value = serde_json::from_str(&line)
                .unwrap_or_else(|error| panic!("not JSON: {error}: {line}"));
            self.stdout.push(line);
            if is_it(&event) {
                return event;
            }
        }
    }

    /// Waits for the start of a stage's command: of the first one whose line has `word` in it.
    pub fn wait_for_command(&mut self, stage: &str, word: &str) {
        self.wait_for(&format!("the stage {stage}"), |event| {
            event["event"] == "stage_started" && event["stage"] == stage
        });
        self.wait_for(&format!("the command {word}"), |event| {
            event["event"] == "command_started"
                && event["command"].as_str().is_some_and(|c| c.contains(word))
        });
    }

    /// Waits until a stage has told how far it is.
    pub fn wait_for_progress(&mut self, stage: &str) {
        self.wait_for(&format!("progress of the stage {stage}"), |event| {
            event["event"] == "progress" && event["stage"] == stage
        });
    }

    /// Waits for a line with `words` on standard error, and gives it.
    pub fn wait_for_stderr(&mut self, words: &str) -> String {
        loop {
            let text = lock(&self.stderr).clone();
            if let Some(line) = text.lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            let has_ended = !matches!(self.child.try_wait(), Ok(None));
            if has_ended || self.started.elapsed() > LIMIT {
                self.give_up(words);
            }
            thread::sleep(POLL);
        }
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Finished {
        let mut closed = false;
        let status = loop {
            match self.child.try_wait().expect("it is ours") {
                Some(status) => break status,
                None if self.started.elapsed() > LIMIT => self.give_up("its end"),
                // Its output is read while it runs; a full pipe would stop it.
                None if closed => thread::sleep(POLL),
                None => match self.lines.recv_timeout(POLL) {
                    Ok(line) => self.stdout.push(line),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => closed = true,
                },
            }
        };
        let seconds = self.started.elapsed().as_secs_f64();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(5)) {
            self.stdout.push(line);
        }
        let stderr = self.all_of_stderr();
        Finished {
            shown: self.shown.clone(),
            code: status.code(),
            stdout: std::mem::take(&mut self.stdout),
            stderr,
            seconds,
        }
    }

    fn give_up(&mut self, what: &str) -> ! {
        let _ = self.child.kill();
        let status = self.child.wait();
        let stderr = self.all_of_stderr();
        panic!(
            "{}\nhas not come to {what} ({status:?})\n{stderr}",
            self.shown
        );
    }

    fn all_of_stderr(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            // It ends with the pipe, and cannot panic.
            let _ = reader.join();
        }
        lock(&self.stderr).clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A program that has ended, and what it printed.
#[derive(Debug)]
#[must_use]
pub struct Finished {
    shown: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The lines of its standard output.
    pub stdout: Vec<String>,
    /// Its standard error.
    pub stderr: String,
    /// How long it ran.
    pub seconds: f64,
}

impl Finished {
    /// It ended with `code`.
    pub fn assert_exit(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Its standard error has all of `words` in it.
    pub fn assert_says(&self, words: &[&str]) -> &Self {
        for words in words {
            assert!(self.stderr.contains(words), "{words:?} is missing:\n{self}");
        }
        self
    }

    /// Its standard error tells of each stage that `log` tells of, and of each warning, in the same order and no others.
    pub fn assert_shows(&self, log: &str) -> &Self {
        let mut titles = BTreeMap::new();
        let mut expected = Vec::new();
        for line in log.lines() {
            let message = line.split_once(" - ").map_or("", |(_, message)| message);
            if message.starts_with("warning: ") {
                expected.push(message.to_owned());
            }
            let stage = message.strip_prefix("== ");
            let Some((stage, words)) = stage.and_then(|stage| stage.split_once(": ")) else {
                continue;
            };
            expected.push(match titles.get(stage) {
                None => {
                    titles.insert(stage, words);
                    format!("{words} ...")
                }
                Some(title) => {
                    let words = words.strip_prefix("succeeded after ").unwrap_or(words);
                    format!("{title}: {words}")
                }
            });
        }
        assert!(!titles.is_empty(), "{log}");
        let is_one = |line: &&str| {
            let is_end = || {
                titles
                    .values()
                    .any(|title| line.starts_with(&format!("{title}: ")))
            };
            line.ends_with(" ...") || line.starts_with("warning: ") || is_end()
        };
        let shown: Vec<&str> = self.stderr.lines().filter(is_one).collect();
        assert_eq!(shown, expected, "{self}");
        self
    }

    /// Its standard error is one `error:` and, if any, one `hint:` behind it.
    pub fn assert_one_error(&self) -> &Self {
        let count = |start: &str| {
            self.stderr
                .lines()
                .filter(|line| line.starts_with(start))
                .count()
        };
        assert_eq!(count("error: "), 1, "{self}");
        assert!(count("hint: ") <= 1, "{self}");
        assert!(
            !self.stderr.contains("panicked") && !self.stderr.contains("RUST_BACKTRACE"),
            "{self}"
        );
        self
    }

    /// It ended within `seconds`.
    pub fn assert_within(&self, seconds: f64) -> &Self {
        assert!(self.seconds < seconds, "{:.1} s: {self}", self.seconds);
        self
    }

    /// Its standard output as one JSON value.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout.join("\n"))
            .unwrap_or_else(|error| panic!("{error}:\n{self}"))
    }

    /// The last line of its standard output as JSON: what came of it all.
    pub fn result(&self) -> Value {
        let last = self.stdout.last().map_or("", String::as_str);
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}:\n{self}"))
    }

    /// Its standard output as a JSON value a line.
    pub fn events(&self) -> Vec<Value> {
        let event = |line: &String| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        self.stdout.iter().map(event).collect()
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shown, code, .. } = self;
        let first = self.stdout.len().saturating_sub(20);
        let stdout = self.stdout[first..].join("\n");
        write!(f, "{shown}\n{code:?}\n{stdout}\n{}", self.stderr)
    }
}

fn lock(text: &Mutex<String>) -> MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `is_it`, and fails with `what` when it does not come.
pub fn eventually(what: &str, within: Duration, is_it: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_it() {
        assert!(started.elapsed() < within, "not within {within:?}: {what}");
        thread::sleep(POLL);
    }
}

/// The first bytes of a file.
pub fn head<const N: usize>(path: &Path) -> [u8; N] {
    let mut bytes = [0; N];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes
}
