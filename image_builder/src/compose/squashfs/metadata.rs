//! Metadata: what is known of files, in blocks of 8 KiB that are compressed each by itself.

use std::io;

use super::compressor::Compressor;

/// Bytes of metadata that are compressed together.
pub(super) const BLOCK: usize = 8192;

/// In a block's header: it is stored as it is.
const PLAIN: u16 = 0x8000;

/// Where something is in metadata: the block, counted in bytes from the first one's header, and the byte in what is
/// unpacked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) block: u32,
    pub(super) offset: u16,
}

impl Place {
    /// As inodes and attributes are referred to.
    pub(super) fn reference(self) -> u64 {
        u64::from(self.block) << 16 | u64::from(self.offset)
    }
}

/// Metadata that grows.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    packed: Vec<u8>,
    open: Vec<u8>,
}

impl Metadata {
    /// Where what is written next will be.
    pub(super) fn place(&self) -> io::Result<Place> {
        Ok(Place {
            block: u32::try_from(self.packed.len()).map_err(|_| too_large("metadata"))?,
            // Less than a block.
            offset: u16::try_from(self.open.len()).unwrap_or_default(),
        })
    }

    pub(super) fn write(&mut self, mut bytes: &[u8], with: &mut Compressor) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = BLOCK - self.open.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.open.extend_from_slice(now);
            bytes = later;
            if self.open.len() == BLOCK {
                self.close(with)?;
            }
        }
        Ok(())
    }

    fn close(&mut self, with: &mut Compressor) -> io::Result<()> {
        block(&self.open, with, &mut self.packed)?;
        self.open.clear();
        Ok(())
    }

    /// All of it.
    pub(super) fn finish(mut self, with: &mut Compressor) -> io::Result<Vec<u8>> {
        if !self.open.is_empty() {
            self.close(with)?;
        }
        Ok(self.packed)
    }
}

/// Appends a block of at most [`BLOCK`] bytes.
pub(super) fn block(bytes: &[u8], with: &mut Compressor, out: &mut Vec<u8>) -> io::Result<()> {
    match with.compress(bytes)? {
        Some(packed) => {
            out.extend(header(packed, 0));
            out.extend_from_slice(packed);
        }
        None => plain(bytes, out),
    }
    Ok(())
}

/// Appends a block as it is.
pub(super) fn plain(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(header(bytes, PLAIN));
    out.extend_from_slice(bytes);
}

fn header(stored: &[u8], flag: u16) -> [u8; 2] {
    // At most 8 KiB.
    (u16::try_from(stored.len()).unwrap_or_default() | flag).to_le_bytes()
}

/// SquashFS has no more of it.
pub(super) fn too_large(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("SquashFS does not hold so much: {what}"),
    )
}
