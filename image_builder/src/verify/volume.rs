//! The first sectors of an ISO 9660 image: is it one, is it whole, what is its label.
//!
//! The layout is ECMA-119, 8.4 (primary volume descriptor); the place of the implanted checksum is
//! that of isomd5sum.

use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use super::error::InspectError;

/// Bytes in a sector of an optical disc.
pub(crate) const SECTOR: u64 = 2048;

/// The 16th sector is the first after the system area.
const DESCRIPTOR: u64 = 16 * SECTOR;

/// What the primary volume descriptor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) id: String,
    /// Size of the file, in bytes.
    pub(crate) size: u64,
    /// The MD5 that `implantisomd5` left in the application area, as hex.
    pub(crate) implanted_md5: Option<String>,
}

impl Volume {
    pub(crate) async fn read(path: &Path) -> Result<Self, InspectError> {
        let unreadable = |source| InspectError::unreadable(path, source);
        let metadata = tokio::fs::metadata(path).await.map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(InspectError::Folder { path: path.into() });
        }
        let not_iso = || InspectError::NotIso { path: path.into() };
        if metadata.len() < DESCRIPTOR + SECTOR {
            return Err(not_iso());
        }
        let mut file = File::open(path).await.map_err(unreadable)?;
        let mut sector = vec![0; 2048];
        file.seek(SeekFrom::Start(DESCRIPTOR))
            .await
            .map_err(unreadable)?;
        file.read_exact(&mut sector).await.map_err(unreadable)?;
        let (volume, expected) = parse(&sector, metadata.len()).ok_or_else(not_iso)?;
        // Programs print it among lines that others read.
        if volume.id.contains(['\n', '\r']) {
            return Err(InspectError::Unclear {
                path: path.into(),
                line: volume.id,
            });
        }
        if volume.size < expected {
            return Err(InspectError::Truncated {
                path: path.into(),
                expected,
                found: volume.size,
            });
        }
        Ok(volume)
    }
}

/// The volume, and how many bytes the file must have at least.
fn parse(sector: &[u8], size: u64) -> Option<(Volume, u64)> {
    if sector.get(..6)? != b"\x01CD001" {
        return None;
    }
    let blocks = u32::from_le_bytes(sector.get(80..84)?.try_into().ok()?);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let volume = Volume {
        id: text(sector.get(40..72)?),
        size,
        implanted_md5: implanted_md5(&text(sector.get(883..1395)?)),
    };
    Some((volume, u64::from(blocks) * SECTOR))
}

/// `ISO MD5SUM = 65f2...;SKIPSECTORS = 15;...`
pub(super) fn implanted_md5(application_area: &str) -> Option<String> {
    application_area.split(';').find_map(|field| {
        let sum = field.trim().strip_prefix("ISO MD5SUM = ")?;
        (sum.len() == 32).then(|| sum.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> Vec<u8> {
        let mut sector = vec![b' '; 2048];
        sector[..6].copy_from_slice(b"\x01CD001");
        sector[40..49].copy_from_slice(b"Fedora-43");
        sector[80..84].copy_from_slice(&100_u32.to_le_bytes());
        sector
    }

    #[test]
    fn reads_the_label_and_the_size() {
        let (volume, expected) = parse(&descriptor(), 7).unwrap();
        assert_eq!((volume.id.as_str(), volume.size), ("Fedora-43", 7));
        assert_eq!(volume.implanted_md5, None);
        assert_eq!(expected, 204_800);
        assert_eq!(parse(&[0; 2048], 7), None);
        assert_eq!(parse(b"\x01CD001", 7), None);
    }

    #[test]
    fn finds_the_implanted_checksum() {
        let mut sector = descriptor();
        let area = b"ISO MD5SUM = 65f25c83525a8eaed354dff343ca7926;SKIPSECTORS = 15;RHLISOSTATUS=0";
        sector[883..883 + area.len()].copy_from_slice(area);
        assert_eq!(
            parse(&sector, 7).unwrap().0.implanted_md5.as_deref(),
            Some("65f25c83525a8eaed354dff343ca7926")
        );
    }
}
