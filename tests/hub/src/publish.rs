//! Builds made of real RPM files.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use rpm::IndexSignatureTag;
use serde_json::{Value, json};

/// Why a folder cannot be published as a build.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The folder or a file in it cannot be read.
    #[error("{}: {source}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no RPM.
    #[error("{} is no RPM: {problem}", .path.display())]
    NoRpm {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// There is no RPM in the folder.
    #[error("{} holds no RPM", .0.display())]
    Empty(PathBuf),
    /// Nothing says what the build is called.
    #[error("the RPMs in {} name no source package; name the build NAME-VERSION-RELEASE", .0.display())]
    NoName(PathBuf),
}

/// What a hub knows the content of RPMs by that are published: their `payloadhash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KnownBy {
    /// The MD5 of header and payload, as every hub does with an RPM that has it.
    #[default]
    SigMd5,
    /// The best digest of the header that the RPM carries, as `sha3-256::HEX` or `sha256::HEX`:
    /// what hubs since 1.36 do with an RPM without a SIGMD5.
    HeaderDigest,
}

/// A folder's RPMs as one build.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The name, version and release of the build.
    pub(crate) build: [String; 3],
    /// The files, and their records without ids.
    pub(crate) rpms: Vec<(PathBuf, Value)>,
}

/// Reads the RPMs of a folder. The build is called `nvr`, or as their source package; one RPM without
/// that lends its own name.
pub(crate) fn read(
    folder: &Path,
    nvr: Option<&str>,
    known_by: KnownBy,
) -> Result<Folder, PublishError> {
    let unreadable = |source| PublishError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|end| end == "rpm") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut source = nvr.map(str::to_owned);
    let mut rpms = Vec::new();
    for path in paths {
        let (row, source_rpm) = record(&path, known_by)?;
        source = source.or(source_rpm);
        rpms.push((path, row));
    }
    if rpms.is_empty() {
        return Err(PublishError::Empty(folder.to_owned()));
    }
    if let [(_, only)] = rpms.as_slice() {
        let text = |key: &str| only[key].as_str().unwrap_or_default();
        let own = || format!("{}-{}-{}", text("name"), text("version"), text("release"));
        source = source.or_else(|| Some(own()));
    }
    let build = source
        .as_deref()
        .and_then(split)
        .ok_or_else(|| PublishError::NoName(folder.to_owned()))?;
    Ok(Folder { build, rpms })
}

/// The record of an RPM file, and the name of its source package.
fn record(path: &Path, known_by: KnownBy) -> Result<(Value, Option<String>), PublishError> {
    let unreadable = |source| PublishError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let no_rpm = |error: rpm::Error| PublishError::NoRpm {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let metadata = rpm::PackageMetadata::parse(&mut BufReader::new(&mut file)).map_err(no_rpm)?;
    let source = metadata
        .get_source_rpm()
        .ok()
        .filter(|name| !name.is_empty());
    let source = source.and_then(|name| name.strip_suffix(".rpm"));
    let source = source.and_then(|name| Some(name.rsplit_once('.')?.0.to_owned()));
    let arch = if metadata.is_source_package() {
        "src"
    } else {
        metadata.get_arch().map_err(no_rpm)?
    };
    let hash = match known_by {
        KnownBy::SigMd5 => sig_md5(&mut file).map_err(unreadable)?,
        KnownBy::HeaderDigest => header_digest(&metadata).map_err(no_rpm)?,
    };
    let row = json!({
        "name": metadata.get_name().map_err(no_rpm)?,
        "version": metadata.get_version().map_err(no_rpm)?,
        "release": metadata.get_release().map_err(no_rpm)?,
        "epoch": metadata.get_epoch().ok().filter(|epoch| *epoch > 0),
        "arch": arch,
        "size": file.metadata().map_err(unreadable)?.len(),
        "payloadhash": hash,
        "buildtime": metadata.get_build_time().unwrap_or_default(),
    });
    Ok((row, source))
}

/// RPM's SIGMD5: the MD5 of everything behind the lead and the signature header.
fn sig_md5(file: &mut File) -> std::io::Result<String> {
    const LEAD: u64 = 96;
    file.seek(SeekFrom::Start(LEAD))?;
    let mut intro = [0; 16];
    file.read_exact(&mut intro)?;
    let number = |at: usize| {
        let bytes = [intro[at], intro[at + 1], intro[at + 2], intro[at + 3]];
        u64::from(u32::from_be_bytes(bytes))
    };
    let signature = 16 + 16 * number(8) + number(12);
    file.seek(SeekFrom::Start(LEAD + signature.next_multiple_of(8)))?;
    let mut hash = Md5::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            count => hash.update(&chunk[..count]),
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// As `make_rpm_ident` of Koji: the best of the digests that the RPM carries of its header.
fn header_digest(metadata: &rpm::PackageMetadata) -> Result<String, rpm::Error> {
    let tag = |tag| metadata.signature.get_entry_data_as_string(tag);
    tag(IndexSignatureTag::RPMSIGTAG_SHA3_256)
        .map(|hex| format!("sha3-256::{hex}"))
        .or_else(|_| tag(IndexSignatureTag::RPMSIGTAG_SHA256).map(|hex| format!("sha256::{hex}")))
}

/// Name, version and release.
fn split(nvr: &str) -> Option<[String; 3]> {
    let mut parts = nvr.rsplitn(3, '-');
    let (release, version, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some([name, version, release].map(str::to_owned))
}
