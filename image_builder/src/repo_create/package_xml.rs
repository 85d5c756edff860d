//! What repodata says of RPMs: their parts of `primary.xml`, `filelists.xml` and `other.xml`.

use std::borrow::Cow;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::dependencies;
use super::fault::RpmFault;
use super::file_list::{self, DIRNAMES};
use super::header::Layout;
use super::hex;
use super::rpm_file::{self, CHUNK};
use super::tags::{self, Tags};
use super::xml::{self, Place};

/// As many of a package's changes are told, the latest; `createrepo_c` tells as many.
const CHANGES: usize = 10;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const SUMMARY: u32 = 1004;
const DESCRIPTION: u32 = 1005;
const BUILDTIME: u32 = 1006;
const BUILDHOST: u32 = 1007;
const SIZE: u32 = 1009;
const VENDOR: u32 = 1011;
const LICENSE: u32 = 1014;
const PACKAGER: u32 = 1015;
const GROUP: u32 = 1016;
const URL: u32 = 1020;
const ARCH: u32 = 1022;
const SOURCERPM: u32 = 1044;
const CHANGELOGTIME: u32 = 1080;
const CHANGELOGNAME: u32 = 1081;
const CHANGELOGTEXT: u32 = 1082;
const SOURCEPACKAGE: u32 = 1106;
const LONGSIZE: u32 = 5009;
const PAYLOADSIZEALT: u32 = 5113;

/// Tags of the signature header.
const SIG_LONGSIZE: u32 = 270;
const SIG_LONGARCHIVESIZE: u32 = 271;
const SIG_SIZE: u32 = 1000;
const SIG_PAYLOADSIZE: u32 = 1007;

/// The elements of some packages, behind each other: of each a `<package>` in each of the three,
/// with a line end behind it. `createrepo_c` writes the same elements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PackageXml {
    pub(super) primary: Vec<u8>,
    pub(super) filelists: Vec<u8>,
    pub(super) other: Vec<u8>,
}

impl PackageXml {
    /// Appends an element to each.
    pub(super) fn add(&mut self, [primary, filelists, other]: [&str; 3]) {
        self.primary.extend_from_slice(primary.as_bytes());
        self.filelists.extend_from_slice(filelists.as_bytes());
        self.other.extend_from_slice(other.as_bytes());
    }
}

/// What is known of an RPM without reading it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed<'a> {
    /// Where it is, from the folder of the repository.
    pub(super) href: &'a str,
    /// Its size in bytes.
    pub(super) size: u64,
    /// The time that it is said to be of, in seconds since 1970.
    pub(super) time: u64,
    /// The SHA-256 of the whole file, in hex, where it is known: only the headers are read then.
    pub(super) sha256: Option<&'a str>,
}

/// Reads RPMs, each into the memory of the one before.
#[derive(Debug, Default)]
pub(super) struct PackageReader {
    head: Vec<u8>,
}

impl PackageReader {
    /// Reads the RPM `file`, once from its first to its last byte or only its headers, and appends
    /// its elements to `xml`; of one with a fault, a part of them.
    pub(super) fn read(
        &mut self,
        file: &mut impl Read,
        listed: Listed<'_>,
        xml: &mut PackageXml,
    ) -> io::Result<Result<(), RpmFault>> {
        let (head, layout) = match rpm_file::read_head_into(file, &mut self.head)? {
            Ok(head) => head,
            Err(fault) => return Ok(Err(fault)),
        };
        // Whoever knows its checksum has verified the file, headers and payload.
        if listed.sha256.is_none()
            && let Err(fault) = rpm_file::parse(head, layout)
        {
            return Ok(Err(fault));
        }
        let read = || {
            let signature = Tags::of_signature(head)?;
            length(&signature, layout, listed.size)?;
            Ok((signature, Tags::of_header(head, layout)?))
        };
        let (signature, header) = match read() {
            Ok(tags) => tags,
            Err(fault) => return Ok(Err(fault)),
        };
        let sha256 = match listed.sha256 {
            Some(known) => Cow::Borrowed(known),
            None => Cow::Owned(hash(head, file)?),
        };
        let package = Package {
            signature,
            header,
            layout,
            listed,
            sha256: &sha256,
        };
        Ok(package.write(xml))
    }
}

struct Package<'a> {
    signature: Tags<'a>,
    header: Tags<'a>,
    layout: Layout,
    listed: Listed<'a>,
    sha256: &'a str,
}

impl Package<'_> {
    fn write(&self, xml: &mut PackageXml) -> Result<(), RpmFault> {
        let tags = &self.header;
        let name = tags.string(NAME)?;
        let arch = match self.is_source() {
            true => Cow::Borrowed("src"),
            false => tags.string(ARCH)?,
        };
        let mut version = b"  <version epoch=\"".to_vec();
        xml::push_number(&mut version, tags.u32(EPOCH).unwrap_or(0).into());
        name_into(&mut version, "\" ver=\"", &tags.string(VERSION)?)?;
        name_into(&mut version, "\" rel=\"", &tags.string(RELEASE)?)?;
        version.extend_from_slice(b"\"/>\n");
        for out in [&mut xml.filelists, &mut xml.other] {
            name_into(out, "<package pkgid=\"", self.sha256)?;
            name_into(out, "\" name=\"", &name)?;
            name_into(out, "\" arch=\"", &arch)?;
            out.extend_from_slice(b"\">\n");
            out.extend_from_slice(&version);
        }
        let out = &mut xml.primary;
        name_into(out, "<package type=\"rpm\">\n  <name>", &name)?;
        name_into(out, "</name>\n  <arch>", &arch)?;
        out.extend_from_slice(b"</arch>\n");
        out.extend_from_slice(&version);
        name_into(
            out,
            "  <checksum type=\"sha256\" pkgid=\"YES\">",
            self.sha256,
        )?;
        let text = |tag| tags.string(tag).unwrap_or_default();
        let translated = |tag| tags.translated(tag).unwrap_or_default();
        text_into(out, "</checksum>\n  <summary>", &translated(SUMMARY));
        text_into(out, "</summary>\n  <description>", &translated(DESCRIPTION));
        text_into(out, "</description>\n  <packager>", &text(PACKAGER));
        text_into(out, "</packager>\n  <url>", &text(URL));
        number_into(out, "</url>\n  <time file=\"", self.listed.time);
        number_into(out, "\" build=\"", tags.u32(BUILDTIME).unwrap_or(0).into());
        number_into(out, "\"/>\n  <size package=\"", self.listed.size);
        number_into(out, "\" installed=\"", self.installed()?);
        number_into(out, "\" archive=\"", self.archive());
        name_into(out, "\"/>\n  <location href=\"", self.listed.href)?;
        text_into(out, "\"/>\n  <format>\n    <rpm:license>", &text(LICENSE));
        text_into(out, "</rpm:license>\n    <rpm:vendor>", &text(VENDOR));
        text_into(out, "</rpm:vendor>\n    <rpm:group>", &translated(GROUP));
        text_into(out, "</rpm:group>\n    <rpm:buildhost>", &text(BUILDHOST));
        name_into(
            out,
            "</rpm:buildhost>\n    <rpm:sourcerpm>",
            &text(SOURCERPM),
        )?;
        let Layout { header, payload } = self.layout;
        let start = "</rpm:sourcerpm>\n    <rpm:header-range start=\"";
        number_into(out, start, header as u64);
        number_into(out, "\" end=\"", payload as u64);
        out.extend_from_slice(b"\"/>\n");
        let files = file_list::write(tags, &mut xml.filelists)?;
        dependencies::write(tags, &files, out)?;
        out.extend_from_slice(&files.xml);
        out.extend_from_slice(b"  </format>\n</package>\n");
        xml.filelists.extend_from_slice(b"</package>\n");
        self.write_changes(&mut xml.other)?;
        xml.other.extend_from_slice(b"</package>\n");
        Ok(())
    }

    /// Packages of old do not say it, but all their files are in one folder without a name.
    fn is_source(&self) -> bool {
        let nameless = || {
            let mut dirs = self.header.strings(DIRNAMES).ok()??;
            let one = dirs.len() == 1;
            Some(one && dirs.next()?.ok()?.is_empty())
        };
        self.header.has(SOURCEPACKAGE) || !self.header.has(SOURCERPM) && nameless().unwrap_or(false)
    }

    fn installed(&self) -> Result<u64, RpmFault> {
        let tags = &self.header;
        let size = tags.u64(LONGSIZE).or_else(|| Some(tags.u32(SIZE)?.into()));
        size.ok_or_else(|| tags::absent(SIZE))
    }

    /// The size of the unpacked payload; 0 for a package that does not say.
    fn archive(&self) -> u64 {
        (self.header.u64(PAYLOADSIZEALT))
            .or_else(|| self.signature.u64(SIG_LONGARCHIVESIZE))
            .or_else(|| Some(self.signature.u32(SIG_PAYLOADSIZE)?.into()))
            .unwrap_or(0)
    }

    /// The latest changes, which come first in the header and last in repodata.
    fn write_changes(&self, out: &mut Vec<u8>) -> Result<(), RpmFault> {
        let tags = &self.header;
        let parts = (
            tags.strings(CHANGELOGNAME)?,
            tags.numbers::<4>(CHANGELOGTIME)?,
            tags.strings(CHANGELOGTEXT)?,
        );
        let (names, times, texts) = match parts {
            (None, None, None) => return Ok(()),
            (Some(names), Some(times), Some(texts)) => (names, times, texts),
            _ => return Err(tags::fault("of its changes, it does not say all")),
        };
        let changes: Vec<_> = names.zip(times).zip(texts).take(CHANGES).collect();
        for ((name, time), text) in changes.into_iter().rev() {
            out.extend_from_slice(b"  <changelog author=\"");
            // What may not stand there was replaced.
            let _ = xml::push(out, name?.trim(), Place::Attribute);
            number_into(out, "\" date=\"", u32::from_be_bytes(*time).into());
            out.extend_from_slice(b"\">");
            let _ = xml::push(out, &text?, Place::Prose);
            out.extend_from_slice(b"</changelog>\n");
        }
        Ok(())
    }
}

/// Appends `before`, and a name: it stands for something and may not be changed.
fn name_into(out: &mut Vec<u8>, before: &str, name: &str) -> Result<(), RpmFault> {
    out.extend_from_slice(before.as_bytes());
    let place = match before.ends_with('"') {
        true => Place::Attribute,
        false => Place::Element,
    };
    xml::push(out, name, place)
        .map_err(|_| tags::fault("its name or version has characters that no XML may have"))
}

/// Appends `before`, and what people read; what may not stand there is replaced.
fn text_into(out: &mut Vec<u8>, before: &str, text: &str) {
    out.extend_from_slice(before.as_bytes());
    let _ = xml::push(out, text, Place::Element);
}

/// Appends `before`, and a number.
fn number_into(out: &mut Vec<u8>, before: &str, number: u64) {
    out.extend_from_slice(before.as_bytes());
    xml::push_number(out, number);
}

/// Compares the size of the file with what its signature header says of it, where it does: without
/// reading the payload twice, this tells a file that was cut off.
fn length(signature: &Tags<'_>, layout: Layout, size: u64) -> Result<(), RpmFault> {
    let said = (signature.u64(SIG_LONGSIZE)).or_else(|| Some(signature.u32(SIG_SIZE)?.into()));
    let Some(said) = said else { return Ok(()) };
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
fn hash(head: &[u8], file: &mut impl Read) -> io::Result<String> {
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
