//! A file of metadata: as it comes, and unpacked.

use std::io::{self, BufRead, BufReader, Read};
use std::time::Instant;

use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use sha2::{Digest, Sha256, Sha512};

use super::error::Fault;
use crate::digest::hex;

/// Read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// What an unpacker may keep of what it has unpacked: the exponent of a number of bytes, 64 MiB.
const WINDOW: u32 = 26;

/// The checksum of a file, in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checksum {
    Sha256(String),
    Sha512(String),
}

impl Checksum {
    /// A checksum by the name of its kind; `None` for those that can be forged.
    pub(super) fn of(kind: &str, hex: &str) -> Option<Self> {
        let hex = hex.trim().to_ascii_lowercase();
        let is_hex = |length| hex.len() == length && hex.bytes().all(|b| b.is_ascii_hexdigit());
        match kind.trim() {
            "sha256" | "sha-256" if is_hex(64) => Some(Self::Sha256(hex)),
            "sha512" | "sha-512" if is_hex(128) => Some(Self::Sha512(hex)),
            _ => None,
        }
    }

    /// Whether it is that of some bytes.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        let mut sum = Sum::new(self);
        sum.update(bytes);
        sum.is(self)
    }
}

enum Sum {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Sum {
    fn new(announced: &Checksum) -> Self {
        match announced {
            Checksum::Sha256(_) => Self::Sha256(Sha256::new()),
            Checksum::Sha512(_) => Self::Sha512(Sha512::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sum) => sum.update(bytes),
            Self::Sha512(sum) => sum.update(bytes),
        }
    }

    fn is(self, announced: &Checksum) -> bool {
        match (self, announced) {
            (Self::Sha256(sum), Checksum::Sha256(announced)) => hex(&sum.finalize()) == *announced,
            (Self::Sha512(sum), Checksum::Sha512(announced)) => hex(&sum.finalize()) == *announced,
            _ => false,
        }
    }
}

/// How many bytes may come.
struct Left {
    bytes: u64,
    limit: u64,
}

impl Left {
    fn new(limit: u64) -> Self {
        Self {
            bytes: limit,
            limit,
        }
    }

    /// Some have come.
    fn take(&mut self, count: usize) -> io::Result<()> {
        let (left, limit) = (self.bytes.checked_sub(count as u64), self.limit);
        let what = "bytes";
        self.bytes = left.ok_or_else(|| Fault::TooLarge { limit, what }.into_io())?;
        Ok(())
    }
}

/// A file as it comes: counted, and hashed.
pub(super) struct Packed<R> {
    inner: R,
    left: Left,
    sum: Sum,
    announced: Checksum,
}

impl<R: Read> Packed<R> {
    pub(super) fn new(inner: R, announced: Checksum, limit: u64) -> Self {
        Self {
            inner,
            left: Left::new(limit),
            sum: Sum::new(&announced),
            announced,
        }
    }

    /// Reads what is left of it.
    ///
    /// # Errors
    ///
    /// It is not what was announced.
    pub(super) fn finish(mut self) -> Result<(), Fault> {
        io::copy(&mut self, &mut io::sink()).map_err(|error| Fault::of_io(&error))?;
        match self.sum.is(&self.announced) {
            true => Ok(()),
            false => Err(Fault::Checksum),
        }
    }
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.left.take(count)?;
        self.sum.update(&into[..count]);
        Ok(count)
    }
}

/// What is in a file, by the ending of its name: at most `limit` bytes, read before `until`.
pub(super) fn open<'a>(
    name: &str,
    packed: impl Read + 'a,
    limit: u64,
    until: Instant,
) -> Result<impl BufRead + 'a, Fault> {
    let packed = BufReader::with_capacity(CHUNK, packed);
    let io = |error: io::Error| Fault::of_io(&error);
    let inner: Box<dyn Read + 'a> = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("xml") => Box::new(packed),
        Some("gz") => Box::new(MultiGzDecoder::new(packed)),
        Some("zst") => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(io)?;
            decoder.window_log_max(WINDOW).map_err(io)?;
            Box::new(decoder)
        }
        Some("xz") => {
            let stream = Stream::new_stream_decoder(1 << WINDOW, CONCATENATED);
            let stream = stream.map_err(|error| Fault::Io(error.to_string()))?;
            Box::new(XzDecoder::new_stream(packed, stream))
        }
        other => {
            let ending = other.unwrap_or(name).chars().take(20).collect();
            return Err(Fault::Compression(ending));
        }
    };
    let opened = Opened {
        inner,
        left: Left::new(limit),
        until,
    };
    Ok(BufReader::with_capacity(CHUNK, opened))
}

struct Opened<R> {
    inner: R,
    left: Left,
    until: Instant,
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Few bytes can be unpacked for hours.
        if Instant::now() > self.until {
            return Err(Fault::Network("it takes too long".to_owned()).into_io());
        }
        let count = self.inner.read(into)?;
        self.left.take(count)?;
        Ok(count)
    }
}
