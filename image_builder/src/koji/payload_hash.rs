//! What Koji knows the content of an RPM by.

use std::fmt;
use std::str::FromStr;

use crate::spec::ValueError;
use crate::spec::value::quoted;
use crate::spec::word::serde_as_text;

/// One of the digests that an RPM carries of itself. None of them changes when it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RpmDigest {
    /// `SIGMD5`, the MD5 of header and payload. RPMs of version 6 have none.
    SigMd5,
    /// `SHA256HEADER`, the SHA-256 of the header, in which there is a digest of the payload.
    Sha256Header,
    /// `SHA3_256HEADER`, the same by SHA3-256. RPMs of version 6 have it.
    Sha3Header,
}

/// The `payloadhash` of a hub: a digest in hexadecimal, and which one it is.
///
/// A plain one is `SIGMD5`. Since 1.36 Koji names those RPMs that have none by the best digest of
/// their header, as `sha3-256::HEX` or `sha256::HEX`: see `make_rpm_ident` in
/// <https://pagure.io/koji/blob/master/f/koji/__init__.py>. Its `sha1::HEX`, for RPMs from before
/// 2017, is not taken: no RPM without a SHA-256 is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PayloadHash {
    digest: RpmDigest,
    hex: String,
}

impl PayloadHash {
    /// Which digest it is.
    #[must_use]
    pub fn digest(&self) -> RpmDigest {
        self.digest
    }

    /// The digest, in lower-case hexadecimal.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl fmt::Display for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = match self.digest {
            RpmDigest::SigMd5 => "",
            RpmDigest::Sha256Header => "sha256::",
            RpmDigest::Sha3Header => "sha3-256::",
        };
        write!(f, "{label}{}", self.hex)
    }
}

impl FromStr for PayloadHash {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (digest, hex, bytes) = match text.split_once("::") {
            None => (RpmDigest::SigMd5, text, 16),
            Some(("sha256", hex)) => (RpmDigest::Sha256Header, hex, 32),
            Some(("sha3-256", hex)) => (RpmDigest::Sha3Header, hex, 32),
            Some(_) => return Err(wrong(text)),
        };
        if hex.len() != 2 * bytes || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong(text));
        }
        Ok(Self {
            digest,
            hex: hex.to_ascii_lowercase(),
        })
    }
}

fn wrong(text: &str) -> ValueError {
    ValueError::new(
        format!("{} is not a payload hash", quoted(text)),
        "expected an MD5 in hexadecimal, sha256::HEX or sha3-256::HEX",
    )
}

serde_as_text!(PayloadHash);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_koji() {
        let (md5, sha) = ("6f49b28dc57d5bc12feeecdacc078949", "ab".repeat(32));
        for (text, digest) in [
            (md5.to_owned(), RpmDigest::SigMd5),
            (format!("sha256::{sha}"), RpmDigest::Sha256Header),
            (format!("sha3-256::{sha}"), RpmDigest::Sha3Header),
        ] {
            let hash: PayloadHash = text.parse().unwrap();
            assert_eq!((hash.digest(), hash.to_string()), (digest, text));
        }
        let upper: PayloadHash = md5.to_ascii_uppercase().parse().unwrap();
        assert_eq!(upper.hex(), md5);
    }

    #[test]
    fn anything_else_is_refused() {
        let (md5, sha) = ("ab".repeat(16), "ab".repeat(32));
        for text in [
            String::new(),
            sha.clone(),
            "../../../../../etc/passwd/......".to_owned(),
            format!("sha256::{md5}"),
            format!("sha256:{sha}"),
            format!("sha256::{sha}0"),
            format!("sha256::sha256::{sha}"),
            format!("sha1::{}", "ab".repeat(20)),
            format!("md5::{md5}"),
            format!("::{md5}"),
        ] {
            assert!(text.parse::<PayloadHash>().is_err(), "{text}");
        }
    }
}
