//! Mistakes in a spec: each with its place, what is wrong and what would be right.

use std::collections::HashSet;
use std::fmt;

use super::password::hidden;
use super::value::{ValueError, on_one_line};

/// Where a mistaken value was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// In a text: the file's name, or another word for where the text came from.
    Text(String),
    /// On the command line: the `boot.release=43` of `--set boot.release=43`.
    Set(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(name) => f.write_str(name),
            Self::Set(text) => write!(f, "--set {}", on_one_line(&hidden(text))),
        }
    }
}

/// One mistake. `Display` is one line:
/// `boot.conf:12: [boot] updats: unknown key; did you mean "updates"?`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mistake {
    /// Where the text came from.
    pub origin: Origin,
    /// The line, counted from 1; `None` for what is missing or was written in no file.
    pub line: Option<usize>,
    /// The section without its brackets.
    pub section: Option<String>,
    /// The key as it was written.
    pub key: Option<String>,
    /// What is wrong, in lower case and without a full stop.
    pub problem: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl Mistake {
    /// A mistake in a text, its place not yet given.
    pub(crate) fn new(origin: &str, error: ValueError) -> Self {
        Self {
            origin: Origin::Text(origin.to_owned()),
            line: None,
            section: None,
            key: None,
            problem: error.problem,
            hint: error.hint,
        }
    }

    pub(crate) fn at(mut self, line: Option<usize>) -> Self {
        self.line = line;
        self
    }

    pub(crate) fn in_section(mut self, section: Option<&str>) -> Self {
        self.section = section.map(str::to_owned);
        self
    }

    pub(crate) fn of_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if matches!(self.origin, Origin::Text(_)) {
            let shown = |name: &Option<String>| name.as_deref().map(on_one_line);
            match (shown(&self.section), shown(&self.key)) {
                (Some(section), Some(key)) => write!(f, "[{section}] {key}: ")?,
                (Some(section), None) => write!(f, "[{section}]: ")?,
                (None, Some(key)) => write!(f, "{key}: ")?,
                (None, None) => {}
            }
        }
        f.write_str(&self.problem)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Puts mistakes into the order of the text, those without a line last, each once.
pub(crate) fn in_order(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
    let mut seen = HashSet::new();
    mistakes.retain(|mistake| seen.insert(mistake.clone()));
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_with_its_place() {
        let mistake = Mistake::new(
            "boot.conf",
            ValueError::new("unknown key", "did you mean \"updates\"?"),
        )
        .at(Some(12))
        .in_section(Some("boot"))
        .of_key("updats");
        assert_eq!(
            mistake.to_string(),
            "boot.conf:12: [boot] updats: unknown key; did you mean \"updates\"?"
        );
        let set = Mistake {
            origin: Origin::Set("staging=ftp://qa:pw@host".into()),
            line: None,
            ..mistake
        };
        assert_eq!(
            set.to_string(),
            "--set staging=ftp://qa:***@host: unknown key; did you mean \"updates\"?"
        );
    }

    #[test]
    fn sorted_and_each_once() {
        let at = |line| Mistake::new("x", ValueError::new("wrong", "right")).at(line);
        let sorted = in_order(vec![at(None), at(Some(3)), at(Some(1)), at(Some(3))]);
        assert_eq!(sorted, [at(Some(1)), at(Some(3)), at(None)]);
    }
}
