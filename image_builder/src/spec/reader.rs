//! Reads typed values out of one section, `[DEFAULT]` behind it, and collects what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::choice::{Backend, BootTest, ImageType, RequireLanded, RootFs};
use super::entry::Entry;
use super::interpolate;
use super::keys::{Key, Kind, Section};
use super::location::Location;
use super::mistake::{Mistake, Origin};
use super::nvr::{BuildId, Nvr};
use super::password::hidden;
use super::value::{ValueError, quoted};
use super::{Address, Arch, Compression, Package, Proxy, Release, Stages, Timeout, text};
use crate::koji::{SigKey, Tag, UpdateId};

/// The longest value that is no list, in bytes.
const LONGEST: usize = 4096;

/// The known entries of one section by their keys in lower case.
pub(crate) type Entries = BTreeMap<String, Entry>;

/// A section with `[DEFAULT]` behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) own: &'a Entries,
    pub(crate) default: &'a Entries,
}

impl<'a> View<'a> {
    /// The entry that holds for a key: the section's own, even an empty one, else the default's.
    pub(crate) fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.own.get(key).or_else(|| self.default.get(key))
    }

    /// Every key that the section has or inherits.
    pub(crate) fn keys(&self) -> BTreeSet<&'a str> {
        self.own
            .keys()
            .chain(self.default.keys())
            .map(String::as_str)
            .collect()
    }
}

/// Takes values out of a view.
pub(crate) struct Reader<'a, 'm> {
    pub(crate) view: View<'a>,
    pub(crate) origin: &'a str,
    pub(crate) mistakes: &'m mut Vec<Mistake>,
}

impl<'a> Reader<'a, '_> {
    /// One value that parses from text.
    pub(crate) fn take<T: FromStr<Err = ValueError>>(&mut self, key: &str) -> Option<T> {
        self.take_as(key, str::parse)
    }

    /// One value, by a function.
    pub(crate) fn take_as<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Option<T> {
        let (value, entry) = self.value(key)?;
        match parse(&value) {
            Ok(value) => Some(value),
            Err(mut error) => {
                if [" #", " ;", "\t#", "\t;"]
                    .iter()
                    .any(|comment| value.contains(comment))
                {
                    error.hint = Some("a comment stands on a line of its own".to_owned());
                }
                self.mistake(entry, error);
                None
            }
        }
    }

    /// The items of a list; each item's mistake is its own.
    pub(crate) fn take_all<T>(
        &mut self,
        key: &str,
        separator: impl Fn(char) -> bool,
        parse: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Vec<T> {
        let Some((value, entry)) = self.value(key) else {
            return Vec::new();
        };
        let items = value.split(|c| c == '\n' || separator(c)).map(str::trim);
        let mut found = Vec::new();
        for item in items.filter(|item| !item.is_empty()) {
            match parse(item) {
                Ok(item) => found.push(item),
                Err(error) => self.mistake(entry, error),
            }
        }
        found
    }

    pub(crate) fn emails(&mut self, key: &str) -> Vec<String> {
        self.take_all(key, |c| c == ';' || c == ',', text::email)
    }

    pub(crate) fn nvrs(&mut self, key: &str) -> Vec<Nvr> {
        self.take_all(key, |c| c == ';', str::parse)
    }

    pub(crate) fn build_ids(&mut self, key: &str) -> Vec<BuildId> {
        self.take_all(key, |c| c == ';', str::parse)
    }

    /// A list whose items are separated by `;`.
    pub(crate) fn list<T: FromStr<Err = ValueError>>(&mut self, key: &str) -> Vec<T> {
        self.take_all(key, |c| c == ';', str::parse)
    }

    pub(crate) fn packages(&mut self, key: &str) -> Vec<Package> {
        self.take_all(
            key,
            |c| c == ';' || c == ',' || c.is_whitespace(),
            str::parse,
        )
    }

    pub(crate) fn groups(&mut self, key: &str) -> Vec<Package> {
        self.take_all(
            key,
            |c| c == ';' || c == ',' || c.is_whitespace(),
            Package::group,
        )
    }

    /// Reads a value only to find its mistakes.
    pub(crate) fn check(&mut self, key: &str, kind: Kind) {
        match kind {
            Kind::Type => drop(self.take::<ImageType>(key)),
            Kind::Arch => drop(self.take::<Arch>(key)),
            Kind::Release => drop(self.take::<Release>(key)),
            Kind::Staging => drop(self.list::<Address>(key)),
            Kind::Emails => drop(self.emails(key)),
            Kind::Text => drop(self.take_as(key, text::text)),
            Kind::Word => drop(self.take_as(key, text::word)),
            Kind::Label => drop(self.take_as(key, text::label)),
            Kind::Flag => drop(self.take_as(key, text::flag)),
            Kind::Folder => drop(self.take_as(key, text::folder)),
            Kind::File => drop(self.take_as(key, text::file)),
            Kind::Location => drop(self.take::<Location>(key)),
            Kind::Proxy => drop(self.take::<Proxy>(key)),
            Kind::Link => drop(self.take_as(key, text::link)),
            Kind::Nvrs => drop(self.nvrs(key)),
            Kind::BuildIds => drop(self.build_ids(key)),
            Kind::Tags => drop(self.list::<Tag>(key)),
            Kind::Updates => drop(self.list::<UpdateId>(key)),
            Kind::SigKeys => drop(self.list::<SigKey>(key)),
            Kind::RequireLanded => drop(self.take::<RequireLanded>(key)),
            Kind::Packages => drop(self.packages(key)),
            Kind::Groups => drop(self.groups(key)),
            Kind::Stages => drop(self.take::<Stages>(key)),
            Kind::Backend => drop(self.take::<Backend>(key)),
            Kind::Compression => drop(self.take::<Compression>(key)),
            Kind::RootFs => drop(self.take::<RootFs>(key)),
            Kind::BootTest => drop(self.take::<BootTest>(key)),
            Kind::Timeout => drop(self.take::<Timeout>(key)),
        }
    }

    /// The expanded text of a key, if it is given and fit to be looked at.
    fn value(&mut self, key: &str) -> Option<(String, &'a Entry)> {
        let entry = self.view.entry(key)?;
        let kind = Key::find(key)?.kind;
        match self
            .expanded(entry)
            .and_then(|text| plain(&text, entry.list, kind).map(|()| text))
        {
            Ok(text) => {
                let text = text.trim();
                (!text.is_empty()).then(|| (text.to_owned(), entry))
            }
            Err(error) => {
                self.mistake(entry, error);
                None
            }
        }
    }

    fn expanded(&self, entry: &'a Entry) -> Result<String, ValueError> {
        let look_up = |key: &str| self.view.entry(key).map(|entry| entry.value.as_str());
        let keys: Vec<&str> = self.view.keys().into_iter().collect();
        interpolate::expand(&entry.value, &look_up, &keys)
    }

    /// Reports a mistake at the place where the value was written.
    pub(crate) fn mistake(&mut self, entry: &Entry, error: ValueError) {
        self.mistakes.push(mistake_at(self.origin, entry, error));
    }
}

/// A mistake at the place of an entry.
pub(crate) fn mistake_at(origin: &str, entry: &Entry, error: ValueError) -> Mistake {
    let mut mistake = Mistake::new(origin, error)
        .at(entry.line)
        .in_section(Some(&entry.section))
        .of_key(&entry.key);
    if let Some(text) = &entry.set_by {
        mistake.origin = Origin::Set(text.clone());
    }
    mistake
}

/// Whether a text may be a value of this kind at all: nothing in it may pass for an option or for
/// a line of another file.
fn plain(text: &str, list: bool, kind: Kind) -> Result<(), ValueError> {
    let text = text.trim();
    if list && !kind.is_list() {
        return Err(ValueError::new("the value is a list", "expected one value"));
    }
    if !kind.is_list() && text.contains(['\n', '\r']) {
        return Err(ValueError::new(
            "the value runs over several lines",
            "write it on one line; an indented line continues the value above it",
        ));
    }
    if !kind.is_list() && text.len() > LONGEST {
        return Err(ValueError::new(
            format!("the value is longer than {LONGEST} bytes"),
            "write a shorter one",
        ));
    }
    let legal = |c: char| !c.is_control() || (kind.is_list() && matches!(c, '\n' | '\r' | '\t'));
    if let Some(bad) = text.chars().find(|c| !legal(*c)) {
        return Err(ValueError::new(
            format!(
                "the value holds the control character U+{:04X}",
                u32::from(bad)
            ),
            "delete it",
        ));
    }
    if !kind.takes_dash() && text.starts_with('-') {
        let first = match kind.is_list() {
            true => text.split(['\n', ';']).next().unwrap_or(text).trim(),
            false => text,
        };
        return Err(ValueError::new(
            format!("{} begins with \"-\"", quoted(&hidden(first))),
            "options may not be given here",
        ));
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    if text.len() > 1 && quote.is_some_and(|quote| text.ends_with(quote)) {
        return Err(ValueError::new(
            "the value begins and ends with a quote beside other quotes",
            "leave the outer quotes out",
        ));
    }
    Ok(())
}

/// The section's known entries and those of `[DEFAULT]`.
#[derive(Debug, Default)]
pub(crate) struct Tables([Entries; 4]);

impl Tables {
    pub(crate) fn of(&self, section: Section) -> &Entries {
        &self.0[section as usize]
    }

    pub(crate) fn of_mut(&mut self, section: Section) -> &mut Entries {
        &mut self.0[section as usize]
    }

    pub(crate) fn view(&self, section: Section) -> View<'_> {
        View {
            own: self.of(section),
            default: self.of(Section::Default),
        }
    }
}
