//! Whether a file is an intact RPM, found out while its bytes go by.
//!
//! Nothing of an RPM is kept in memory but its headers, so that a payload of 3 GiB costs as little
//! as one of 3 KiB. The downloader feeds an [`RpmCheck`] as bytes arrive; [`verify`] feeds it from
//! disk.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use md5::Digest as _;
use md5::Md5;
use rpm::{IndexSignatureTag, IndexTag, PackageMetadata};
use sha2::{Sha256, Sha512};

use super::fault::RpmFault;
use super::header::{self, Head, Layout};
use super::hex;
use super::keyring::Keyring;
use crate::koji::{PayloadHash, RpmDigest};

/// Read at once, in bytes.
pub(super) const CHUNK: usize = 256 * 1024;

/// What an RPM must be, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Its size in bytes.
    pub size: Option<u64>,
    /// What Koji knows its content by; the same for the signed and the unsigned copy of an RPM.
    pub payload_hash: Option<PayloadHash>,
    /// The SHA-256 of the whole file, in hex.
    pub sha256: Option<String>,
    /// The keys of which one must have signed it.
    pub keyring: Option<Keyring>,
}

/// An RPM that was found to be intact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntactRpm {
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of the whole file, in hex.
    pub sha256: String,
    /// The MD5 of header and payload, in hex.
    pub sigmd5: String,
}

/// Checks an RPM while its bytes go by, in order.
#[derive(Debug)]
pub struct RpmCheck {
    expected: Expected,
    size: u64,
    sha256: Sha256,
    sigmd5: Md5,
    part: Part,
}

#[derive(Debug)]
enum Part {
    /// Bytes up to the payload, of which so many are needed to go on.
    Head { bytes: Vec<u8>, needs: usize },
    /// The payload.
    Payload {
        metadata: Box<PackageMetadata>,
        digest: Payload,
    },
}

impl RpmCheck {
    /// A check of a file that has not begun.
    #[must_use]
    pub fn new(expected: Expected) -> Self {
        Self {
            expected,
            size: 0,
            sha256: Sha256::new(),
            sigmd5: Md5::new(),
            part: Part::Head {
                bytes: Vec::new(),
                needs: 0,
            },
        }
    }

    /// The next bytes of the file.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, as soon as it can be told; more bytes make no sense then.
    pub fn update(&mut self, bytes: &[u8]) -> Result<(), RpmFault> {
        self.size += bytes.len() as u64;
        if let Some(expected) = self.expected.size
            && self.size > expected
        {
            return Err(RpmFault::Size {
                expected,
                found: self.size,
            });
        }
        self.sha256.update(bytes);
        let rest;
        let mut payload = bytes;
        if let Part::Head { bytes: head, needs } = &mut self.part {
            head.extend_from_slice(bytes);
            let layout = loop {
                if head.len() < *needs {
                    return Ok(());
                }
                match header::check(head)? {
                    Head::Needs(count) => *needs = count,
                    Head::Sound(layout) => break layout,
                }
            };
            let metadata = parse(head, layout)?;
            if let Some(hash) = &self.expected.payload_hash {
                check_header(&metadata, hash)?;
            }
            self.sigmd5.update(&head[layout.header..layout.payload]);
            if let Some(keyring) = &self.expected.keyring {
                keyring.check(&metadata)?;
            }
            let digest = Payload::new(&metadata)?;
            rest = head.split_off(layout.payload);
            self.part = Part::Payload {
                metadata: Box::new(metadata),
                digest,
            };
            payload = &rest;
        }
        if let Part::Payload { digest, .. } = &mut self.part {
            self.sigmd5.update(payload);
            digest.update(payload);
        }
        Ok(())
    }

    /// The end of the file.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn finish(self) -> Result<IntactRpm, RpmFault> {
        let (metadata, digest) = match self.part {
            Part::Head { bytes, .. } => {
                return Err(RpmFault::Truncated {
                    part: header::part_at_end(&bytes),
                });
            }
            Part::Payload { metadata, digest } => (metadata, digest),
        };
        // The size first: it says best what happened to a file that was cut off.
        if let Some(expected) = self.expected.size
            && self.size != expected
        {
            return Err(RpmFault::Size {
                expected,
                found: self.size,
            });
        }
        digest.finish()?;
        let sigmd5 = hex::encode(&self.sigmd5.finalize());
        let own = metadata
            .signature
            .get_entry_data_as_binary(IndexSignatureTag::RPMSIGTAG_MD5)
            .ok()
            .map(hex::encode);
        let promised = (self.expected.payload_hash)
            .filter(|hash| hash.digest() == RpmDigest::SigMd5)
            .map(|hash| hash.hex().to_owned());
        for expected in [own, promised].into_iter().flatten() {
            same("MD5 of header and payload", &expected, &sigmd5)?;
        }
        let sha256 = hex::encode(&self.sha256.finalize());
        if let Some(expected) = &self.expected.sha256 {
            same("SHA-256", expected, &sha256)?;
        }
        Ok(IntactRpm {
            size: self.size,
            sha256,
            sigmd5,
        })
    }
}

/// Reads the headers of an RPM that are in `head` and compares them with their digest.
pub(super) fn parse(head: &[u8], layout: Layout) -> Result<PackageMetadata, RpmFault> {
    let metadata =
        read_headers(head, layout).map_err(|error| RpmFault::Parse(error.to_string()))?;
    let expected = metadata
        .signature
        .get_entry_data_as_string(IndexSignatureTag::RPMSIGTAG_SHA256)
        .map_err(|_| RpmFault::NoDigest("SHA-256 of its header"))?;
    let found = Sha256::digest(&head[layout.header..layout.payload]);
    same("header SHA-256", expected, &hex::encode(&found))?;
    // The other digests of the header (SHA-1, SHA3-256), where there are any.
    metadata
        .check_digests()
        .and_then(|report| report.result())
        .map_err(|error| RpmFault::Parse(error.to_string()))?;
    Ok(metadata)
}

/// Compares the header's digest with the one that is promised; that of header and payload is only
/// known at the end. What the RPM says of its header was compared with the header by [`parse`].
fn check_header(metadata: &PackageMetadata, promised: &PayloadHash) -> Result<(), RpmFault> {
    let (tag, what, absent) = match promised.digest() {
        RpmDigest::SigMd5 => return Ok(()),
        RpmDigest::Sha256Header => (
            IndexSignatureTag::RPMSIGTAG_SHA256,
            "header SHA-256",
            "SHA-256 of its header",
        ),
        RpmDigest::Sha3Header => (
            IndexSignatureTag::RPMSIGTAG_SHA3_256,
            "header SHA3-256",
            "SHA3-256 of its header",
        ),
    };
    let found = metadata
        .signature
        .get_entry_data_as_string(tag)
        .map_err(|_| RpmFault::NoDigest(absent))?;
    same(what, promised.hex(), found)
}

/// Reads headers whose bounds were checked.
pub(super) fn read_headers(head: &[u8], layout: Layout) -> Result<PackageMetadata, rpm::Error> {
    PackageMetadata::parse(&mut &head[..layout.payload])
}

/// The SHA-256 of an RPM's main header, in hex: what rpm keeps of an installed package as
/// `SHA256HEADER`. The header holds the payload's digest, so that it stands for the whole file.
pub(super) fn header_sha256(path: &Path) -> io::Result<Option<String>> {
    let head = read_head(&mut File::open(path)?)?;
    Ok(head
        .ok()
        .map(|(head, layout)| hex::encode(&Sha256::digest(&head[layout.header..layout.payload]))))
}

/// Reads the headers of an RPM from its start, and perhaps some bytes of the payload.
pub(super) fn read_head(file: &mut impl Read) -> io::Result<Result<(Vec<u8>, Layout), RpmFault>> {
    let mut head = Vec::new();
    let read = read_head_into(file, &mut head)?.map(|(head, layout)| (head.len(), layout));
    Ok(read.map(|(length, layout)| {
        head.truncate(length);
        (head, layout)
    }))
}

/// The same into the memory of the one before: `head` keeps its size, and is the larger.
pub(super) fn read_head_into<'a>(
    file: &mut impl Read,
    head: &'a mut Vec<u8>,
) -> io::Result<Result<(&'a [u8], Layout), RpmFault>> {
    // Most headers fit, and the whole of many small RPMs does.
    const FIRST: usize = 32 * 1024;
    let (mut filled, mut needs) = (0, FIRST);
    loop {
        while filled < needs {
            // A short file may claim to have a long header: only what is there takes memory.
            let room = needs.min(head.len().max(2 * filled).max(FIRST));
            head.resize(head.len().max(room), 0);
            match file.read(&mut head[filled..room]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match header::check(&head[..filled]) {
            Ok(Head::Sound(layout)) => return Ok(Ok((&head[..filled], layout))),
            Ok(Head::Needs(_)) if filled < needs => {
                let part = header::part_at_end(&head[..filled]);
                return Ok(Err(RpmFault::Truncated { part }));
            }
            Ok(Head::Needs(count)) => needs = count,
            Err(fault) => return Ok(Err(fault)),
        }
    }
}

/// Checks the RPM at `path`. Blocks.
///
/// # Errors
///
/// The operating system's; within, what is wrong with the file.
pub fn verify(path: &Path, expected: Expected) -> io::Result<Result<IntactRpm, RpmFault>> {
    let mut file = File::open(path)?;
    let mut check = RpmCheck::new(expected);
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok(check.finish());
        }
        if let Err(fault) = check.update(&chunk[..count]) {
            // A file that is too long is better named with its whole size.
            return Ok(Err(match fault {
                RpmFault::Size { expected, .. } => RpmFault::Size {
                    expected,
                    found: file.metadata()?.len(),
                },
                other => other,
            }));
        }
    }
}

/// The digest of the payload, as the main header has it.
#[derive(Debug)]
enum Payload {
    Sha256 { expected: String, hash: Sha256 },
    Sha512 { expected: String, hash: Box<Sha512> },
}

impl Payload {
    fn new(metadata: &PackageMetadata) -> Result<Self, RpmFault> {
        let tag = |tag| metadata.header.get_entry_data_as_string(tag).ok();
        if let Some(expected) = tag(IndexTag::RPMTAG_PAYLOADSHA256) {
            return Ok(Self::Sha256 {
                expected: expected.to_owned(),
                hash: Sha256::new(),
            });
        }
        let expected = tag(IndexTag::RPMTAG_PAYLOAD_SHA512)
            .ok_or(RpmFault::NoDigest("digest of its payload"))?;
        Ok(Self::Sha512 {
            expected: expected.to_owned(),
            hash: Box::new(Sha512::new()),
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256 { hash, .. } => hash.update(bytes),
            Self::Sha512 { hash, .. } => hash.update(bytes),
        }
    }

    fn finish(self) -> Result<(), RpmFault> {
        match self {
            Self::Sha256 { expected, hash } => {
                same("payload SHA-256", &expected, &hex::encode(&hash.finalize()))
            }
            Self::Sha512 { expected, hash } => {
                same("payload SHA-512", &expected, &hex::encode(&hash.finalize()))
            }
        }
    }
}

fn same(what: &'static str, expected: &str, found: &str) -> Result<(), RpmFault> {
    if expected.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    // What the file claims may be anything.
    let expected: String = expected.chars().take(128).collect();
    Err(RpmFault::Digest {
        what,
        expected: expected.escape_default().to_string(),
        found: found.to_owned(),
    })
}
