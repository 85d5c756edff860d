//! From lines to a [`Kickstart`].
//!
//! Follows `KickstartParser` of pykickstart
//! (<https://github.com/pykickstart/pykickstart/blob/master/pykickstart/parser.py>): a line is a
//! comment, a directive, a section's header or a command; in a section every line is the
//! section's until `%end`, but for directives. Lines are not continued. Other than pykickstart, a
//! section ends in the text in which it began.

use std::sync::Arc;

use super::document::{Command, Include, Item, Kickstart, Line, Section, SectionKind, SectionLine};
use super::error::{KickstartError, Mistake};
use super::place::{Origin, Place, Source};
use super::text::lines;
use super::words::{Comments, split};
use crate::spec::ValueError;
use crate::spec::value::{closest, quoted};

const INCLUDE: &str = "%include";
const APPEND: &str = "%ksappend";
const END: &str = "%end";

impl Kickstart {
    /// Reads a text; `name` stands for it in messages. Its directives are kept, not followed:
    /// [`Reader`](super::Reader) follows them.
    ///
    /// # Errors
    ///
    /// [`KickstartError::Invalid`] with every mistake in the text: an open quote, a section that is
    /// unknown or does not end.
    pub fn parse(text: &str, name: &str) -> Result<Self, KickstartError> {
        let origin = Arc::new(Origin {
            source: Source::Text(name.to_owned()),
            included_at: None,
        });
        Self::parse_from(text, origin)
    }

    /// [`parse`](Self::parse), for a text of known origin.
    pub(super) fn parse_from(text: &str, origin: Arc<Origin>) -> Result<Self, KickstartError> {
        let (byte_order_mark, text) = without_mark(text);
        let mut parser = Parser::new(byte_order_mark);
        for line in numbered(text, &origin) {
            if let Some(include) = parser.push(line) {
                parser.keep(include);
            }
        }
        parser.end_of_text(&origin);
        parser.finish()
    }
}

/// Whether a text begins with a byte order mark, and the text behind it.
pub(super) fn without_mark(text: &str) -> (bool, &str) {
    match text.strip_prefix('\u{feff}') {
        Some(text) => (true, text),
        None => (false, text),
    }
}

/// The lines of a text with their places.
pub(super) fn numbered<'a>(
    text: &'a str,
    origin: &'a Arc<Origin>,
) -> impl Iterator<Item = Line> + 'a {
    lines(text).zip(1..).map(|(text, line)| Line {
        text: text.to_owned(),
        place: Place {
            origin: Arc::clone(origin),
            line,
        },
    })
}

/// The state between two lines. Lines of included texts are pushed where their directive stood.
#[derive(Debug, Default)]
pub(super) struct Parser {
    done: Kickstart,
    open: Option<Open>,
    mistakes: Vec<Mistake>,
}

/// A section whose `%end` has not yet come.
#[derive(Debug)]
struct Open {
    /// `None` for an unknown one, which is read over.
    kind: Option<SectionKind>,
    header: Command,
    body: Vec<SectionLine>,
}

impl Parser {
    pub(super) fn new(byte_order_mark: bool) -> Self {
        let mut parser = Self::default();
        parser.done.byte_order_mark = byte_order_mark;
        parser
    }

    /// Takes a line; gives it back if it is a directive, to be followed or [kept](Self::keep).
    pub(super) fn push(&mut self, line: Line) -> Option<Include> {
        match self.open.take() {
            Some(open) => self.in_section(open, line),
            None => self.outside(line),
        }
    }

    /// Puts a directive into the document that is not followed.
    pub(super) fn keep(&mut self, include: Include) {
        match &mut self.open {
            Some(open) => open.body.push(SectionLine::Include(include)),
            None => self.done.items.push(Item::Include(include)),
        }
    }

    /// A text has ended: so have its sections.
    pub(super) fn end_of_text(&mut self, origin: &Arc<Origin>) {
        let is_its = |open: &mut Open| Arc::ptr_eq(&open.header.place().origin, origin);
        if let Some(open) = self.open.take_if(is_its) {
            self.not_ended(&open);
        }
    }

    /// The document, if there are no mistakes.
    pub(super) fn finish(self) -> Result<Kickstart, KickstartError> {
        match self.mistakes.is_empty() {
            true => Ok(self.done),
            false => Err(KickstartError::Invalid(self.mistakes)),
        }
    }

    fn outside(&mut self, line: Line) -> Option<Include> {
        let start = line.text.trim_start();
        if start.is_empty() || start.starts_with('#') {
            self.done.items.push(Item::Comment(line));
            return None;
        }
        if start.starts_with(APPEND) {
            return self.append(line);
        }
        let words = match split(&line.text, Comments::Dropped) {
            Ok(words) => words,
            Err(error) => {
                self.mistake(&line.place, None, error);
                return None;
            }
        };
        match words.first().map(String::as_str) {
            None => self.done.items.push(Item::Comment(line)),
            Some(INCLUDE) => return self.include(line, words),
            Some(END) => {
                let error = ValueError::new("no section is open here", "delete the line");
                self.mistake(&line.place, Some(END), error);
            }
            Some(name) if name.starts_with('%') => {
                let kind = SectionKind::find(name);
                if kind.is_none() {
                    let error = unknown_section(name);
                    self.mistake(&line.place, None, error);
                }
                self.open = Some(Open {
                    kind,
                    header: Command { line, words },
                    body: Vec::new(),
                });
            }
            Some("") => {
                let error = ValueError::new("the command is empty", "delete the quotes");
                self.mistake(&line.place, None, error);
            }
            Some(_) => {
                let command = Command { line, words };
                self.done.items.push(Item::Command(command));
            }
        }
        None
    }

    fn in_section(&mut self, mut open: Open, line: Line) -> Option<Include> {
        let start = line.text.trim_start();
        let first = match start.starts_with('%') {
            true => start.split_whitespace().next().unwrap_or_default(),
            false => "",
        };
        if first == END {
            if !Arc::ptr_eq(&open.header.place().origin, &line.place.origin) {
                let error = ValueError::new(
                    format!(
                        "the {} of {} ends in another text",
                        open.header.name(),
                        open.header.place()
                    ),
                    "write %end where the section began",
                );
                self.mistake(&line.place, Some(END), error);
            }
            if let Some(kind) = open.kind {
                self.done.items.push(Item::Section(Section {
                    kind,
                    header: open.header,
                    body: open.body,
                    end: line,
                }));
            }
            return None;
        }
        if SectionKind::find(first).is_some() {
            self.not_ended(&open);
            return self.outside(line);
        }
        if first == INCLUDE || start.starts_with(APPEND) {
            self.open = Some(open);
            if start.starts_with(APPEND) {
                return self.append(line);
            }
            return match split(&line.text, Comments::Kept) {
                Ok(words) => self.include(line, words),
                Err(error) => {
                    self.mistake(&line.place, Some(INCLUDE), error);
                    None
                }
            };
        }
        open.body.push(SectionLine::Text(line));
        self.open = Some(open);
        None
    }

    fn include(&mut self, line: Line, words: Vec<String>) -> Option<Include> {
        match words.into_iter().nth(1).filter(|target| !target.is_empty()) {
            Some(target) => Some(Include { line, target }),
            None => self.no_target(&line, INCLUDE),
        }
    }

    /// `%ksappend` is no word of the language but of what is done before: its target is what
    /// stands behind one blank.
    fn append(&mut self, line: Line) -> Option<Include> {
        let target = line.text.split_whitespace().nth(1).map(str::to_owned);
        match target {
            Some(target) => Some(Include { line, target }),
            None => self.no_target(&line, APPEND),
        }
    }

    fn no_target(&mut self, line: &Line, directive: &str) -> Option<Include> {
        let error = ValueError::new(
            "it does not say what to include",
            format!("expected {directive} FILE or {directive} URL"),
        );
        self.mistake(&line.place, Some(directive), error);
        None
    }

    fn not_ended(&mut self, open: &Open) {
        let error = ValueError::new("the section does not end", "write %end below its last line");
        self.mistake(open.header.place(), Some(open.header.name()), error);
    }

    fn mistake(&mut self, place: &Place, subject: Option<&str>, error: ValueError) {
        self.mistakes.push(Mistake {
            place: place.clone(),
            subject: subject.map(str::to_owned),
            error,
        });
    }
}

fn unknown_section(name: &str) -> ValueError {
    let known = SectionKind::ALL.map(SectionKind::as_str);
    let hint = match closest(name, known) {
        Some(known) => format!("did you mean \"{known}\"?"),
        None => format!("expected one of {}", known.join(", ")),
    };
    ValueError::new(format!("{} is not a section", quoted(name)), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> String {
        Kickstart::parse(text, "a.ks").unwrap_err().to_string()
    }

    #[test]
    fn nothing_is_lost() {
        for text in [
            "",
            "\u{feff}lang C\n",
            "# only a comment",
            "lang C # why\r\n\r\n%packages --nocore\n@core # all\n-vim\n%end # done",
            "%post\n#!/bin/sh\ncat <<E\n%unknown\n %include x y\nE\n%end\nunheard --of 'it'\n",
            "%include a.ks\n%ksappend http://host/b.ks\n%addon x y\n%end\n",
        ] {
            let kickstart = Kickstart::parse(text, "a.ks").unwrap();
            assert_eq!(kickstart.to_string(), text);
        }
    }

    #[test]
    fn lines_become_what_they_are() {
        let text = "\n# c\nlang 'en US' # why\n%include b.ks x\n%packages --nocore\nvim\n%include c.ks\n%end\n";
        let kickstart = Kickstart::parse(text, "a.ks").unwrap();
        let [
            Item::Comment(_),
            Item::Comment(_),
            Item::Command(lang),
            Item::Include(include),
            Item::Section(section),
        ] = kickstart.items()
        else {
            panic!("{kickstart:?}");
        };
        assert_eq!(
            (lang.name(), lang.arguments()),
            ("lang", &["en US".to_owned()][..])
        );
        assert_eq!(lang.place().to_string(), "a.ks:3");
        assert_eq!(include.target(), "b.ks");
        assert_eq!(section.kind(), SectionKind::Packages);
        assert_eq!(section.options(), ["--nocore"]);
        assert_eq!(section.text(), "vim\n%include c.ks\n");
        let targets: Vec<_> = kickstart.includes().map(Include::target).collect();
        assert_eq!(targets, ["b.ks", "c.ks"]);
    }

    #[test]
    fn every_mistake_is_told() {
        assert_eq!(
            mistakes("lang 'C\n%pakages\n%end\n%include\n%end\n%post\necho\n%packages\nvim\n"),
            "a.ks:1: a quote ' has no end; close it on the same line, or write a backslash in front of it\n\
             a.ks:2: \"%pakages\" is not a section; did you mean \"%packages\"?\n\
             a.ks:4: %include: it does not say what to include; expected %include FILE or %include URL\n\
             a.ks:5: %end: no section is open here; delete the line\n\
             a.ks:6: %post: the section does not end; write %end below its last line\n\
             a.ks:8: %packages: the section does not end; write %end below its last line"
        );
    }

    #[test]
    fn passwords_are_not_in_debug() {
        let kickstart = Kickstart::parse("rootpw s3cret\n", "a.ks").unwrap();
        assert!(!format!("{kickstart:?}").contains("s3cret"));
    }
}
