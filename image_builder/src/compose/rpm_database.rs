//! A root's package database without a history: the same packages give the same bytes, in whichever
//! order and transactions they came.

use std::path::{Path, PathBuf};

use super::ComposeError;
use super::root::below;
use crate::process::Invocation;

/// The files that a database leaves beside it while it is in use
/// (<https://www.sqlite.org/tempfiles.html>).
const BESIDE: [&str; 2] = ["-shm", "-wal"];

const FILE: &str = "rpmdb.sqlite";

/// Tags of a header that say when its package was installed, and in which transaction
/// (<https://rpm-software-management.github.io/rpm/manual/tags.html>).
const WHEN: [u32; 2] = [1008, 1128];

const NAME: [u32; 5] = [1000, 1001, 1002, 1003, 1022];

/// The database of a root, where it is one that can be written anew.
pub(crate) fn find(root: &Path, folder: &str) -> Option<PathBuf> {
    let path = below(root, folder.trim_start_matches('/'))?.join(FILE);
    path.is_file().then_some(path)
}

/// Writes the headers in the database of `root` to `to`. `home` has the `.rpmmacros` of the release.
pub(crate) fn export(root: &Path, home: &Path, to: &Path) -> Invocation {
    shell(home, r#"exec rpmdb --root "$1" --exportdb >"$2""#)
        .path(root)
        .path(to)
}

/// Makes a database of the headers in `from`, in the empty folder `to`.
pub(crate) fn import(home: &Path, from: &Path, to: &Path) -> Invocation {
    shell(home, r#"exec rpmdb --dbpath "$2" --importdb <"$1""#)
        .path(from)
        .path(to)
}

fn shell(home: &Path, script: &str) -> Invocation {
    Invocation::new("sh")
        .args(["-c", script, "sh"])
        .env("HOME", home.to_string_lossy())
        .env("LC_ALL", "C.UTF-8")
}

/// Puts the database in the folder `from` into the place of `database`.
pub(crate) fn replace(database: &Path, from: &Path) -> Result<(), ComposeError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| ComposeError::Io { path, source }
    };
    let fresh = from.join(FILE);
    std::fs::copy(&fresh, database).map_err(at(&fresh))?;
    for end in BESIDE {
        let path = database.with_file_name(format!("{FILE}{end}"));
        super::files::remove(&path).map_err(at(&path))?;
    }
    Ok(())
}

/// `headers`, one behind the other as rpm exports them, sorted by name and dated `seconds`; `None`
/// when they are something else.
pub(crate) fn without_history(headers: &[u8], seconds: u32) -> Option<Vec<u8>> {
    let mut sorted: Vec<(Vec<Vec<u8>>, Vec<u8>)> = Vec::new();
    let mut rest = headers;
    while !rest.is_empty() {
        let length = Header::length(rest)?;
        let mut header = Header(rest.get(..length)?.to_vec());
        for tag in WHEN {
            header.set(tag, seconds);
        }
        let name = NAME.iter().map(|&tag| header.text(tag)).collect();
        sorted.push((name, header.0));
        rest = rest.get(length..)?;
    }
    sorted.sort();
    Some(sorted.into_iter().flat_map(|(_, header)| header).collect())
}

/// A header with its magic number
/// (<https://rpm-software-management.github.io/rpm/manual/format_header.html>).
struct Header(Vec<u8>);

impl Header {
    const MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
    const HEAD: usize = 16;
    const ENTRY: usize = 16;

    /// The length of the header at the beginning of `bytes`.
    fn length(bytes: &[u8]) -> Option<usize> {
        if !bytes.starts_with(&Self::MAGIC) {
            return None;
        }
        let entries = word(bytes, 8)? as usize;
        let data = word(bytes, 12)? as usize;
        entries
            .checked_mul(Self::ENTRY)?
            .checked_add(data)?
            .checked_add(Self::HEAD)
    }

    /// Where the data of `tag` begins.
    fn place(&self, tag: u32) -> Option<usize> {
        let entries = word(&self.0, 8)? as usize;
        let data = Self::HEAD + entries * Self::ENTRY;
        let mut each = (0..entries).map(|number| Self::HEAD + number * Self::ENTRY);
        let entry = each.find(|&entry| word(&self.0, entry) == Some(tag))?;
        data.checked_add(word(&self.0, entry + 8)? as usize)
    }

    fn set(&mut self, tag: u32, value: u32) {
        if let Some(place) = self.place(tag)
            && let Some(bytes) = self.0.get_mut(place..place + 4)
        {
            bytes.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// The bytes of `tag` up to the first zero; none for one that is not there.
    fn text(&self, tag: u32) -> Vec<u8> {
        let from = self.place(tag).and_then(|place| self.0.get(place..));
        let bytes = from.unwrap_or_default().iter();
        bytes.take_while(|&&byte| byte != 0).copied().collect()
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with a name and a time.
    fn header(name: &str, time: u32) -> Vec<u8> {
        let mut bytes = Header::MAGIC.to_vec();
        let data = [&time.to_be_bytes()[..], name.as_bytes(), &[0]].concat();
        bytes.extend([0; 4]);
        bytes.extend(2_u32.to_be_bytes());
        bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        for (tag, kind, offset) in [(1000_u32, 6_u32, 4_u32), (1008, 4, 0)] {
            for word in [tag, kind, offset, 1] {
                bytes.extend(word.to_be_bytes());
            }
        }
        bytes.extend(data);
        bytes
    }

    #[test]
    fn order_and_times_are_gone() {
        let one = [header("b", 5), header("a", 6)].concat();
        let other = [header("a", 7), header("b", 8)].concat();
        let expected = [header("a", 9), header("b", 9)].concat();
        assert_eq!(without_history(&one, 9), Some(expected.clone()));
        assert_eq!(without_history(&other, 9), Some(expected));
        assert_eq!(without_history(&[], 9), Some(Vec::new()));
    }

    #[test]
    fn rubbish_is_refused_and_harms_nobody() {
        let good = header("a", 1);
        for end in 1..good.len() {
            assert_eq!(without_history(&good[..end], 9), None);
        }
        for at in 0..good.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = byte;
                let _ = without_history(&bad, 9);
            }
        }
    }
}
