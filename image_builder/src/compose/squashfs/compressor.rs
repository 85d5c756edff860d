//! Compressing a block.

use std::io;

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};
use serde::Serialize;

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Method {
    /// Zstandard.
    Zstd {
        /// From 1 to 22.
        level: i32,
    },
    /// xz, with a dictionary of a block.
    Xz {
        /// Each block is compressed with this filter too, and the smaller result taken.
        filter: Option<MachineCode>,
    },
    /// LZ4.
    Lz4,
}

/// A filter for the jumps in machine code
/// ([xz(1)](https://man7.org/linux/man-pages/man1/xz.1.html), BCJ).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MachineCode {
    /// Of x86, with 32 and with 64 bits.
    X86,
    /// Of PowerPC.
    PowerPc,
}

/// xz's own default.
const XZ_PRESET: u32 = 6;

/// Compresses blocks, one after the other. The same bytes come to the same, whatever came before them.
pub(super) struct Compressor {
    with: With,
    /// What is compressed, while it is not known to be smaller.
    packed: Vec<u8>,
}

enum With {
    Zstd(zstd::bulk::Compressor<'static>),
    Xz {
        filter: Option<MachineCode>,
        dictionary: u32,
    },
    Lz4,
}

impl Compressor {
    pub(super) fn new(method: Method, block_size: u32) -> io::Result<Self> {
        let with = match method {
            Method::Zstd { level } => With::Zstd(zstd::bulk::Compressor::new(level)?),
            Method::Xz { filter } => With::Xz {
                filter,
                dictionary: block_size,
            },
            Method::Lz4 => With::Lz4,
        };
        Ok(Self {
            with,
            packed: Vec::new(),
        })
    }

    /// `bytes` compressed, unless that is not smaller.
    pub(super) fn compress(&mut self, bytes: &[u8]) -> io::Result<Option<&[u8]>> {
        let packed = &mut self.packed;
        packed.clear();
        match &mut self.with {
            With::Zstd(zstd) => {
                packed.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
                zstd.compress_to_buffer(bytes, packed)?;
            }
            With::Xz { filter, dictionary } => {
                if !xz(bytes, None, *dictionary, packed)? {
                    packed.clear();
                }
                if filter.is_some() {
                    let mut filtered = Vec::new();
                    let is_smaller = xz(bytes, *filter, *dictionary, &mut filtered)?
                        && (packed.is_empty() || filtered.len() < packed.len());
                    if is_smaller {
                        *packed = filtered;
                    }
                }
            }
            With::Lz4 => {
                packed.resize(lz4_flex::block::get_maximum_output_size(bytes.len()), 0);
                let size =
                    lz4_flex::block::compress_into(bytes, packed).map_err(io::Error::other)?;
                packed.truncate(size);
            }
        }
        let is_smaller = !packed.is_empty() && packed.len() < bytes.len();
        Ok(is_smaller.then_some(packed.as_slice()))
    }
}

/// Appends `bytes` to `packed` as a stream of xz; `false` if that is not smaller. The kernel knows no other check than
/// CRC32.
fn xz(
    bytes: &[u8],
    filter: Option<MachineCode>,
    dictionary: u32,
    packed: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut options = LzmaOptions::new_preset(XZ_PRESET)?;
    options.dict_size(dictionary);
    let mut filters = Filters::new();
    match filter {
        Some(MachineCode::X86) => {
            filters.x86();
        }
        Some(MachineCode::PowerPc) => {
            filters.powerpc();
        }
        None => {}
    }
    filters.lzma2(&options);
    let mut stream = Stream::new_stream_encoder(&filters, Check::Crc32)?;
    packed.reserve_exact(bytes.len());
    // It stops where there is no more room.
    let status = stream.process_vec(bytes, packed, Action::Finish)?;
    Ok(status == Status::StreamEnd)
}
