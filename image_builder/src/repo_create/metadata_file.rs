//! A compressed file of repodata, hashed on both sides of the compressor while it is written.

use std::io::{self, BufWriter, Write};

use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hex;

/// How repodata is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// [Zstandard](https://datatracker.ietf.org/doc/html/rfc8878): every dnf of a supported Fedora
    /// reads it.
    #[default]
    Zstd,
    /// gzip: everything reads it.
    Gzip,
}

impl Compression {
    /// What a file's name gets: `zst`, `gz`.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Zstd => "zst",
            Self::Gzip => "gz",
        }
    }
}

/// Zstandard's level. A side repository is read from the disk it was written to: compressing is
/// the larger part of the work once the RPMs are hashed, and level 1 needs a third less time for
/// it than level 3, for files of the same size (measured with 1,000 packages).
const ZSTD_LEVEL: i32 = 1;

/// The size and the SHA-256 of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) size: u64,
    pub(super) sha256: String,
}

impl Sum {
    /// That of `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            size: bytes.len() as u64,
            sha256: hex::encode(&Sha256::digest(bytes)),
        }
    }
}

/// A file of repodata in the making.
pub(super) struct MetadataFile<W: Write> {
    open: Counter<Encoder<Counter<BufWriter<W>>>>,
}

enum Encoder<W: Write> {
    Zstd(zstd::stream::write::Encoder<'static, W>),
    Gzip(GzEncoder<W>),
}

impl<W: Write> MetadataFile<W> {
    /// Writes to `file`.
    pub(super) fn new(file: W, compression: Compression) -> io::Result<Self> {
        let packed = Counter::new(BufWriter::with_capacity(64 * 1024, file));
        let encoder = match compression {
            Compression::Zstd => {
                Encoder::Zstd(zstd::stream::write::Encoder::new(packed, ZSTD_LEVEL)?)
            }
            Compression::Gzip => {
                Encoder::Gzip(GzEncoder::new(packed, flate2::Compression::default()))
            }
        };
        Ok(Self {
            open: Counter::new(encoder),
        })
    }

    /// Ends the file: what it has unpacked, and what it has on disk. A disk that fills up with the
    /// last bytes is noticed here, and nowhere else.
    pub(super) fn finish(self) -> io::Result<(Sum, Sum)> {
        let (encoder, open) = self.open.finish();
        let packed = match encoder {
            Encoder::Zstd(encoder) => encoder.finish()?,
            Encoder::Gzip(encoder) => encoder.finish()?,
        };
        let (mut file, packed) = packed.finish();
        file.flush()?;
        Ok((open, packed))
    }
}

impl<W: Write> Write for MetadataFile<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.flush()
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Zstd(encoder) => encoder.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => encoder.flush(),
            Self::Gzip(encoder) => encoder.flush(),
        }
    }
}

/// Counts and hashes what passes.
struct Counter<W> {
    inner: W,
    size: u64,
    hash: Sha256,
}

impl<W> Counter<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            size: 0,
            hash: Sha256::new(),
        }
    }

    fn finish(self) -> (W, Sum) {
        let sum = Sum {
            size: self.size,
            sha256: hex::encode(&self.hash.finalize()),
        };
        (self.inner, sum)
    }
}

impl<W: Write> Write for Counter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk(usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.0);
            self.0 -= count;
            if count == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write(file: impl Write, compression: Compression) -> io::Result<(Sum, Sum)> {
        let mut file = MetadataFile::new(file, compression)?;
        for number in 0u32..20_000 {
            writeln!(
                file,
                "<file>/usr/share/{:08x}</file>",
                number.wrapping_mul(0x9e37_79b1)
            )?;
        }
        file.finish()
    }

    #[test]
    fn what_is_on_disk_has_the_sums() {
        for compression in [Compression::Zstd, Compression::Gzip] {
            let mut disk = Vec::new();
            let (open, packed) = write(&mut disk, compression).unwrap();
            let hash = |bytes: &[u8]| hex::encode(&Sha256::digest(bytes));
            assert_eq!(packed.size, disk.len() as u64);
            assert_eq!(packed.sha256, hash(&disk));
            let mut unpacked = Vec::new();
            let mut reader: Box<dyn io::Read> = match compression {
                Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(&*disk).unwrap()),
                Compression::Gzip => Box::new(flate2::read::GzDecoder::new(&*disk)),
            };
            reader.read_to_end(&mut unpacked).unwrap();
            assert_eq!(open.size, unpacked.len() as u64);
            assert_eq!(open.sha256, hash(&unpacked));
        }
    }

    #[test]
    fn a_full_disk_is_an_error_also_with_the_very_last_byte() {
        for compression in [Compression::Zstd, Compression::Gzip] {
            let mut disk = Vec::new();
            write(&mut disk, compression).unwrap();
            write(Disk(disk.len()), compression).unwrap();
            for room in [0, 1, disk.len() / 2, disk.len() - 1] {
                let error = write(Disk(room), compression).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{room}");
            }
        }
    }
}
