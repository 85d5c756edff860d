//! The 2012 INI format, read as Python 3's `ConfigParser` reads it.
//!
//! See <https://docs.python.org/3/library/configparser.html#supported-ini-file-structure>.
//! rust-ini splits the entries; but it joins a line that ends in a backslash with the next, takes
//! a line without `=` and every continuation line into the following key, fails on a comment behind
//! a section header, and knows no line numbers. So a first pass goes over the lines, finds the
//! sections, reports what is no INI, and hands rust-ini one entry at a time in a plain form: on
//! one line, its value closed by a mark.

use ini::{Ini, ParseOption};

use super::entry::{Document, Entry, Head};
use super::mistake::Mistake;
use super::value::{ValueError, quoted};

/// Stands for a line break in a value; the text cannot hold it, control characters are refused.
const BREAK: char = '\u{1}';
/// Closes a value, so that a backslash at its end stays a backslash.
const END: char = '\u{2}';
/// What entries above the first section are read into.
const IMPLIED: &str = "DEFAULT";

/// Takes an INI text apart.
pub(crate) fn read(text: &str, origin: &str) -> Document {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pass = Pass {
        origin,
        ..Pass::default()
    };
    for (index, line) in text.lines().enumerate() {
        pass.line(index + 1, line);
    }
    pass.close_entry();
    pass.finish()
}

/// The first pass: which line is what.
#[derive(Default)]
struct Pass<'a> {
    origin: &'a str,
    /// The sections of the text; entries above the first one get an implied one.
    sections: Vec<Section>,
    heads: Vec<Head>,
    /// The entry that an indented line would continue, with the breaks it holds so far.
    open: Option<(usize, String)>,
    /// The indentation of the last line that was no continuation.
    indent: usize,
    mistakes: Vec<Mistake>,
}

struct Section {
    name: String,
    /// Line number and plain text of each entry.
    entries: Vec<(usize, String)>,
}

impl Pass<'_> {
    fn line(&mut self, number: usize, raw: &str) {
        let line = self.without_control_characters(number, raw);
        let text = line.trim();
        if text.starts_with(['#', ';']) {
            return;
        }
        if text.is_empty() {
            if let Some((_, value)) = &mut self.open {
                value.push(BREAK);
            }
            return;
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if let Some((_, value)) = &mut self.open
            && indent > self.indent
        {
            value.push(BREAK);
            value.push_str(text);
            return;
        }
        self.indent = indent;
        self.close_entry();
        if text.starts_with('[') {
            self.header(number, text);
        } else {
            self.entry(number, text);
        }
    }

    fn header(&mut self, number: usize, text: &str) {
        let (name, rest) = match text[1..].split_once(']') {
            Some((name, rest)) => (name.trim(), rest.trim()),
            None => {
                let error =
                    ValueError::new("the section header has no \"]\"", "expected [SECTION]");
                self.mistakes
                    .push(Mistake::new(self.origin, error).at(Some(number)));
                (text[1..].trim(), "")
            }
        };
        self.heads.push(Head {
            name: name.to_owned(),
            line: Some(number),
        });
        self.sections.push(Section {
            name: name.to_owned(),
            entries: Vec::new(),
        });
        if !rest.is_empty() && !rest.starts_with(['#', ';']) {
            self.mistake(
                number,
                format!("{} stands behind the section header", quoted(rest)),
                "write it on a line of its own",
            );
        }
    }

    fn entry(&mut self, number: usize, text: &str) {
        match text.find(['=', ':']) {
            None => self.mistake(
                number,
                format!("{} has no \"=\"", quoted(text)),
                "expected KEY=VALUE; a line that continues the value above is indented",
            ),
            Some(0) => self.mistake(
                number,
                format!(
                    "{} has no key before its {}",
                    quoted(text),
                    quoted(&text[..1])
                ),
                "expected KEY=VALUE",
            ),
            Some(end) => {
                if self.sections.is_empty() {
                    let error = ValueError::new(
                        "the key stands above the first section",
                        "write [DEFAULT] on a line above it",
                    );
                    let key = text[..end].trim();
                    self.mistakes.push(
                        Mistake::new(self.origin, error)
                            .at(Some(number))
                            .of_key(key),
                    );
                    self.sections.push(Section {
                        name: IMPLIED.to_owned(),
                        entries: Vec::new(),
                    });
                }
                self.open = Some((number, text.to_owned()));
            }
        }
    }

    fn close_entry(&mut self) {
        if let (Some((number, text)), Some(section)) = (self.open.take(), self.sections.last_mut())
        {
            let text = text.trim_end_matches(BREAK);
            section.entries.push((number, format!("{text}{END}")));
        }
    }

    /// Reports control characters and takes them out, so that each is reported only once.
    fn without_control_characters(&mut self, number: usize, line: &str) -> String {
        let bad = |c: char| c.is_control() && c != '\t';
        if let Some(found) = line.chars().find(|c| bad(*c)) {
            let problem = format!(
                "the line holds the control character U+{:04X}",
                u32::from(found)
            );
            self.mistake(number, problem, "delete it");
        }
        line.chars().filter(|c| !bad(*c)).collect()
    }

    fn mistake(&mut self, number: usize, problem: impl Into<String>, hint: &str) {
        let section = self.sections.last().map(|section| section.name.as_str());
        let mistake = Mistake::new(self.origin, ValueError::new(problem, hint));
        self.mistakes
            .push(mistake.at(Some(number)).in_section(section));
    }

    /// Lets rust-ini split the entries and gives them their lines back.
    fn finish(mut self) -> Document {
        let mut entries = Vec::new();
        for section in std::mem::take(&mut self.sections) {
            for (number, text) in section.entries {
                match split(&text) {
                    Some((key, value)) => entries.push(Entry {
                        section: section.name.clone(),
                        key,
                        value: without_quotes(&value).to_owned(),
                        list: false,
                        line: Some(number),
                        set_by: None,
                    }),
                    None => {
                        let error =
                            ValueError::new("the line cannot be read", "expected KEY=VALUE");
                        let mistake = Mistake::new(self.origin, error).at(Some(number));
                        self.mistakes.push(mistake.in_section(Some(&section.name)));
                    }
                }
            }
        }
        Document {
            heads: self.heads,
            entries,
            broken: false,
            mistakes: self.mistakes,
        }
    }
}

/// Key and value of one entry, by rust-ini; `None` unless it finds exactly one.
fn split(text: &str) -> Option<(String, String)> {
    let options = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        ..ParseOption::default()
    };
    let ini = Ini::load_from_str_opt(text, options).ok()?;
    let mut found = ini.general_section().iter();
    let (key, value) = found.next()?;
    let value = value.strip_suffix(END)?;
    match found.next() {
        None => Some((
            key.trim().to_owned(),
            value.replace(BREAK, "\n").trim().to_owned(),
        )),
        Some(_) => None,
    }
}

/// The value without one matching pair of quotes around the whole of it.
fn without_quotes(value: &str) -> &str {
    ['\'', '"']
        .into_iter()
        .filter_map(|quote| {
            value
                .strip_prefix(quote)?
                .strip_suffix(quote)
                .map(|inner| (quote, inner))
        })
        .find(|(quote, inner)| !inner.contains(*quote))
        .map_or(value, |(_, inner)| inner)
}
