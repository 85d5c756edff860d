//! What to run, as data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::redact;

/// One command line: the program, its arguments, and where and how long it may run.
///
/// `Display` prints it as one would type it in a shell, but for passwords in addresses, which are
/// shown as `***`.
///
/// ```
/// use image_builder::process::Invocation;
/// let lorax = Invocation::new("lorax").args(["-p", "Fedora"]).option("--volid", "Fedora 43");
/// assert_eq!(lorax.to_string(), "lorax -p Fedora '--volid=Fedora 43'");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// The program: a name looked up in PATH, or an absolute path.
    pub program: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables set on top of the inherited ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Working directory; the caller's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// Time limit, in seconds; none when absent.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "timeout_seconds"
    )]
    pub timeout: Option<Seconds>,
    /// Exit codes that count as success.
    #[serde(default = "success", skip_serializing_if = "is_success")]
    pub accepts: Vec<i32>,
    /// A question to the host: its failure is an answer, and nobody's fault.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub probe: bool,
}

/// A time limit, written as whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u64);

fn success() -> Vec<i32> {
    vec![0]
}

fn is_success(accepts: &Vec<i32>) -> bool {
    *accepts == success()
}

impl Invocation {
    /// `program` without arguments.
    #[must_use]
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
            timeout: None,
            accepts: success(),
            probe: false,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds a path as an argument.
    #[must_use]
    pub fn path(self, path: &Path) -> Self {
        self.arg(path.to_string_lossy())
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds `name=value` as one argument: a value can then never be taken for an option.
    #[must_use]
    pub fn option(self, name: &str, value: impl fmt::Display) -> Self {
        self.arg(format!("{name}={value}"))
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Runs in `dir`.
    #[must_use]
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cwd = Some(dir.into());
        self
    }

    /// Ends the program after `limit` (rounded up to a second).
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        let seconds = limit.as_secs() + u64::from(limit.subsec_nanos() > 0);
        self.timeout = Some(Seconds(seconds));
        self
    }

    /// Also takes `code` as success.
    #[must_use]
    pub fn accept(mut self, code: i32) -> Self {
        self.accepts.push(code);
        self
    }

    /// Is a question to the host: a failure is an answer.
    #[must_use]
    pub fn probe(mut self) -> Self {
        self.probe = true;
        self
    }

    /// Replaces `placeholder` in every argument and every environment variable.
    #[must_use]
    pub fn bind(mut self, placeholder: &str, value: &str) -> Self {
        for text in self.args.iter_mut().chain(self.env.values_mut()) {
            if text.contains(placeholder) {
                *text = text.replace(placeholder, value);
            }
        }
        self
    }

    /// The command line for an error message: at most about 160 characters, the middle left out.
    /// Of a sandbox only its name is shown: what runs in it is what went wrong.
    #[must_use]
    pub fn brief(&self) -> String {
        const HEAD: usize = 100;
        const TAIL: usize = 56;
        let whole: Vec<char> = match self.sandboxed() {
            Some(inner) => format!("{} ... -- {inner}", self.program),
            // The log has its environment.
            None => Self {
                env: BTreeMap::new(),
                ..self.clone()
            }
            .to_string(),
        }
        .chars()
        .collect();
        if whole.len() <= HEAD + TAIL + 5 {
            return whole.into_iter().collect();
        }
        let head: String = whole[..HEAD].iter().collect();
        let tail: String = whole[whole.len() - TAIL..].iter().collect();
        format!("{head} ... {tail}")
    }

    /// The command that a sandbox is to run.
    fn sandboxed(&self) -> Option<Self> {
        let at = self.args.iter().position(|arg| arg == "--")?;
        let (program, args) = self.args[at + 1..].split_first()?;
        let is_sandbox = matches!(self.program.as_str(), "bwrap" | "setpriv" | "flock");
        let inner = is_sandbox.then(|| Self::new(program).args(args))?;
        Some(inner.sandboxed().unwrap_or(inner))
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cwd) = &self.cwd {
            write!(f, "cd {} && ", quote(&cwd.to_string_lossy()))?;
        }
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quote(&redact::passwords(value)))?;
        }
        write!(f, "{}", quote(&self.program))?;
        for arg in &self.args {
            write!(f, " {}", quote(&redact::passwords(arg)))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invocation({self})")
    }
}

/// Quotes for a POSIX shell, where it must be.
fn quote(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-{}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_one_would_type_it() {
        let sed = Invocation::new("sed")
            .args(["-e", "s/a b/c/", "it's"])
            .env("LC_ALL", "C");
        assert_eq!(sed.to_string(), r"LC_ALL=C sed -e 's/a b/c/' 'it'\''s'");
        assert_eq!(
            Invocation::new("ls").cwd("/a b").to_string(),
            "cd '/a b' && ls"
        );
    }

    #[test]
    fn a_long_command_line_is_shortened_in_the_middle() {
        let long = Invocation::new("dnf").args((0..100).map(|n| format!("package{n}")));
        let brief = long.brief();
        assert!(brief.starts_with("dnf package0 ") && brief.ends_with(" package99"));
        assert!(brief.len() < 170, "{brief}");
    }

    #[test]
    fn of_a_sandbox_its_command_is_shown() {
        let dracut =
            Invocation::new("bwrap").args(["--dev", "/dev", "--", "dracut", "--kver", "6.1"]);
        assert_eq!(dracut.brief(), "bwrap ... -- dracut --kver 6.1");
        let nested =
            Invocation::new("setpriv").args(["unshare", "--", "flock", "l", "--", "tool", "-x"]);
        assert_eq!(nested.brief(), "setpriv ... -- tool -x");
        let plain = Invocation::new("bwrap").arg("--version");
        assert_eq!(plain.brief(), "bwrap --version");
    }

    #[test]
    fn a_limit_below_a_second_is_not_zero() {
        let sleep = Invocation::new("sleep").timeout(Duration::from_millis(10));
        assert_eq!(sleep.timeout, Some(Seconds(1)));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let lorax = Invocation::new("lorax").option("--proxy", "http://u:pw@p");
        assert_eq!(lorax.to_string(), "lorax '--proxy=http://u:***@p'");
        assert!(!format!("{lorax:?}").contains("pw"));
        assert!(!lorax.brief().contains("pw"));
        assert_eq!(lorax.args[0], "--proxy=http://u:pw@p");
    }

    #[test]
    fn survives_json() {
        let plain = Invocation::new("ls").arg("-l");
        let json = serde_json::to_string(&plain).unwrap();
        assert_eq!(json, r#"{"program":"ls","args":["-l"]}"#);
        assert_eq!(serde_json::from_str::<Invocation>(&json).unwrap(), plain);
        let full = plain
            .env("A", "b")
            .cwd("/")
            .timeout(Duration::from_secs(3))
            .accept(1);
        let json = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<Invocation>(&json).unwrap(), full);
    }
}
