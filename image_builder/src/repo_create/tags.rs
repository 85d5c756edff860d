//! What a header says under its tags, read where it stands: nothing is decoded or copied that
//! nobody asks for.
//!
//! The format: <https://rpm-software-management.github.io/rpm/manual/format_v4.html>; the tags:
//! <https://rpm-software-management.github.io/rpm/manual/tags.html>. No length or offset is
//! believed here either, but [`super::header::check`] names what is wrong with it.

use std::borrow::Cow;

use super::fault::RpmFault;
use super::header::{ENTRY, INTRO, LEAD, Layout};

/// The types that an entry may have.
const STRING: u32 = 6;
const STRINGS: u32 = 8;
const TRANSLATED: u32 = 9;

/// In what the strings of a header are written, if it says so.
const ENCODING: u32 = 5062;

/// A header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tags<'a> {
    index: &'a [[u8; ENTRY]],
    store: &'a [u8],
    /// It promises to have no other strings than those.
    utf8: bool,
}

/// What the index says of a tag.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    tag: u32,
    kind: u32,
    count: usize,
    /// From where its data begins to the end of all data.
    data: &'a [u8],
}

impl<'a> Tags<'a> {
    /// The signature header of an RPM that begins with `head`.
    pub(super) fn of_signature(head: &'a [u8]) -> Result<Self, RpmFault> {
        Self::at(head, LEAD)
    }

    /// The main header.
    pub(super) fn of_header(head: &'a [u8], layout: Layout) -> Result<Self, RpmFault> {
        Self::at(head, layout.header)
    }

    fn at(head: &'a [u8], start: usize) -> Result<Self, RpmFault> {
        let read = || {
            let (intro, rest) = head.get(start..)?.split_at_checked(INTRO)?;
            let [entries, length] = [8, 12].map(|at| word(intro, at) as usize);
            let (index, rest) = rest.split_at_checked(entries.checked_mul(ENTRY)?)?;
            Some((index.as_chunks().0, rest.get(..length)?))
        };
        let (index, store) = read().ok_or_else(|| fault("it is cut off"))?;
        let mut tags = Self {
            index,
            store,
            utf8: false,
        };
        tags.utf8 = tags
            .find(ENCODING)
            .is_some_and(|it| it.kind == STRING && it.data.starts_with(b"utf-8\0"));
        Ok(tags)
    }

    fn find(&self, tag: u32) -> Option<Entry<'a>> {
        let wanted = tag.to_be_bytes();
        let entry = self.index.iter().find(|entry| entry[..4] == wanted)?;
        Some(Entry {
            tag,
            kind: word(entry, 4),
            count: word(entry, 12) as usize,
            data: self.store.get(word(entry, 8) as usize..)?,
        })
    }

    /// The bytes of all that it says.
    pub(super) fn size(&self) -> usize {
        self.index.len() * ENTRY + self.store.len()
    }

    /// Whether there is anything under `tag`.
    pub(super) fn has(&self, tag: u32) -> bool {
        self.find(tag).is_some()
    }

    /// The one string under `tag`.
    pub(super) fn string(&self, tag: u32) -> Result<Cow<'a, str>, RpmFault> {
        let entry = self.find(tag).ok_or_else(|| absent(tag))?;
        match entry.kind {
            STRING => self.first(entry),
            STRINGS if entry.count == 1 => self.first(entry),
            _ => Err(entry.unexpected()),
        }
    }

    /// The string under `tag`, of its translations the first, which is not translated.
    pub(super) fn translated(&self, tag: u32) -> Result<Cow<'a, str>, RpmFault> {
        let entry = self.find(tag).ok_or_else(|| absent(tag))?;
        match entry.kind {
            STRING | TRANSLATED => self.first(entry),
            _ => Err(entry.unexpected()),
        }
    }

    fn first(&self, entry: Entry<'a>) -> Result<Cow<'a, str>, RpmFault> {
        let mut strings = Strings {
            left: 1,
            utf8: self.utf8,
            tag: entry.tag,
            data: entry.data,
        };
        strings.next().unwrap_or_else(|| Err(absent(entry.tag)))
    }

    /// The strings under `tag`, if it is there.
    pub(super) fn strings(&self, tag: u32) -> Result<Option<Strings<'a>>, RpmFault> {
        let Some(entry) = self.find(tag) else {
            return Ok(None);
        };
        let left = match entry.kind {
            STRING => 1,
            STRINGS | TRANSLATED => entry.count,
            _ => return Err(entry.unexpected()),
        };
        Ok(Some(Strings {
            left,
            utf8: self.utf8,
            tag,
            data: entry.data,
        }))
    }

    /// The numbers of `N` bytes under `tag`, the first byte of each the highest, if it is there.
    pub(super) fn numbers<const N: usize>(
        &self,
        tag: u32,
    ) -> Result<Option<&'a [[u8; N]]>, RpmFault> {
        let Some(entry) = self.find(tag) else {
            return Ok(None);
        };
        let size = match entry.kind {
            3 => 2,
            4 => 4,
            5 => 8,
            _ => 0,
        };
        if size != N {
            return Err(entry.unexpected());
        }
        let data = entry
            .count
            .checked_mul(N)
            .and_then(|it| entry.data.get(..it));
        match data {
            Some(data) => Ok(Some(data.as_chunks().0)),
            None => Err(entry.cut()),
        }
    }

    /// The first number of 32 bits under `tag`.
    pub(super) fn u32(&self, tag: u32) -> Option<u32> {
        let numbers = self.numbers(tag).ok()??;
        numbers.first().map(|it| u32::from_be_bytes(*it))
    }

    /// The first number of 64 bits under `tag`.
    pub(super) fn u64(&self, tag: u32) -> Option<u64> {
        let numbers = self.numbers(tag).ok()??;
        numbers.first().map(|it| u64::from_be_bytes(*it))
    }
}

impl Entry<'_> {
    fn unexpected(&self) -> RpmFault {
        fault(&format!("tag {} has type {}", self.tag, self.kind))
    }

    fn cut(&self) -> RpmFault {
        fault(&format!("tag {} is cut off", self.tag))
    }
}

/// Strings that stand behind each other, each ended by a zero.
#[derive(Debug, Clone)]
pub(super) struct Strings<'a> {
    left: usize,
    utf8: bool,
    tag: u32,
    data: &'a [u8],
}

impl<'a> Iterator for Strings<'a> {
    type Item = Result<Cow<'a, str>, RpmFault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let Some(end) = self.data.iter().position(|byte| *byte == 0) else {
            return Some(Err(fault(&format!("tag {} is cut off", self.tag))));
        };
        let (string, rest) = self.data.split_at(end);
        self.data = &rest[1..];
        Some(match std::str::from_utf8(string) {
            Ok(string) => Ok(Cow::Borrowed(string)),
            Err(_) if self.utf8 => Err(fault(&format!("tag {} is not UTF-8", self.tag))),
            // Whatever a builder of old had in mind.
            Err(_) => Ok(String::from_utf8_lossy(string)),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Strings<'_> {}

/// That a header lacks what it must have.
pub(super) fn absent(tag: u32) -> RpmFault {
    fault(&format!("tag {tag} is absent"))
}

/// That what a header says makes no sense.
pub(super) fn fault(problem: &str) -> RpmFault {
    RpmFault::Parse(problem.to_owned())
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |word, byte| word << 8 | u32::from(*byte))
}
