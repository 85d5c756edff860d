//! Tables, and the superblock that says where they are.

use std::io;

use super::compressor::{Compressor, MachineCode, Method};
use super::metadata::{self, too_large};
use super::{Image, Options};

/// Bytes of the superblock.
pub(super) const SUPERBLOCK: u64 = 96;

/// Bytes of an entry in the table of fragments.
pub(super) const FRAGMENT: u64 = 16;

/// Bytes of an entry in the table of owners.
pub(super) const ID: u64 = 4;

/// No such table, fragment or attributes.
pub(super) const NONE_U32: u32 = u32::MAX;
pub(super) const NONE_U64: u64 = u64::MAX;

const MAGIC: u32 = 0x7371_7368;
const VERSION: (u16, u16) = (4, 0);

/// Equal files are stored once; inodes can be found by their numbers; the options of the method follow the superblock.
const FLAGS: u16 = 0x0040 | 0x0080 | 0x0400;

/// The superblock's fields that are not the same for all images.
#[derive(Debug)]
pub(super) struct Superblock {
    pub(super) inodes: u64,
    pub(super) fragments: u64,
    pub(super) ids: u64,
    /// The inode of the top folder.
    pub(super) root: u64,
    pub(super) size: u64,
    pub(super) id_table: u64,
    pub(super) xattr_table: u64,
    pub(super) inode_table: u64,
    pub(super) directory_table: u64,
    pub(super) fragment_table: u64,
    pub(super) export_table: u64,
}

impl Superblock {
    pub(super) fn bytes(&self, options: Options) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(SUPERBLOCK as usize);
        let method: u16 = match options.method {
            Method::Xz { .. } => 4,
            Method::Lz4 => 5,
            Method::Zstd { .. } => 6,
        };
        let log = u16::try_from(options.block_size.trailing_zeros()).unwrap_or_default();
        let narrow = |number: u64, what| u32::try_from(number).map_err(|_| too_large(what));
        let ids = u16::try_from(self.ids).map_err(|_| too_large("owners"))?;
        bytes.extend(MAGIC.to_le_bytes());
        bytes.extend(narrow(self.inodes, "files")?.to_le_bytes());
        bytes.extend(options.time.to_le_bytes());
        bytes.extend(options.block_size.to_le_bytes());
        bytes.extend(narrow(self.fragments, "fragments")?.to_le_bytes());
        for short in [method, log, FLAGS, ids, VERSION.0, VERSION.1] {
            bytes.extend(short.to_le_bytes());
        }
        for long in [
            self.root,
            self.size,
            self.id_table,
            self.xattr_table,
            self.inode_table,
            self.directory_table,
            self.fragment_table,
            self.export_table,
        ] {
            bytes.extend(long.to_le_bytes());
        }
        Ok(bytes)
    }
}

/// What follows the superblock: a block of metadata that is not compressed.
pub(super) fn compressor_options(options: Options) -> Vec<u8> {
    let fields: Vec<u32> = match options.method {
        Method::Zstd { level } => vec![level.cast_unsigned()],
        // The dictionary, and the filters as bits.
        Method::Xz { filter } => vec![
            options.block_size,
            match filter {
                None => 0,
                Some(MachineCode::X86) => 1,
                Some(MachineCode::PowerPc) => 2,
            },
        ],
        // The version of its format, and no flags.
        Method::Lz4 => vec![1, 0],
    };
    let bytes: Vec<u8> = fields.into_iter().flat_map(u32::to_le_bytes).collect();
    let mut block = Vec::new();
    metadata::plain(&bytes, &mut block);
    block
}

/// Writes a table: its entries as metadata, and behind them where each block of these is. Gives the place of the
/// latter, by which the table is found.
pub(super) fn write(out: &mut Image<'_>, with: &mut Compressor, entries: &[u8]) -> io::Result<u64> {
    let blocks = write_blocks(out, with, entries)?;
    let at = out.at;
    out.append(&blocks)?;
    Ok(at)
}

/// Writes entries as metadata, and gives where each block is.
pub(super) fn write_blocks(
    out: &mut Image<'_>,
    with: &mut Compressor,
    entries: &[u8],
) -> io::Result<Vec<u8>> {
    let mut blocks = Vec::new();
    let mut packed = Vec::new();
    for entries in entries.chunks(metadata::BLOCK) {
        blocks.extend((out.at + packed.len() as u64).to_le_bytes());
        metadata::block(entries, with, &mut packed)?;
    }
    out.append(&packed)?;
    Ok(blocks)
}
