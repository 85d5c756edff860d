//! What repodata says of one RPM: its part of `primary.xml`, `filelists.xml` and `other.xml`.

use std::fs::{File, Metadata};
use std::io::{self, Read};

use rpm::{IndexSignatureTag, PackageMetadata};
use rpmrepo_metadata::utils::create_xml_writer;
use rpmrepo_metadata::{
    Checksum, FilelistsXml, MetadataError, OtherXml, Package, PackageOptions, PackageSource,
    PrimaryXml,
};
use sha2::{Digest, Sha256};

use super::fault::RpmFault;
use super::header::Layout;
use super::hex;
use super::rpm_file::{self, CHUNK};

/// The three parts, each one `<package>` element with a line end behind it. `createrepo_c` writes
/// the same elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackageXml {
    pub(super) primary: Vec<u8>,
    pub(super) filelists: Vec<u8>,
    pub(super) other: Vec<u8>,
}

impl PackageXml {
    /// Reads the RPM `file`, once from its first to its last byte; or only its headers where the
    /// SHA-256 of the whole is `known`. It is said to be of `time`, in seconds since 1970.
    pub(super) fn read(
        file: &mut File,
        meta: &Metadata,
        time: u64,
        href: &str,
        known: Option<&str>,
    ) -> io::Result<Result<Self, RpmFault>> {
        let (head, layout) = match rpm_file::read_head(file)? {
            Ok(head) => head,
            Err(fault) => return Ok(Err(fault)),
        };
        let metadata = match known {
            // Whoever knows it has verified the file, headers and payload.
            Some(_) => rpm_file::read_headers(&head, layout)
                .map_err(|error| RpmFault::Parse(error.to_string())),
            None => rpm_file::parse(&head, layout),
        };
        let metadata = match metadata.and_then(|it| length(&it, layout, meta.len()).map(|()| it)) {
            Ok(metadata) => metadata,
            Err(fault) => return Ok(Err(fault)),
        };
        let sha256 = match known {
            Some(known) => known.to_owned(),
            None => hash(&head, file)?,
        };
        let source = PackageSource {
            checksum: Some(Checksum::Sha256(sha256)),
            size_package: Some(meta.len()),
            time_file: time,
            location_href: href.to_owned(),
            location_base: None,
        };
        let rendered = Package::from_package_metadata(&metadata, source, PackageOptions::default())
            .and_then(|package| Self::render(&package));
        Ok(rendered.map_err(|error| RpmFault::Parse(error.to_string())))
    }

    fn render(package: &Package) -> Result<Self, MetadataError> {
        let mut primary = PrimaryXml::new_writer(create_xml_writer(Vec::with_capacity(8192)));
        primary.write_package(package)?;
        let mut filelists = FilelistsXml::new_writer(create_xml_writer(Vec::with_capacity(8192)));
        filelists.write_package(package)?;
        let mut other = OtherXml::new_writer(create_xml_writer(Vec::with_capacity(8192)));
        other.write_package(package)?;
        let line = |mut xml: Vec<u8>| {
            xml.push(b'\n');
            xml
        };
        Ok(Self {
            primary: line(primary.into_inner()),
            filelists: line(filelists.into_inner()),
            other: line(other.into_inner()),
        })
    }
}

/// Compares the size of the file with what its signature header says of it, where it does: without
/// reading the payload twice, this tells a file that was cut off.
fn length(metadata: &PackageMetadata, layout: Layout, size: u64) -> Result<(), RpmFault> {
    let signature = &metadata.signature;
    let said = signature
        .get_entry_data_as_u64(IndexSignatureTag::RPMSIGTAG_LONGSIZE)
        .or_else(|_| {
            let said = signature.get_entry_data_as_u32(IndexSignatureTag::RPMSIGTAG_SIZE);
            said.map(u64::from)
        });
    let Ok(said) = said else { return Ok(()) };
    let expected = said.saturating_add(layout.header as u64);
    if expected == size {
        Ok(())
    } else {
        Err(RpmFault::Size {
            expected,
            found: size,
        })
    }
}

/// The SHA-256 of `head` and what follows it in `file`.
fn hash(head: &[u8], file: &mut File) -> io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(head);
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex::encode(&hash.finalize())),
            count => hash.update(&chunk[..count]),
        }
    }
}
