//! Packing a folder into a SquashFS image, with what did not change taken from images that were packed before.
//!
//! `mksquashfs` compresses everything again for each image: of a root in which one package is newer, all but a few
//! hundredths in vain, and with xz for minutes. Here each block of file data is looked up by its SHA-256 in the images
//! that are kept ([`KnownBlocks`]), and copied as it is; what is not there is compressed by all processors. The same
//! folder makes the same image, to the bit, whether blocks were known or not.
//!
//! The format is version 4.0 of SquashFS (<https://docs.kernel.org/filesystems/squashfs.html>, in detail
//! <https://dr-emann.github.io/squashfs/>), as the kernel and `unsquashfs` read it:
//!
//! - file data in blocks; files smaller than a block lie together in blocks called fragments; files with the same
//!   content lie there once; blocks of zeros not at all;
//! - then inodes, directories, and tables: fragments, inodes by number, owners, extended attributes.
//!
//! Data flows one way: `tree` lists the folder, `data` reads and writes what is in the files, `inodes` and
//! `table` what is known of them.

mod blocks;
mod compressor;
mod data;
mod inodes;
mod metadata;
mod table;
#[cfg(test)]
mod tests;
mod tree;
mod xattrs;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::Serialize;

pub use blocks::KnownBlocks;
pub use compressor::{MachineCode, Method};

use compressor::Compressor;
use inodes::Inodes;
use table::{SUPERBLOCK, Superblock};
use tree::Tree;

/// How a folder is packed: everything that the image depends on beside the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Options {
    /// How blocks are compressed.
    pub method: Method,
    /// Bytes of file data that are compressed together: a power of two from 4 KiB to 1 MiB. Whoever reads one of
    /// them unpacks all.
    pub block_size: u32,
    /// The image's own time, in seconds since 1970. No file in it is later.
    pub time: u32,
}

/// What was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packed {
    /// Files, folders, links and devices.
    pub inodes: u64,
    /// Bytes in files.
    pub unpacked: u64,
    /// Bytes of the image.
    pub size: u64,
    /// Blocks of file data that are in it.
    pub blocks: u64,
    /// So many of these were known.
    pub reused: u64,
}

/// A folder to be packed.
#[derive(Debug, Clone, Copy)]
pub struct Packing<'a> {
    /// The folder.
    pub root: &'a Path,
    /// Of these folders, relative to `root`, only the folder itself goes in.
    pub emptied: &'a [&'a str],
    /// The new file that becomes the image.
    pub image: &'a Path,
    /// The new file that will tell which blocks the image has, for [`KnownBlocks::add`].
    pub index: &'a Path,
    /// How.
    pub options: Options,
    /// What need not be compressed.
    pub known: &'a KnownBlocks,
    /// So many threads compress.
    pub processors: usize,
}

/// Packs a folder. Blocks. Each thread that reads or compresses calls `begin` first, and keeps what that gives as long
/// as it runs; `watch` is told the bytes of file data that are done and all of them, and ends the packing by `false`.
///
/// # Errors
///
/// The operating system's, of a file that it names; [`io::ErrorKind::Interrupted`] where `watch` ended it.
pub fn pack<T>(
    packing: Packing<'_>,
    begin: &(dyn Fn() -> T + Sync),
    watch: &mut dyn FnMut(u64, u64) -> bool,
) -> io::Result<Packed> {
    let Packing {
        root,
        emptied,
        image,
        index,
        options,
        ..
    } = packing;
    let mut tree = Tree::scan(root, emptied, options.time)?;
    let out = File::create_new(image).map_err(named(image))?;
    let mut compressor = Compressor::new(options.method, options.block_size)?;
    let mut out = Image {
        file: &out,
        path: image,
        at: SUPERBLOCK,
    };
    out.append(&table::compressor_options(options))?;
    let data = data::write(&mut tree, &mut out, packing, begin, watch)?;
    data.index.save(index).map_err(named(index))?;

    let inodes = Inodes::of(&tree, &mut compressor)?;
    let inode_table = out.at;
    out.append(&inodes.inodes)?;
    let directory_table = out.at;
    out.append(&inodes.directories)?;
    let fragment_table = table::write(&mut out, &mut compressor, &data.fragments)?;
    let export_table = table::write(&mut out, &mut compressor, &inodes.by_number)?;
    let id_table = table::write(&mut out, &mut compressor, &inodes.ids)?;
    let xattr_table = xattrs::write(&tree.xattrs, &mut out, &mut compressor)?;
    let superblock = Superblock {
        inodes: tree.nodes.len() as u64,
        fragments: data.fragments.len() as u64 / table::FRAGMENT,
        ids: inodes.ids.len() as u64 / table::ID,
        root: inodes.root,
        size: out.at,
        id_table,
        xattr_table,
        inode_table,
        directory_table,
        fragment_table,
        export_table,
    };
    out.write_at(&superblock.bytes(options)?, 0)?;
    // Devices are read in pieces of this size.
    let padded = out.at.next_multiple_of(PADDING);
    out.file.set_len(padded).map_err(named(image))?;
    Ok(Packed {
        inodes: superblock.inodes,
        unpacked: tree.bytes,
        size: padded,
        blocks: data.blocks,
        reused: data.reused,
    })
}

/// Images end at a multiple of this, in bytes.
const PADDING: u64 = 4096;

/// An error with the file that it is of.
fn named(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    // Its kind says what to do, and its words the rest.
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The image being written.
struct Image<'a> {
    file: &'a File,
    path: &'a Path,
    /// Where what comes next goes.
    at: u64,
}

impl Image<'_> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let written = self.file.write_all_at(bytes, at);
        written.map_err(named(self.path))
    }
}
