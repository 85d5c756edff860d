//! Blocks of images that were packed before, by what is in them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use sha2::{Digest, Sha256};

/// A block's name: a SHA-256 that tells what is in it.
pub(super) type Name = [u8; 32];

/// What the SHA-256 begins with, so that no bytes of a file are taken for a list of files.
const BYTES: [u8; 1] = [0];
const FILES: [u8; 1] = [1];

/// The name of a block by the bytes in it, before they are compressed.
pub(super) fn named_by_bytes(bytes: &[u8]) -> Name {
    Sha256::new_with_prefix(BYTES)
        .chain_update(bytes)
        .finalize()
        .into()
}

/// Begins the name of a block of small files, which is made of their names and sizes.
pub(super) fn named_by_files() -> Sha256 {
    Sha256::new_with_prefix(FILES)
}

/// In what is stored of a block: it is not compressed.
pub(super) const PLAIN: u32 = 1 << 24;

/// Bytes that a block takes in an image, of its size as it is stored there.
pub(super) fn length(stored: u32) -> usize {
    (stored & !PLAIN) as usize
}

/// Which blocks an image has, in the order in which they lie in it.
#[derive(Debug, Default)]
pub(super) struct Index(Vec<Entry>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    name: Name,
    at: u64,
    stored: u32,
}

/// Bytes of an entry, and what a file of them begins with.
const ENTRY: usize = 44;
const HEAD: &[u8] = b"fbs blocks 1\n";

impl Index {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, name: Name, at: u64, stored: u32) {
        self.0.push(Entry { name, at, stored });
    }

    /// Forgets all but the first.
    pub(super) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEAD.len() + self.0.len() * ENTRY);
        bytes.extend_from_slice(HEAD);
        for entry in &self.0 {
            bytes.extend_from_slice(&entry.name);
            bytes.extend(entry.at.to_le_bytes());
            bytes.extend(entry.stored.to_le_bytes());
        }
        fs::write(path, bytes)
    }

    /// What [`save`](Self::save) wrote of an image of `size` bytes.
    fn load(path: &Path, size: u64) -> io::Result<Vec<Entry>> {
        let bytes = fs::read(path)?;
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not a list of blocks");
        let entries = bytes.strip_prefix(HEAD).ok_or_else(wrong)?;
        let (entries, rest) = entries.as_chunks::<ENTRY>();
        let mut found = Vec::with_capacity(entries.len());
        for entry in entries {
            let (name, numbers) = entry.split_at(32);
            let (at, stored) = numbers.split_at(8);
            let entry = Entry {
                name: name.try_into().map_err(|_| wrong())?,
                at: u64::from_le_bytes(at.try_into().map_err(|_| wrong())?),
                stored: u32::from_le_bytes(stored.try_into().map_err(|_| wrong())?),
            };
            let end = entry.at.checked_add(length(entry.stored) as u64);
            if end.is_none_or(|end| end > size) {
                return Err(wrong());
            }
            found.push(entry);
        }
        match rest {
            [] => Ok(found),
            _ => Err(wrong()),
        }
    }
}

/// Blocks that need not be compressed again.
#[derive(Debug, Default)]
pub struct KnownBlocks {
    images: Vec<File>,
    blocks: HashMap<Name, (usize, u64, u32)>,
}

impl KnownBlocks {
    /// Adds those of an image that was packed with the same method and size of blocks, by what
    /// [`pack`](super::pack) wrote beside it.
    ///
    /// # Errors
    ///
    /// The operating system's; [`io::ErrorKind::InvalidData`] when `index` is of something else. Nothing is added then.
    pub fn add(&mut self, image: &Path, index: &Path) -> io::Result<()> {
        let image = File::open(image)?;
        let entries = Index::load(index, image.metadata()?.len())?;
        let number = self.images.len();
        self.images.push(image);
        for entry in entries {
            let found = self.blocks.entry(entry.name);
            found.or_insert((number, entry.at, entry.stored));
        }
        Ok(())
    }

    /// A block as it is stored; none if it is not known.
    pub(super) fn read(&self, name: &Name) -> io::Result<Option<(Vec<u8>, u32)>> {
        let Some((image, at, stored)) = self.blocks.get(name) else {
            return Ok(None);
        };
        let mut bytes = vec![0; length(*stored)];
        self.images[*image].read_exact_at(&mut bytes, *at)?;
        Ok(Some((bytes, *stored)))
    }
}
