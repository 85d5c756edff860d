//! Names and summaries, close together in memory.

use serde::Serialize;

use super::error::Fault;
use super::limits::Limits;

/// Bytes that a name has at most; the file of an RPM could not have a longer one.
pub(super) const LONGEST_NAME: usize = 255;

/// Bytes that stay of a summary; Fedora's are not longer.
pub(super) const LONGEST_SUMMARY: usize = 200;

/// A package that is there, in whatever version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Package<'a> {
    /// Its name, without version and architecture.
    pub name: &'a str,
    /// What it is, in a line.
    pub summary: &'a str,
}

/// A group of packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What it is asked for by, behind an `@`.
    pub id: String,
    /// What people call it, in English.
    pub name: String,
    /// What it is for, in English.
    pub description: String,
    /// How many packages it has, those that are only offered with it counted too.
    pub packages: usize,
    /// Whether it is an environment: a set of groups that makes a whole system.
    pub is_environment: bool,
}

impl Group {
    /// How it is written in a spec: `@core`, `@^minimal-environment`.
    #[must_use]
    pub fn entry(&self) -> String {
        let sign = if self.is_environment { "@^" } else { "@" };
        format!("{sign}{}", self.id)
    }
}

/// What some repositories have: packages by their names, each once, and groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    names: Names,
    groups: Vec<Group>,
    sources: Vec<String>,
}

impl Catalogue {
    pub(super) fn new(mut names: Names, groups: Vec<Group>, sources: Vec<String>) -> Self {
        names.settle();
        Self {
            names,
            groups,
            sources,
        }
    }

    /// How many packages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.entries.len()
    }

    /// Whether there is no package.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.entries.is_empty()
    }

    /// The packages in the order of their names, by their bytes.
    pub fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        let entries = self.names.entries.iter();
        entries.map(|entry| self.names.package(entry))
    }

    /// The groups, and behind them the environments, in the order of the repositories. Of those with one id the first
    /// counts.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The repositories, each with the address that it was read from, without a password.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.sources
    }
}

/// One text of all names, each with its summary behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Names {
    text: String,
    entries: Vec<Entry>,
    limits: Most,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Most {
    packages: usize,
    text: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    at: u32,
    name: u8,
    summary: u8,
}

impl Names {
    pub(super) fn new(limits: &Limits) -> Self {
        let limits = Most {
            packages: limits.packages,
            // As far as an entry can point.
            text: limits.text.min(u32::MAX as usize - 1024),
        };
        Self {
            limits,
            ..Self::default()
        }
    }

    fn package(&self, entry: &Entry) -> Package<'_> {
        let at = entry.at as usize;
        let name = at + usize::from(entry.name);
        let summary = name + usize::from(entry.summary);
        Package {
            name: &self.text[at..name],
            summary: &self.text[name..summary],
        }
    }

    /// Adds a package, unless it is the one before in another version, or has a name that no spec can ask for.
    ///
    /// # Errors
    ///
    /// More than there may be.
    pub(super) fn add(&mut self, name: &str, summary: &str) -> Result<(), Fault> {
        if name.len() > LONGEST_NAME {
            return Err(too_large(LONGEST_NAME, "bytes in the name of a package"));
        }
        if !is_plain(name) {
            return Ok(());
        }
        let last = self.entries.last().map(|entry| self.package(entry));
        if last.is_some_and(|last| last.name == name) {
            return Ok(());
        }
        let summary = summary.lines().next().unwrap_or_default();
        let summary = &summary[..summary.floor_char_boundary(LONGEST_SUMMARY)];
        if self.entries.len() >= self.limits.packages {
            return Err(too_large(self.limits.packages, "packages"));
        }
        if self.text.len() + name.len() + summary.len() > self.limits.text {
            return Err(too_large(self.limits.text, "bytes of names and summaries"));
        }
        let length = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
        self.entries.push(Entry {
            at: u32::try_from(self.text.len()).unwrap_or(u32::MAX),
            name: length(name),
            summary: length(summary),
        });
        self.text.push_str(name);
        self.text.push_str(summary);
        Ok(())
    }

    /// Adds all of another repository's.
    ///
    /// # Errors
    ///
    /// More than there may be.
    pub(super) fn append(&mut self, other: &Self) -> Result<(), Fault> {
        let mut entries = other.entries.iter();
        entries.try_for_each(|entry| {
            let Package { name, summary } = other.package(entry);
            self.add(name, summary)
        })
    }

    /// Sorts them, and of those with one name leaves the first that was added; nothing is kept in memory for more.
    pub(super) fn settle(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_by(|one, other| self.package(one).name.cmp(self.package(other).name));
        entries.dedup_by(|one, other| self.package(one).name == self.package(other).name);
        let length = |entry: &Entry| usize::from(entry.name) + usize::from(entry.summary);
        let mut text = String::with_capacity(entries.iter().map(length).sum());
        for entry in &mut entries {
            let from = entry.at as usize;
            let at = u32::try_from(text.len()).unwrap_or(u32::MAX);
            text.push_str(&self.text[from..from + length(entry)]);
            entry.at = at;
        }
        entries.shrink_to_fit();
        (self.text, self.entries) = (text, entries);
    }
}

/// Whether a spec can ask for a package or a group of this name.
pub(super) fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+~^-".contains(c))
}

fn too_large(limit: usize, what: &'static str) -> Fault {
    let limit = limit as u64;
    Fault::TooLarge { limit, what }
}
