//! The bounds of an RPM's headers, checked before anything else reads them.
//!
//! The `rpm` crate trusts what an index says: one wrong byte makes it panic, or ask for 28 GB and
//! abort the process. So every offset, count and length is checked here first, as librpm does in
//! [`hdrblobVerifyInfo`](https://github.com/rpm-software-management/rpm/blob/rpm-4.20.x/lib/header.cc).
//! What repodata needs is then read by [`super::tags`], without that crate.
//! The format: <https://rpm-software-management.github.io/rpm/manual/format_v4.html>.

use super::fault::RpmFault;

/// Bytes of the lead, the fixed block that a file begins with.
pub(super) const LEAD: usize = 96;

/// Bytes of a header before its index.
pub(super) const INTRO: usize = 16;

/// Bytes of an index entry.
pub(super) const ENTRY: usize = 16;

/// What a header begins with: magic, version 1, four reserved bytes.
const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];

/// The smallest tag that an entry may have; those below are regions.
const FIRST_TAG: u32 = 100;

/// `RPMTAG_HEADERIMMUTABLE`: the entry that a main header begins with.
const IMMUTABLE: u32 = 63;

/// The type of a region's entry: bytes.
const BINARY: u32 = 7;

/// What one of the two headers may be, as in librpm, but for the largest main header: 256 MiB
/// there, and the largest of Fedora has about 20 MiB.
struct Limits {
    part: &'static str,
    entries: usize,
    data: usize,
}

const SIGNATURE: Limits = Limits {
    part: "its signature header",
    entries: 32,
    data: 64 << 20,
};

const MAIN: Limits = Limits {
    part: "its header",
    entries: 65_535,
    data: 96 << 20,
};

/// Where the parts of an RPM begin, in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// The main header.
    pub(super) header: usize,
    /// The payload: the end of the main header.
    pub(super) payload: usize,
}

/// What the beginning of a file tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// This many bytes from the start are needed to say more.
    Needs(usize),
    /// Both headers are there, and no index leads out of them.
    Sound(Layout),
}

/// Checks as much of an RPM's lead and headers as `head`, the file's first bytes, holds.
///
/// Call it again with at least as many bytes as it says it needs; begin with none.
pub(super) fn check(head: &[u8]) -> Result<Head, RpmFault> {
    let Some(lead) = head.get(..LEAD) else {
        return Ok(Head::Needs(LEAD));
    };
    // Magic, then the format's major version; the rest of the lead is unused nowadays.
    if lead[..4] != [0xed, 0xab, 0xee, 0xdb] || !matches!(lead[4], 3 | 4) {
        return Err(RpmFault::NotAnRpm {
            begins: printable(&lead[..24]),
        });
    }
    let signature = match region(head, LEAD, &SIGNATURE)? {
        Region::Needs(count) => return Ok(Head::Needs(count)),
        Region::Sound { end } => end,
    };
    let header = signature.next_multiple_of(8);
    match region(head, header, &MAIN)? {
        Region::Needs(count) => Ok(Head::Needs(count)),
        Region::Sound { end } => Ok(Head::Sound(Layout {
            header,
            payload: end,
        })),
    }
}

/// Which part of an RPM is cut when a file ends after `head`, for which `check` needs more.
pub(super) fn part_at_end(head: &[u8]) -> &'static str {
    if head.len() < LEAD {
        return "its lead";
    }
    match region(head, LEAD, &SIGNATURE) {
        Ok(Region::Sound { .. }) => MAIN.part,
        _ => SIGNATURE.part,
    }
}

enum Region {
    Needs(usize),
    Sound { end: usize },
}

/// Checks the header that begins at `start`.
fn region(head: &[u8], start: usize, limits: &Limits) -> Result<Region, RpmFault> {
    let damaged = |problem: String| RpmFault::Header {
        part: limits.part,
        problem,
    };
    let Some(intro) = head.get(start..start + INTRO) else {
        return Ok(Region::Needs(start + INTRO));
    };
    if intro[..8] != MAGIC {
        return Err(damaged("it does not begin as a header does".to_owned()));
    }
    let (entries, data) = (word(intro, 8) as usize, word(intro, 12) as usize);
    if entries == 0 || entries > limits.entries {
        return Err(damaged(format!("{entries} entries")));
    }
    if data > limits.data {
        return Err(damaged(format!("{data} bytes of data")));
    }
    let index = start + INTRO;
    let store = index + entries * ENTRY;
    let end = store + data;
    let (Some(index), Some(store)) = (head.get(index..store), head.get(store..end)) else {
        return Ok(Region::Needs(end));
    };
    let mut used = 0;
    for (number, entry) in index.chunks_exact(ENTRY).enumerate() {
        let [tag, kind, offset, count] = [0, 4, 8, 12].map(|at| word(entry, at));
        let wrong = |what: &str| damaged(format!("entry {number} (tag {tag}) has {what}"));
        let (at, count) = (offset as usize, count as usize);
        if at > store.len() {
            return Err(wrong("its data outside of the header"));
        }
        if number == 0 && tag < FIRST_TAG {
            // The region: its data is a trailer of one entry's size, and stands at the end.
            if kind != BINARY || count != ENTRY || store.len() - at < ENTRY {
                return Err(wrong("no sound region"));
            }
            continue;
        }
        if number == 0 && limits.entries == MAIN.entries {
            return Err(damaged(format!("no region {IMMUTABLE} at its start")));
        }
        if tag < FIRST_TAG {
            return Err(wrong("a tag of no meaning"));
        }
        // In order and without overlap, or else a small header could stand for terabytes.
        if at < used {
            return Err(wrong("data that overlaps another's"));
        }
        let data = &store[at..];
        let length = match kind {
            // Nothing; characters and bytes; numbers of 16, 32 and 64 bits.
            0 => Some(0),
            1 | 2 | BINARY => Some(count),
            3 => count.checked_mul(2),
            4 => count.checked_mul(4),
            5 => count.checked_mul(8),
            // One string; a list of strings, and one of translations.
            6 if count != 1 => return Err(wrong("more than one string in place of one")),
            6 | 8 | 9 => strings(data, count),
            _ => return Err(wrong("a type of no meaning")),
        };
        let align = match kind {
            3 => 2,
            4 => 4,
            5 => 8,
            _ => 1,
        };
        if at % align != 0 {
            return Err(wrong("its data askew"));
        }
        match length {
            Some(length) if length <= data.len() && (count > 0 || kind == 0) => used = at + length,
            _ => return Err(wrong("its data outside of the header")),
        }
    }
    Ok(Region::Sound { end })
}

/// The length of `count` strings that each end with a zero, if they all do.
fn strings(data: &[u8], count: usize) -> Option<usize> {
    /// Bytes of which the zeros are counted at once, which is faster than to look for each.
    const SOME: usize = 64;
    let (mut length, mut left) = (0, count);
    for some in data.chunks(SOME) {
        let zeros: u8 = some.iter().map(|byte| u8::from(*byte == 0)).sum();
        let zeros = usize::from(zeros);
        if left <= zeros {
            break;
        }
        left -= zeros;
        length += some.len();
    }
    for byte in &data[length..] {
        if left == 0 {
            break;
        }
        left -= usize::from(*byte == 0);
        length += 1;
    }
    (left == 0).then_some(length)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |word, byte| word << 8 | u32::from(*byte))
}

fn printable(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}
