//! The initramfs of an image, unpacked in memory.

use std::io::{self, Read};

use super::blocking;
use super::cpio;
use super::listing::Listing;
use crate::context::BuildContext;
use crate::process::Invocation;
use crate::verify::error::InspectError;
use crate::verify::iso::{InspectOptions, work_dir};
use crate::verify::iso_image::{Entry, IsoImage};

/// More is not unpacked, in bytes.
const LARGEST: u64 = 1 << 30;

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Zstd,
    Gzip,
    /// By a program of the host: the shell's words that unpack the file `$1` into `$2`.
    Program(&'static str),
}

impl Packing {
    fn of(bytes: &[u8]) -> Option<Self> {
        let begins = |magic: &[u8]| bytes.starts_with(magic);
        if begins(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Some(Self::Zstd)
        } else if begins(&[0x1f, 0x8b]) {
            Some(Self::Gzip)
        } else if begins(b"\xfd7zXZ") {
            Some(Self::Program("xz -dc -- \"$1\" >\"$2\""))
        } else if begins(&[0x02, 0x21, 0x4c, 0x18]) {
            Some(Self::Program("lz4 -dcq -- \"$1\" >\"$2\""))
        } else {
            None
        }
    }
}

/// The members of an initramfs; nothing for what is none, or is compressed in a way that we do not
/// know.
pub(super) async fn members(
    ctx: &BuildContext,
    image: &IsoImage,
    entry: &Entry,
    options: &InspectOptions,
) -> Result<Option<Listing>, InspectError> {
    let bytes = image.read(entry, 0, LARGEST).await?;
    let (mut listing, rest) = cpio::members(&bytes);
    if rest >= bytes.len() {
        return Ok((!listing.is_empty()).then_some(listing));
    }
    let Some(packing) = Packing::of(&bytes[rest..]) else {
        return Ok(None);
    };
    let packed = bytes[rest..].to_vec();
    let unpacked = match packing {
        Packing::Zstd => {
            blocking(image, move || {
                unpack(zstd::stream::read::Decoder::new(packed.as_slice())?)
            })
            .await?
        }
        Packing::Gzip => {
            let unpacked = move || unpack(flate2::read::MultiGzDecoder::new(packed.as_slice()));
            blocking(image, unpacked).await?
        }
        Packing::Program(script) => {
            let work = work_dir(options)?;
            let (from, to) = (work.path().join("packed"), work.path().join("unpacked"));
            let written = tokio::fs::write(&from, &packed).await;
            written.map_err(|source| InspectError::WorkDir {
                path: from.clone(),
                source,
            })?;
            let shell = Invocation::new("sh").args(["-c", script, "sh"]);
            let shell = shell.path(&from).path(&to);
            let done = ctx.query(&shell).await;
            done.map_err(|error| InspectError::command(&image.path, error))?;
            blocking(image, move || unpack(std::fs::File::open(to)?)).await?
        }
    };
    listing.extend(cpio::members(&unpacked).0);
    Ok(Some(listing))
}

fn unpack(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
