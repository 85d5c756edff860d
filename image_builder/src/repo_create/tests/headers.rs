//! Damaged RPMs: every one is refused, and none takes the process down.

use rpm::{BuildConfig, IndexSignatureTag};

use super::{mini_release, package, rpm, sigmd5};
use crate::koji::RpmDigest;
use crate::repo_create::header::{self, Head, Layout};
use crate::repo_create::package_xml::{Listed, PackageReader, PackageXml};
use crate::repo_create::rpm_file;
use crate::repo_create::{Expected, IntactRpm, RpmCheck, RpmFault};

fn check(bytes: &[u8], expected: Expected, chunk: usize) -> Result<IntactRpm, RpmFault> {
    let mut check = RpmCheck::new(expected);
    for chunk in bytes.chunks(chunk.max(1)) {
        check.update(chunk)?;
    }
    check.finish()
}

fn layout(bytes: &[u8]) -> Layout {
    match header::check(bytes).unwrap() {
        Head::Sound(layout) => layout,
        Head::Needs(count) => panic!("{count} bytes needed"),
    }
}

/// What repodata says of the RPM of `size` bytes that begins with `head`.
fn xml(head: &[u8], size: usize) -> Result<PackageXml, RpmFault> {
    let listed = Listed {
        href: "x.rpm",
        size: size as u64,
        time: 0,
        sha256: Some(""),
    };
    let mut xml = PackageXml::default();
    let read = PackageReader::default().read(&mut &*head, listed, &mut xml);
    read.unwrap().map(|()| xml)
}

/// A generator of numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn an_intact_rpm_passes_in_pieces_of_any_size() {
    let bytes = rpm("intact", 50_000);
    let whole = check(&bytes, Expected::default(), bytes.len()).unwrap();
    assert_eq!(whole.size, bytes.len() as u64);
    for chunk in [1, 7, 96, 112, 4096] {
        assert_eq!(check(&bytes, Expected::default(), chunk).unwrap(), whole);
    }
    let exact = Expected {
        size: Some(whole.size),
        payload_hash: Some(whole.sigmd5.parse().unwrap()),
        sha256: Some(whole.sha256.clone()),
        keyring: None,
    };
    assert_eq!(check(&bytes, exact, 1000).unwrap(), whole);
}

#[test]
fn every_real_rpm_passes() {
    let Some(rpms) = mini_release() else {
        return super::skip("no mini release");
    };
    for path in rpms {
        let intact = rpm_file::verify(&path, Expected::default()).unwrap();
        intact.unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    }
}

#[test]
fn thousands_of_mutated_headers_harm_nobody() {
    let mut originals = vec![rpm("mutant", 2000)];
    for path in mini_release().into_iter().flatten() {
        let bytes = std::fs::read(&path).unwrap();
        // Small ones: they are read a thousand times.
        if bytes.len() < 60_000 && originals.len() < 4 {
            originals.push(bytes);
        }
    }
    let mut numbers = Numbers(0x5eed);
    let (mut refused, mut read) = (0, 0);
    for round in 0..20_000 {
        let original = &originals[round % originals.len()];
        let Layout { header, payload } = layout(original);
        let mut bytes = original.clone();
        for _ in 0..=numbers.below(3) {
            // Mostly in the indexes, where an error leads furthest.
            let at = match numbers.below(4) {
                0 => numbers.below(payload),
                1 => 96 + numbers.below(16 + 32 * 16).min(payload - 97),
                _ => header + numbers.below(16 + 80 * 16).min(payload - header - 1),
            };
            bytes[at] = match numbers.below(3) {
                0 => bytes[at] ^ (1 << numbers.below(8)),
                1 => numbers.below(256) as u8,
                _ => [0, 1, 0x7f, 0x80, 0xff][numbers.below(5)],
            };
        }
        // Now and then as a download is checked, and always with the digests forgotten, which lets
        // more of the damage through to what repodata reads.
        if round % 4 == 0 {
            refused += usize::from(check(&bytes, Expected::default(), 4096).is_err());
        }
        let mut head = Vec::new();
        let sound = rpm_file::read_head_into(&mut &*bytes, &mut head).unwrap();
        let sound = sound.is_ok();
        // A header may claim to have 96 MiB.
        assert!(head.len() <= (2 * bytes.len()).max(32 * 1024));
        let xml = xml(&bytes, bytes.len());
        assert!(sound || xml.is_err());
        if let Ok(xml) = xml {
            let size = xml.primary.len() + xml.filelists.len() + xml.other.len();
            assert!(size < 64 * payload, "{size} bytes of XML");
            read += 1;
        }
    }
    assert!(refused > 4000, "only {refused} refused");
    assert!(
        read > 4000,
        "only {read} were read: the test misses what is behind the check"
    );
}

#[test]
fn one_flipped_bit_is_noticed_wherever_it_matters() {
    let bytes = rpm("flipped", 3000);
    let Layout { header, payload } = layout(&bytes);
    // The lead's unused bytes and the padding are covered by nothing, by design of the format.
    for at in (0..5)
        .chain(96..104)
        .chain((header..bytes.len()).step_by(3))
    {
        let mut bytes = bytes.clone();
        bytes[at] ^= 4;
        let part = if at < payload {
            "a header"
        } else {
            "the payload"
        };
        assert!(
            check(&bytes, Expected::default(), 8192).is_err(),
            "byte {at}, in {part}"
        );
    }
}

#[test]
fn cut_and_appended_files_are_refused_with_the_reason() {
    let bytes = rpm("cut", 3000);
    let Layout { header, payload } = layout(&bytes);
    let refuse = |bytes: &[u8], expected| check(bytes, expected, 512).unwrap_err().to_string();
    let cut = |end: usize| refuse(&bytes[..end], Expected::default());
    assert_eq!(cut(0), "it is cut off in its lead");
    assert_eq!(cut(95), "it is cut off in its lead");
    assert_eq!(cut(header - 20), "it is cut off in its signature header");
    assert_eq!(cut(payload - 1), "it is cut off in its header");
    assert!(cut(payload).starts_with("its payload SHA-256 is"));
    assert!(cut(bytes.len() - 1).starts_with("its payload SHA-256 is"));
    let longer = [&bytes[..], b"x"].concat();
    assert!(refuse(&longer, Expected::default()).starts_with("its payload SHA-256 is"));
    let sized = Expected {
        size: Some(bytes.len() as u64),
        ..Expected::default()
    };
    assert_eq!(
        refuse(&bytes[..bytes.len() - 1], sized.clone()),
        format!(
            "it has {} bytes instead of {}",
            bytes.len() - 1,
            bytes.len()
        )
    );
    assert!(refuse(&longer, sized).contains("bytes instead of"));
    assert_eq!(
        refuse(&b"<!DOCTYPE html><html>".repeat(9), Expected::default()),
        "it is no RPM: it begins with \"<!DOCTYPE html><html><!D\""
    );
}

#[test]
fn another_rpm_than_the_promised_is_refused() {
    let (one, other) = (rpm("one", 100), rpm("other", 100));
    let promised = Expected {
        payload_hash: Some(sigmd5(&one).parse().unwrap()),
        ..Expected::default()
    };
    let fault = check(&other, promised, 4096).unwrap_err();
    assert_eq!(
        fault.to_string(),
        format!(
            "its MD5 of header and payload is {} instead of {}",
            sigmd5(&other),
            sigmd5(&one)
        )
    );
}

#[test]
fn a_digest_of_the_header_is_told_before_the_payload_comes() {
    for (config, digest) in [
        (BuildConfig::v4(), RpmDigest::Sha256Header),
        (BuildConfig::v6(), RpmDigest::Sha256Header),
        (BuildConfig::v6(), RpmDigest::Sha3Header),
    ] {
        let build = |name: &str| {
            let mut builder = package(name, 100);
            let package = builder.using_config(config).build().unwrap();
            let mut bytes = Vec::new();
            package.write(&mut bytes).unwrap();
            (bytes, package.metadata.signature)
        };
        let ((one, said), (other, _)) = (build("one"), build("other"));
        let (label, tag) = match digest {
            RpmDigest::Sha3Header => ("sha3-256", IndexSignatureTag::RPMSIGTAG_SHA3_256),
            _ => ("sha256", IndexSignatureTag::RPMSIGTAG_SHA256),
        };
        let hex = said.get_entry_data_as_string(tag).unwrap();
        let promised = || Expected {
            payload_hash: Some(format!("{label}::{hex}").parse().unwrap()),
            ..Expected::default()
        };
        check(&one, promised(), 1000).unwrap();
        let mut early = RpmCheck::new(promised());
        let fault = early.update(&other[..layout(&other).payload]).unwrap_err();
        assert!(matches!(fault, RpmFault::Digest { .. }), "{fault}");
        // What it says of its header is not believed.
        let mut forged = one.clone();
        forged[layout(&one).payload - 1] ^= 1;
        assert!(check(&forged, promised(), 1000).is_err());
        let mut payload = one.clone();
        *payload.last_mut().unwrap() ^= 1;
        let fault = check(&payload, promised(), 1000).unwrap_err();
        assert!(fault.to_string().contains("payload"), "{fault}");
    }
    // An RPM of version 4 has no SHA3-256.
    let promised = Expected {
        payload_hash: Some(format!("sha3-256::{}", "0".repeat(64)).parse().unwrap()),
        ..Expected::default()
    };
    assert_eq!(
        check(&rpm("one", 100), promised, 1000).unwrap_err(),
        RpmFault::NoDigest("SHA3-256 of its header")
    );
}

#[test]
fn a_header_may_not_claim_more_than_it_has() {
    let bytes = rpm("claims", 100);
    let Layout { header, .. } = layout(&bytes);
    let with = |at: usize, value: u32| {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        check(&bytes, Expected::default(), 4096)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        with(header + 8, 0x1000_0000),
        "its header is damaged: 268435456 entries"
    );
    assert_eq!(with(header + 8, 0), "its header is damaged: 0 entries");
    assert_eq!(
        with(header + 12, u32::MAX),
        "its header is damaged: 4294967295 bytes of data"
    );
    // The second entry: type, offset, count.
    let entry = header + 32;
    assert!(with(entry + 4, 10).ends_with("has a type of no meaning"));
    assert!(with(entry + 8, 0x7fff_ffff).ends_with("has its data outside of the header"));
    assert!(with(entry + 8, u32::MAX).ends_with("has its data outside of the header"));
    assert!(with(entry + 12, u32::MAX).contains("entry 1 (tag 100) has"));
}

#[cfg(not(feature = "signatures"))]
#[test]
fn a_key_is_refused_by_a_program_that_cannot_use_it() {
    let error = crate::repo_create::Keyring::from_armored(b"any").unwrap_err();
    assert_eq!(error, crate::repo_create::KeyringError::NotBuilt);
}
