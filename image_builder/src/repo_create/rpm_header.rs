//! What the header of an RPM says of it, read from the file's beginning.

use std::io::{self, Read};

use rpm::IndexSignatureTag;
use sha2::{Digest, Sha256};

use super::fault::RpmFault;
use super::hex;
use super::rpm_file;

/// What the header of an RPM says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RpmHeader {
    pub(crate) name: String,
    pub(crate) epoch: u32,
    pub(crate) version: String,
    pub(crate) release: String,
    /// `src` for a source package, whatever it was built on.
    pub(crate) arch: String,
    /// When it was built, in seconds since 1970; 0 for one that does not say.
    pub(crate) build_time: u64,
    /// The SHA-256 of the header itself, in hex: computed, not read. It stands for the whole file,
    /// whose payload's digest is in the header.
    pub(crate) sha256: String,
    /// The MD5 of header and payload that the signature header has, in hex.
    pub(crate) sigmd5: Option<String>,
}

impl RpmHeader {
    /// `name-[epoch:]version-release.arch`; an epoch of 0 is left out.
    pub(crate) fn nevra(&self) -> String {
        nevra(
            &self.name,
            self.epoch.into(),
            &self.version,
            &self.release,
            &self.arch,
        )
    }

    /// Reads the headers of an RPM, and perhaps some bytes more.
    pub(crate) fn read(file: &mut impl Read) -> io::Result<Result<Self, RpmFault>> {
        let (head, layout) = match rpm_file::read_head(file)? {
            Ok(head) => head,
            Err(fault) => return Ok(Err(fault)),
        };
        let read = rpm_file::read_headers(&head, layout).and_then(|metadata| {
            let sigmd5 = metadata
                .signature
                .get_entry_data_as_binary(IndexSignatureTag::RPMSIGTAG_MD5)
                .ok()
                .map(hex::encode);
            Ok(Self {
                name: metadata.get_name()?.to_owned(),
                epoch: metadata.get_epoch().unwrap_or(0),
                version: metadata.get_version()?.to_owned(),
                release: metadata.get_release()?.to_owned(),
                arch: match metadata.is_source_package() {
                    true => "src".to_owned(),
                    false => metadata.get_arch()?.to_owned(),
                },
                build_time: metadata.get_build_time().unwrap_or(0),
                sha256: hex::encode(&Sha256::digest(&head[layout.header..layout.payload])),
                sigmd5,
            })
        });
        Ok(read.map_err(|error| RpmFault::Parse(error.to_string())))
    }
}

/// `name-[epoch:]version-release.arch`; an epoch of 0 is left out.
pub(crate) fn nevra(name: &str, epoch: u64, version: &str, release: &str, arch: &str) -> String {
    let epoch = match epoch {
        0 => String::new(),
        epoch => format!("{epoch}:"),
    };
    format!("{name}-{epoch}{version}-{release}.{arch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_tells_who_it_is() {
        let mut builder = rpm::PackageBuilder::new("a-b", "1.2", "MIT", "noarch", "test");
        let package = builder.epoch(3).release("4.fc43").build().unwrap();
        let mut bytes = Vec::new();
        package.write(&mut bytes).unwrap();
        let header = RpmHeader::read(&mut &bytes[..]).unwrap().unwrap();
        assert_eq!((header.name.as_str(), header.epoch), ("a-b", 3));
        assert_eq!(
            (header.version.as_str(), header.release.as_str()),
            ("1.2", "4.fc43")
        );
        assert_eq!(header.arch, "noarch");
        // rpm keeps the same digest in the signature header.
        let said = package.metadata.signature;
        let said = said.get_entry_data_as_string(IndexSignatureTag::RPMSIGTAG_SHA256);
        assert_eq!(said.unwrap(), header.sha256);
        assert!(RpmHeader::read(&mut &bytes[..200]).unwrap().is_err());
    }
}
