//! The files of a disc with their rights and times, from its directory records.
//!
//! The records are ECMA-119, 9.1; rights, names, links and times are in their system use areas, by
//! SUSP 1.12 and RRIP 1.12 (IEEE P1281 and P1282).

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::super::volume::SECTOR;
use super::listing::{Facts, Listing};

/// A directory that is larger is not read, in bytes.
const LARGEST: u32 = 64 << 20;

/// More continuations of one record than this are not followed.
const LONGEST: usize = 64;

/// The files of the disc, by path; contents are not read.
pub(super) fn files(disc: &File) -> io::Result<Listing> {
    let mut descriptor = [0; 2048];
    disc.read_exact_at(&mut descriptor, 16 * SECTOR)?;
    let root = Record::parse(&descriptor[156..190]).ok_or(io::ErrorKind::InvalidData)?;
    let mut listing = Listing::new();
    let mut seen = HashSet::new();
    let mut folders = vec![(String::new(), root.block, root.size)];
    while let Some((path, block, size)) = folders.pop() {
        // A damaged disc may have a folder in itself.
        if size > LARGEST || !seen.insert(block) {
            continue;
        }
        let mut bytes = vec![0; size as usize];
        disc.read_exact_at(&mut bytes, u64::from(block) * SECTOR)?;
        for record in records(&bytes) {
            let mut node = Node::of(disc, &record);
            if record.is_dot() || node.relocated {
                continue;
            }
            let name = node.name.take().unwrap_or_else(|| record.plain_name());
            let path = match path.as_str() {
                "" => name,
                folder => format!("{folder}/{name}"),
            };
            if record.is_folder() || node.child.is_some() {
                folders.push((
                    path.clone(),
                    node.child.unwrap_or(record.block),
                    record.size,
                ));
            }
            let facts = node.facts(&record);
            // A file of several pieces has a record for each.
            listing
                .entry(path)
                .and_modify(|known: &mut Facts| known.size = add(known.size, facts.size))
                .or_insert(facts);
        }
    }
    Ok(listing)
}

fn add(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a? + b?)
}

/// A directory record.
struct Record<'a> {
    block: u32,
    size: u32,
    time: i64,
    flags: u8,
    name: &'a [u8],
    system_use: &'a [u8],
}

/// The records of a directory. None reaches over the end of a sector.
fn records(bytes: &[u8]) -> Vec<Record<'_>> {
    let mut found = Vec::new();
    for sector in bytes.chunks(2048) {
        let mut rest = sector;
        while let Some(record) = rest
            .first()
            .and_then(|length| rest.get(..usize::from(*length)))
        {
            let Some(parsed) = Record::parse(record) else {
                break;
            };
            found.push(parsed);
            rest = &rest[record.len()..];
        }
    }
    found
}

impl<'a> Record<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let name_length = usize::from(*bytes.get(32)?);
        // A byte of padding makes the length even.
        let end = 33 + name_length;
        Some(Self {
            block: u32_at(bytes, 2)?,
            size: u32_at(bytes, 10)?,
            time: time(bytes.get(18..25)?)?,
            flags: bytes[25],
            name: bytes.get(33..end)?,
            system_use: bytes.get(end.next_multiple_of(2)..).unwrap_or_default(),
        })
    }

    fn is_folder(&self) -> bool {
        self.flags & 2 != 0
    }

    /// The folder itself, or the one above.
    fn is_dot(&self) -> bool {
        matches!(self.name, [0] | [1])
    }

    /// `README.TXT;1` is `README.TXT`.
    fn plain_name(&self) -> String {
        let name = String::from_utf8_lossy(self.name);
        let name = name.split_once(';').map_or(name.as_ref(), |(name, _)| name);
        name.trim_end_matches('.').to_owned()
    }
}

/// What Rock Ridge adds to a record.
#[derive(Default)]
struct Node {
    name: Option<String>,
    mode: Option<u32>,
    owner: Option<(u32, u32)>,
    mtime: Option<i64>,
    target: Option<String>,
    /// The first block of a folder that lies elsewhere, because it is too deep.
    child: Option<u32>,
    /// It is such a folder, at the place where it lies.
    relocated: bool,
}

impl Node {
    fn of(disc: &File, record: &Record<'_>) -> Self {
        let mut node = Self::default();
        let mut area = record.system_use.to_owned();
        for _ in 0..LONGEST {
            let Some((block, offset, length)) = node.read(&area) else {
                break;
            };
            area = vec![0; length.min(2048) as usize];
            let at = u64::from(block) * SECTOR + u64::from(offset);
            if disc.read_exact_at(&mut area, at).is_err() {
                break;
            }
        }
        node
    }

    /// Takes in the entries of an area. Gives block, offset and length of the one that continues it.
    fn read(&mut self, mut area: &[u8]) -> Option<(u32, u32, u32)> {
        let mut continued = None;
        while let [a, b, length, _version, ..] = *area {
            let Some(entry) = area.get(4..usize::from(length)) else {
                break;
            };
            area = &area[usize::from(length)..];
            match &[a, b] {
                b"ST" => break,
                b"CE" => {
                    continued =
                        (|| Some((u32_at(entry, 0)?, u32_at(entry, 8)?, u32_at(entry, 16)?)))();
                }
                b"PX" => {
                    self.mode = u32_at(entry, 0);
                    self.owner = u32_at(entry, 16).zip(u32_at(entry, 24));
                }
                b"NM" if entry.first().is_some_and(|flags| flags & 6 == 0) => {
                    let part = String::from_utf8_lossy(&entry[1..]);
                    self.name.get_or_insert_default().push_str(&part);
                }
                b"SL" => self.add_target(entry),
                b"TF" => self.mtime = modified(entry),
                b"CL" => self.child = u32_at(entry, 0),
                b"RE" => self.relocated = true,
                _ => {}
            }
        }
        continued
    }

    /// The components of a link's target.
    fn add_target(&mut self, entry: &[u8]) {
        let target = self.target.get_or_insert_default();
        let mut rest = entry.get(1..).unwrap_or_default();
        while let [flags, length, ..] = *rest {
            let Some(text) = rest.get(2..2 + usize::from(length)) else {
                return;
            };
            rest = &rest[2 + text.len()..];
            match flags & 0b1110 {
                2 => target.push('.'),
                4 => target.push_str(".."),
                8 => {}
                _ => target.push_str(&String::from_utf8_lossy(text)),
            }
            // Bit 0: the component goes on in the next.
            if flags & 1 == 0 {
                target.push('/');
            }
        }
    }

    fn facts(self, record: &Record<'_>) -> Facts {
        let kind = match record.is_folder() {
            true => 0o040_000,
            false => 0o100_000,
        };
        let is_file = self.mode.unwrap_or(kind) & 0o170_000 == 0o100_000;
        let target = self.target.map(|path| match path.as_str() {
            "/" => path,
            _ => path.strip_suffix('/').unwrap_or(&path).to_owned(),
        });
        Facts {
            mode: self.mode,
            owner: self.owner,
            mtime: Some(self.mtime.unwrap_or(record.time)),
            size: is_file.then_some(record.size.into()),
            target,
            ..Facts::default()
        }
    }
}

/// The time of modification in a `TF` entry: behind that of creation, if it has one.
fn modified(entry: &[u8]) -> Option<i64> {
    let flags = *entry.first()?;
    let (has_creation, has_modification, long) = (flags & 1 != 0, flags & 2 != 0, flags & 128 != 0);
    // The long form is for times that no image of today has.
    if !has_modification || long {
        return None;
    }
    let at = 1 + if has_creation { 7 } else { 0 };
    time(entry.get(at..at + 7)?)
}

/// Years since 1900, month, day, hour, minute, second, and quarters of an hour east of Greenwich.
fn time(bytes: &[u8]) -> Option<i64> {
    let [year, month, day, hour, minute, second, zone] = *bytes else {
        return None;
    };
    let signed = |byte: u8| i8::try_from(byte).ok();
    let date = jiff::civil::DateTime::new(
        1900 + i16::from(year),
        signed(month)?,
        signed(day)?,
        signed(hour)?,
        signed(minute)?,
        signed(second)?,
        0,
    );
    // A disc without times has zeros.
    let Ok(date) = date else { return Some(0) };
    let utc = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    let east = i64::from(i8::from_le_bytes([zone])) * 15 * 60;
    Some(utc.timestamp().as_second() - east)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}
