//! Extended attributes, among them the capabilities of programs.

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Image;
use super::compressor::Compressor;
use super::metadata::{Metadata, too_large};
use super::table::{self, NONE_U64};

/// One attribute: the kind of its name, the rest of that, and its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Xattr {
    kind: u16,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// The names that SquashFS can store begin with these. Others, as those of access lists, are left out.
const KINDS: [(&str, u16); 3] = [("user.", 0), ("trusted.", 1), ("security.", 2)];

/// The sets of attributes that files have, each once.
#[derive(Debug, Default)]
pub(super) struct Xattrs {
    sets: Vec<Vec<Xattr>>,
    known: HashMap<Vec<Xattr>, u32>,
}

impl Xattrs {
    /// The number of a set; none if it is empty.
    pub(super) fn add(&mut self, set: Vec<Xattr>) -> io::Result<Option<u32>> {
        if set.is_empty() {
            return Ok(None);
        }
        if let Some(number) = self.known.get(&set) {
            return Ok(Some(*number));
        }
        let number = u32::try_from(self.sets.len()).map_err(|_| too_large("attributes"))?;
        self.sets.push(set.clone());
        self.known.insert(set, number);
        Ok(Some(number))
    }
}

/// The attributes of a file, or of a link itself, by name.
pub(super) fn read(path: &Path) -> io::Result<Vec<Xattr>> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        // The file system has none.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for full in names {
        let kind = (KINDS.iter()).find_map(|(prefix, kind)| {
            let name = full.as_bytes().strip_prefix(prefix.as_bytes())?;
            Some((*kind, name.to_owned()))
        });
        if let Some((kind, name)) = kind
            && let Some(value) = xattr::get(path, &full)?
        {
            found.push(Xattr { kind, name, value });
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Writes all sets, and gives where their table is.
pub(super) fn write(
    xattrs: &Xattrs,
    out: &mut Image<'_>,
    with: &mut Compressor,
) -> io::Result<u64> {
    if xattrs.sets.is_empty() {
        return Ok(NONE_U64);
    }
    let mut pairs = Metadata::default();
    let mut sets = Vec::new();
    for set in &xattrs.sets {
        let place = pairs.place()?;
        let mut bytes = Vec::new();
        for one in set {
            let length = u16::try_from(one.name.len()).map_err(|_| too_large("a name"))?;
            let size = u32::try_from(one.value.len()).map_err(|_| too_large("an attribute"))?;
            bytes.extend(one.kind.to_le_bytes());
            bytes.extend(length.to_le_bytes());
            bytes.extend_from_slice(&one.name);
            bytes.extend(size.to_le_bytes());
            bytes.extend_from_slice(&one.value);
        }
        pairs.write(&bytes, with)?;
        let number = |length: usize| u32::try_from(length).map_err(|_| too_large("attributes"));
        sets.extend(place.reference().to_le_bytes());
        sets.extend(number(set.len())?.to_le_bytes());
        sets.extend(number(bytes.len())?.to_le_bytes());
    }
    let pairs_at = out.at;
    out.append(&pairs.finish(with)?)?;
    let blocks = table::write_blocks(out, with, &sets)?;
    let at = out.at;
    let count = u32::try_from(xattrs.sets.len()).map_err(|_| too_large("attributes"))?;
    let mut head = Vec::from(pairs_at.to_le_bytes());
    head.extend(count.to_le_bytes());
    head.extend(0_u32.to_le_bytes());
    out.append(&head)?;
    out.append(&blocks)?;
    Ok(at)
}
