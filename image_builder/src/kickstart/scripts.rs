//! `%pre`, `%post` and the other scripts.

use super::arguments::{Arguments, Options};
use super::document::{Line, Section, SectionKind, SectionLine};
use super::place::Place;
use crate::spec::ValueError;

/// A script and how it is to be run.
///
/// Source: <https://pykickstart.readthedocs.io/en/latest/kickstart-docs.html>, chapters 3 to 6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// When it runs: [`SectionKind::Pre`], [`PreInstall`](SectionKind::PreInstall),
    /// [`Post`](SectionKind::Post), [`OnError`](SectionKind::OnError) or
    /// [`Traceback`](SectionKind::Traceback).
    pub kind: SectionKind,
    /// `--interpreter`; `/bin/sh` if not given.
    pub interpreter: String,
    /// Whether it runs in the installed system: a `%post` without `--nochroot`.
    pub in_root: bool,
    /// `--erroronfail`: whether its failure is that of the installation.
    pub error_on_fail: bool,
    /// `--log`, `--logfile`: the file that gets what it prints; in the installed system if it runs
    /// there.
    pub log: Option<String>,
    /// Where its header was written.
    pub place: Place,
    /// Its lines, with the place of each.
    pub lines: Vec<Line>,
}

impl Script {
    /// The script as it was written.
    pub fn text(&self) -> String {
        self.lines.iter().map(Line::text).collect()
    }

    /// Where a line of the script was written, counted from 1 as an interpreter counts.
    pub fn place_of(&self, line: usize) -> Option<&Place> {
        self.lines.get(line.checked_sub(1)?).map(Line::place)
    }

    /// The script of a section; `None` for one with nothing but blanks, as in pykickstart.
    pub(super) fn read(section: &Section) -> Result<Option<Self>, ValueError> {
        const SCRIPT: Options = Options {
            flags: &["--erroronfail"],
            values: &["--interpreter", "--log", "--logfile"],
            words: 0,
        };
        const POST: Options = Options {
            flags: &["--erroronfail", "--nochroot"],
            ..SCRIPT
        };
        let is_post = section.kind == SectionKind::Post;
        let known = if is_post { &POST } else { &SCRIPT };
        let arguments = Arguments::read(section.options(), known)?;
        let lines: Vec<Line> = section
            .body
            .iter()
            .map(SectionLine::line)
            .cloned()
            .collect();
        if lines.iter().all(|line| line.text.trim().is_empty()) {
            return Ok(None);
        }
        let interpreter = arguments.text("--interpreter");
        Ok(Some(Self {
            kind: section.kind,
            interpreter: interpreter.unwrap_or_else(|| "/bin/sh".to_owned()),
            in_root: is_post && !arguments.has(&["--nochroot"]),
            error_on_fail: arguments.has(&["--erroronfail"]),
            log: arguments.value(&["--log", "--logfile"]).map(str::to_owned),
            place: section.place().clone(),
            lines,
        }))
    }
}
