//! A kickstart as it was written.

use std::fmt;

use super::place::Place;

/// A kickstart, line for line. Nothing of it is lost: `to_string` of one that was only read gives
/// the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kickstart {
    /// A byte order mark stood in front; it is printed again.
    pub(super) byte_order_mark: bool,
    pub(super) items: Vec<Item>,
}

/// One thing in a kickstart, in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A blank line, or one with a comment and nothing else.
    Comment(Line),
    /// A command: `lang en_US.UTF-8`.
    Command(Command),
    /// An `%include` or `%ksappend` that was not followed. A flattened kickstart has none.
    Include(Include),
    /// `%packages`, `%post`, ... to its `%end`.
    Section(Section),
}

/// A line as it was written, with its line end. `Debug` shows only its place: the line may hold a
/// password.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Line {
    /// The line with its line end; the last line of a text may have none.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it was written.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", self.place)
    }
}

/// A command of a kickstart, known or not. `Debug` leaves its arguments out: they may hold a
/// password.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    pub(super) line: Line,
    pub(super) words: Vec<String>,
}

impl Command {
    /// The first word: `repo`.
    pub fn name(&self) -> &str {
        &self.words[0]
    }

    /// The words behind it, quotes taken away and comments left out.
    pub fn arguments(&self) -> &[String] {
        &self.words[1..]
    }

    /// The line as it was written.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Where it was written.
    pub fn place(&self) -> &Place {
        &self.line.place
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({} at {})", self.name(), self.line.place)
    }
}

/// A directive that puts another text in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    pub(super) line: Line,
    pub(super) target: String,
}

impl Include {
    /// What is to be put here: a URL or a path.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Where the directive was written.
    pub fn place(&self) -> &Place {
        &self.line.place
    }
}

/// A section from its header to its `%end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub(super) kind: SectionKind,
    pub(super) header: Command,
    pub(super) body: Vec<SectionLine>,
    pub(super) end: Line,
}

/// What a section is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionLine {
    /// A line of its text.
    Text(Line),
    /// A directive that was not followed.
    Include(Include),
}

impl Section {
    /// Which section it is.
    pub fn kind(&self) -> SectionKind {
        self.kind
    }

    /// The header's words behind the `%name`.
    pub fn options(&self) -> &[String] {
        self.header.arguments()
    }

    /// Where the header was written.
    pub fn place(&self) -> &Place {
        self.header.place()
    }

    /// The lines between header and `%end`.
    pub fn lines(&self) -> &[SectionLine] {
        &self.body
    }

    /// The text between header and `%end`, as it was written.
    pub fn text(&self) -> String {
        self.body.iter().map(SectionLine::text).collect()
    }
}

impl SectionLine {
    /// The line as it was written.
    pub fn text(&self) -> &str {
        self.line().text()
    }

    /// The line, with its place.
    pub fn line(&self) -> &Line {
        match self {
            Self::Text(line) | Self::Include(Include { line, .. }) => line,
        }
    }
}

/// The sections that Fedora knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectionKind {
    /// `%packages`
    Packages,
    /// `%pre`: before anything else.
    Pre,
    /// `%pre-install`: with the disks mounted, before packages are installed.
    PreInstall,
    /// `%post`: after packages are installed.
    Post,
    /// `%onerror`: when the installation has failed.
    OnError,
    /// `%traceback`: when the installer has crashed.
    Traceback,
    /// `%certificate`
    Certificate,
    /// `%addon NAME`
    Addon,
    /// `%anaconda`
    Anaconda,
}

impl SectionKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Packages,
        Self::Pre,
        Self::PreInstall,
        Self::Post,
        Self::OnError,
        Self::Traceback,
        Self::Certificate,
        Self::Addon,
        Self::Anaconda,
    ];

    /// The name as it is written, with its `%`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Packages => "%packages",
            Self::Pre => "%pre",
            Self::PreInstall => "%pre-install",
            Self::Post => "%post",
            Self::OnError => "%onerror",
            Self::Traceback => "%traceback",
            Self::Certificate => "%certificate",
            Self::Addon => "%addon",
            Self::Anaconda => "%anaconda",
        }
    }

    /// The section of this very name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for SectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Kickstart {
    /// Everything in it, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Its commands, in order.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.items.iter().filter_map(|item| match item {
            Item::Command(command) => Some(command),
            _ => None,
        })
    }

    /// Its sections, in order.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.items.iter().filter_map(|item| match item {
            Item::Section(section) => Some(section),
            _ => None,
        })
    }

    /// The directives that were not followed, in order. A flattened kickstart has none.
    pub fn includes(&self) -> impl Iterator<Item = &Include> {
        self.items.iter().flat_map(|item| {
            let (own, body) = match item {
                Item::Include(include) => (Some(include), None),
                Item::Section(section) => (None, Some(section.body.iter())),
                _ => (None, None),
            };
            let inner = body.into_iter().flatten().filter_map(|line| match line {
                SectionLine::Include(include) => Some(include),
                SectionLine::Text(_) => None,
            });
            own.into_iter().chain(inner)
        })
    }
}

impl fmt::Display for Kickstart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.byte_order_mark {
            f.write_str("\u{feff}")?;
        }
        for item in &self.items {
            match item {
                Item::Comment(line)
                | Item::Command(Command { line, .. })
                | Item::Include(Include { line, .. }) => f.write_str(&line.text)?,
                Item::Section(section) => {
                    f.write_str(&section.header.line.text)?;
                    for line in &section.body {
                        f.write_str(line.text())?;
                    }
                    f.write_str(&section.end.text)?;
                }
            }
        }
        Ok(())
    }
}
