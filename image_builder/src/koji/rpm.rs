//! RPMs, as a hub describes them.

use serde::{Deserialize, Serialize};
use xmlrpc::Value;

use super::nvr::BuildId;
use super::row::Row;

/// An RPM of a build. Its texts are the hub's and may hold anything: `choose` checks those it
/// makes names and addresses of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rpm {
    /// Its number.
    pub id: u64,
    /// The build it is of.
    pub build_id: BuildId,
    /// Its name.
    pub name: String,
    /// Its version; a subpackage may have one of its own.
    pub version: String,
    /// Its release; that of a draft build's RPM has no `,draft_ID`.
    pub release: String,
    /// Its epoch.
    pub epoch: Option<u64>,
    /// `x86_64`, `noarch`, `src`, ...
    pub arch: String,
    /// The size of the unsigned copy in bytes.
    pub size: u64,
    /// A digest of its content, as the hub writes it: what a [`PayloadHash`](super::PayloadHash)
    /// is read from.
    pub payloadhash: String,
    /// Whether it is of a draft build.
    pub draft: bool,
    /// Whether the hub has only its description and no file.
    pub metadata_only: bool,
}

impl Rpm {
    /// `NAME-VERSION-RELEASE.ARCH.rpm`: its file name, unchecked.
    pub fn file_name(&self) -> String {
        let Self {
            name,
            version,
            release,
            arch,
            ..
        } = self;
        format!("{name}-{version}-{release}.{arch}.rpm")
    }

    /// Whether it holds debug information, by the rule of `koji.is_debuginfo`.
    pub fn is_debuginfo(&self) -> bool {
        self.name.ends_with("-debuginfo")
            || self.name.ends_with("-debugsource")
            || self.name.contains("-debuginfo-")
    }

    /// Reads a row of `listRPMs` or `listTaggedRPMS`.
    pub(super) fn from_value(value: &Value) -> Result<Self, String> {
        let row = Row::new(value, "an RPM")?;
        Ok(Self {
            id: row.number("id")?,
            build_id: BuildId(row.number("build_id")?),
            name: row.text("name")?,
            version: row.text("version")?,
            release: row.text("release")?,
            epoch: row.optional_number("epoch")?,
            arch: row.text("arch")?,
            size: row.number("size")?,
            payloadhash: row.text("payloadhash")?,
            draft: row.flag("draft")?,
            metadata_only: row.flag("metadata_only")?,
        })
    }
}

/// A signature that a hub knows of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpmSignature {
    /// The RPM's number.
    pub rpm_id: u64,
    /// The id of the key; empty for the unsigned copy.
    pub sigkey: String,
    /// The MD5 of the signature header.
    pub sighash: String,
}

impl RpmSignature {
    /// Reads a row of `queryRPMSigs`.
    pub(super) fn from_value(value: &Value) -> Result<Self, String> {
        let row = Row::new(value, "a signature")?;
        Ok(Self {
            rpm_id: row.number("rpm_id")?,
            sigkey: row.text("sigkey")?,
            sighash: row.text("sighash")?,
        })
    }
}
