//! The files of an RPM, as repodata lists them.

use std::borrow::Cow;

use super::fault::RpmFault;
use super::tags::{self, Tags};
use super::xml::{self, Place};

const FILEMODES: u32 = 1030;
const FILEFLAGS: u32 = 1037;
const DIRINDEXES: u32 = 1116;
const BASENAMES: u32 = 1117;
pub(super) const DIRNAMES: u32 = 1118;

/// The part of a mode that says what a file is, and what it is for a folder.
const TYPE: u16 = 0o170_000;
const DIR: u16 = 0o040_000;

/// The flag of a file that belongs to a package and is not in it.
const GHOST: u32 = 1 << 6;

/// So many times the size of its header a list may have; real ones are smaller than the header. A file
/// names its folder in four bytes, so that a small header could stand for terabytes.
const LARGEST: usize = 64;

/// What `primary.xml` has of the files: those that packages are known to require by their paths.
#[derive(Debug, Default)]
pub(super) struct PrimaryFiles<'a> {
    dirs: Vec<Cow<'a, str>>,
    /// Each by the number of its folder, and its name there.
    files: Vec<(usize, Cow<'a, str>)>,
    /// Their elements.
    pub(super) xml: Vec<u8>,
}

impl PrimaryFiles<'_> {
    /// The folder, with its slash, and the name of each.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, &str)> {
        (self.files.iter()).map(|(dir, name)| (&*self.dirs[*dir], &**name))
    }
}

/// Appends the files' elements of `filelists.xml`.
pub(super) fn write<'a>(tags: &Tags<'a>, out: &mut Vec<u8>) -> Result<PrimaryFiles<'a>, RpmFault> {
    let mut primary = PrimaryFiles::default();
    let Some(modes) = tags.numbers::<2>(FILEMODES)? else {
        return Ok(primary);
    };
    let (names, places, dirs) = (
        tags.strings(BASENAMES)?,
        tags.numbers::<4>(DIRINDEXES)?,
        tags.strings(DIRNAMES)?,
    );
    let (names, places, dirs) = match (names, places, dirs) {
        (None, None, None) => return Ok(primary),
        (Some(names), Some(places), Some(dirs)) => (names, places, dirs),
        _ => return Err(tags::fault("its files have names without folders")),
    };
    let flags = tags.numbers::<4>(FILEFLAGS)?;
    let flags = flags.ok_or_else(|| tags::absent(FILEFLAGS))?;
    if [names.len(), places.len(), flags.len()] != [modes.len(); 3] {
        return Err(tags::fault("it says more of some files than of others"));
    }
    primary.dirs = dirs.collect::<Result<_, _>>()?;
    let limit = out.len() + LARGEST * tags.size();
    let whole: Vec<bool> = primary.dirs.iter().map(|dir| is_primary(dir)).collect();
    for (((name, place), mode), flags) in names.zip(places).zip(modes).zip(flags) {
        let (name, place) = (name?, u32::from_be_bytes(*place) as usize);
        let Some(dir) = primary.dirs.get(place) else {
            return Err(tags::fault("a file is in a folder that is not named"));
        };
        let start = out.len();
        out.extend_from_slice(match () {
            () if u16::from_be_bytes(*mode) & TYPE == DIR => b"  <file type=\"dir\">".as_slice(),
            () if u32::from_be_bytes(*flags) & GHOST != 0 => b"  <file type=\"ghost\">",
            () => b"  <file>",
        });
        for part in [dir, &name] {
            xml::push(out, part, Place::Element)
                .map_err(|_| tags::fault("a file's name has characters that no XML may have"))?;
        }
        out.extend_from_slice(b"</file>\n");
        if out.len() > limit {
            return Err(tags::fault("its folders have names of no sense"));
        }
        if whole[place] || is_primary_in(dir, &name) {
            primary.xml.extend_from_slice(b"  ");
            primary.xml.extend_from_slice(&out[start..]);
            primary.files.push((place, name));
        }
    }
    Ok(primary)
}

/// Whether all below `dir`, a folder with its slash, are among the files that `primary.xml` has, as
/// every program that writes repodata chooses them.
fn is_primary(dir: &str) -> bool {
    dir.starts_with("/etc/") || dir.contains("bin/")
}

/// Whether `name` is, in a folder of which not all are.
fn is_primary_in(dir: &str, name: &str) -> bool {
    // Only such names, none of which is usual, make it a matter of both.
    let both = name == "sendmail" || name.contains('/') || !dir.ends_with('/');
    both && {
        let path = format!("{dir}{name}");
        is_primary(&path) || path == "/usr/lib/sendmail"
    }
}
