//! The files of an ISO image, read in place.
//!
//! xorriso lists where each file lies; the bytes are then read from the image itself, so that a
//! root image of two gigabytes is not copied to be looked into.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use super::error::InspectError;
use super::volume::{SECTOR, Volume};
use crate::context::BuildContext;
use crate::digest::sha256_extents;
use crate::process::Invocation;

/// What the firmware finds on the disc: an entry of the El Torito boot catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootEntry {
    /// `BIOS`, `UEFI`, `PPC` or `Mac`, as xorriso names the platform id.
    pub platform: String,
    /// False when the entry is marked as not bootable.
    pub bootable: bool,
    /// `none` (all current images), `floppy` or `hd`.
    pub emulation: String,
    /// How many sectors of 512 bytes the firmware loads.
    pub load_sectors: u32,
    /// The boot image's path on the disc; absent when it is outside the file system, as an
    /// appended partition is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
}

/// A file on the disc: where its pieces lie. One piece, but for files of 4 GiB and more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative to the disc's root.
    pub(crate) path: String,
    /// Start and length of each piece, in bytes.
    pub(crate) extents: Vec<(u64, u64)>,
}

impl Entry {
    pub(crate) fn size(&self) -> u64 {
        self.extents.iter().map(|(_, length)| length).sum()
    }

    /// Where the file begins, when all of it lies in one piece.
    pub(crate) fn contiguous(&self) -> Option<u64> {
        let ends_where_next_begins = |pair: &[(u64, u64)]| pair[0].0 + pair[0].1 == pair[1].0;
        let whole = self.extents.windows(2).all(ends_where_next_begins);
        self.extents.first().filter(|_| whole).map(|e| e.0)
    }
}

/// An opened image.
#[derive(Debug)]
pub(crate) struct IsoImage {
    pub(crate) path: PathBuf,
    pub(crate) volume: Volume,
    pub(crate) entries: Vec<Entry>,
    pub(crate) boot_entries: Vec<BootEntry>,
}

impl IsoImage {
    /// Checks that `path` is a whole ISO image and lists what is on it.
    pub(crate) async fn open(ctx: &BuildContext, path: &Path) -> Result<Self, InspectError> {
        // Absolute, so that no program takes the name for an option or a device.
        let path = tokio::fs::canonicalize(path)
            .await
            .map_err(|source| InspectError::unreadable(path, source))?;
        let volume = Volume::read(&path).await?;
        let report = ctx
            .query(&listing(&path))
            .await
            .map_err(|error| InspectError::command(&path, error))?;
        let unclear = |line: &str| InspectError::Unclear {
            path: path.clone(),
            line: line.to_owned(),
        };
        let (files, boot) = divide(&report);
        Ok(Self {
            volume,
            entries: parse_entries(files).map_err(unclear)?,
            boot_entries: parse_el_torito(boot),
            path,
        })
    }

    pub(crate) fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// At most `limit` bytes of a file from `offset` on.
    pub(crate) async fn read(
        &self,
        entry: &Entry,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<u8>, InspectError> {
        let unreadable = |source| InspectError::unreadable(&self.path, source);
        let mut file = File::open(&self.path).await.map_err(unreadable)?;
        let mut bytes = Vec::new();
        let mut skip = offset;
        for &(start, length) in &entry.extents {
            let skipped = skip.min(length);
            skip -= skipped;
            let wanted = (length - skipped).min(limit - bytes.len() as u64);
            file.seek(SeekFrom::Start(start + skipped))
                .await
                .map_err(unreadable)?;
            let mut piece = (&mut file).take(wanted);
            piece.read_to_end(&mut bytes).await.map_err(unreadable)?;
        }
        Ok(bytes)
    }

    /// A text file, at most a megabyte of it; `None` when the disc has none.
    pub(crate) async fn text(&self, path: &str) -> Result<Option<String>, InspectError> {
        let Some(entry) = self.entry(path) else {
            return Ok(None);
        };
        let bytes = self.read(entry, 0, 1024 * 1024).await?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The SHA-256 of a file, as hex.
    pub(crate) async fn sha256(&self, entry: &Entry) -> Result<String, InspectError> {
        sha256_extents(&self.path, entry.extents.clone())
            .await
            .map_err(|source| InspectError::unreadable(&self.path, source))
    }

    /// Copies a file out of the image.
    pub(crate) async fn copy_out(&self, entry: &Entry, to: &Path) -> Result<(), InspectError> {
        let unreadable = |source| InspectError::unreadable(&self.path, source);
        let unwritable = |source| InspectError::WorkDir {
            path: to.into(),
            source,
        };
        let mut from = File::open(&self.path).await.map_err(unreadable)?;
        let mut copy = File::create(to).await.map_err(unwritable)?;
        for &(start, length) in &entry.extents {
            from.seek(SeekFrom::Start(start))
                .await
                .map_err(unreadable)?;
            let mut piece = (&mut from).take(length);
            tokio::io::copy(&mut piece, &mut copy)
                .await
                .map_err(unwritable)?;
        }
        tokio::io::AsyncWriteExt::flush(&mut copy)
            .await
            .map_err(unwritable)
    }
}

/// A name may hold whatever looks like a line of the report. xorriso writes its control characters as
/// codes here, but not those of the boot images: these come last, when all names are known.
fn listing(path: &Path) -> Invocation {
    // -no_rc: the host's start-up files must not change what is read.
    Invocation::new("xorriso")
        .args(["-no_rc", "-backslash_codes", "encode_results", "-indev"])
        .arg(format!("stdio:{}", path.to_string_lossy()))
        .args(["-find", "/", "--"])
        .args(["-find", "/", "-type", "f", "-exec", "report_lba", "--"])
        .args(["-report_el_torito", "plain"])
}

/// The lines of the files, and those of the boot images.
fn divide(report: &[String]) -> (&[String], &[String]) {
    let boot = report
        .iter()
        .position(|line| line.starts_with("El Torito "))
        .unwrap_or(report.len());
    report.split_at(boot)
}

/// `'/LiveOS'` for whatever has a name, then for each piece of a file
/// `File data lba:  0 ,       37 ,        2 ,     4096 , '/LiveOS/squashfs.img'`: number of the
/// piece, first block, blocks, bytes, path. Any other line, and a name with a line break, is an error:
/// what is read from this report is to be what is on the disc.
fn parse_entries(report: &[String]) -> Result<Vec<Entry>, &str> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in report {
        if line.starts_with("Report layout:") {
            continue;
        }
        if line.starts_with('\'') {
            decoded(line).ok_or(line.as_str())?;
            continue;
        }
        let (piece, extent, path) = parse_extent(line).ok_or(line.as_str())?;
        match entries.last_mut() {
            Some(last) if piece > 0 && last.path == path => last.extents.push(extent),
            _ => entries.push(Entry {
                path,
                extents: vec![extent],
            }),
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn parse_extent(line: &str) -> Option<(u64, (u64, u64), String)> {
    let mut fields = line.strip_prefix("File data lba:")?.splitn(5, ',');
    let mut number = || fields.next()?.trim().parse::<u64>().ok();
    let (piece, start, _blocks, bytes) = (number()?, number()?, number()?, number()?);
    let path = decoded(fields.next()?.trim_start())?;
    let path = path.trim_start_matches('/').to_owned();
    Some((piece, (start.checked_mul(SECTOR)?, bytes), path))
}

/// A name that xorriso has quoted for a shell, its control characters written as codes: `'/a\tb'`.
/// None if it is anything else, or has a line break in it.
fn decoded(word: &str) -> Option<String> {
    const QUOTE: &str = "'\"'\"'";
    let inner = word.strip_prefix('\'')?.strip_suffix('\'')?;
    let parts: Vec<&str> = inner.split(QUOTE).collect();
    if parts.iter().any(|part| part.contains('\'')) {
        return None;
    }
    let quoted = parts.join("'");
    let mut bytes = Vec::new();
    let mut rest = quoted.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'\\' => b'\\',
            b'a' => 0x07,
            b'b' => 0x08,
            b'e' => 0x1b,
            b'f' => 0x0c,
            b't' => b'\t',
            b'v' => 0x0b,
            first @ b'0'..=b'7' => {
                let digits = [first, rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 8).ok()?
            }
            // Line breaks are `n` and `r`.
            _ => return None,
        });
    }
    let name = String::from_utf8_lossy(&bytes).into_owned();
    (!name.contains(['\n', '\r'])).then_some(name)
}

/// xorriso quotes for a shell.
fn unquote(word: &str) -> Option<String> {
    let path = shlex::split(word.trim())?.pop()?;
    Some(path.trim_start_matches('/').to_owned())
}

/// `El Torito boot img :   1  BIOS  y   none  0x0000  0x00      4          35` and
/// `El Torito img path :   1  /eltorito.img`.
fn parse_el_torito(report: &[String]) -> Vec<BootEntry> {
    let mut entries = Vec::new();
    let mut numbers = Vec::new();
    for line in report {
        if let Some(rest) = line.strip_prefix("El Torito boot img :") {
            let fields: Vec<&str> = rest.split_whitespace().collect();
            if let [number, platform, bootable, emulation, _, _, sectors, _] = fields[..] {
                numbers.push(number.to_owned());
                entries.push(BootEntry {
                    platform: platform.into(),
                    bootable: bootable == "y",
                    emulation: emulation.into(),
                    load_sectors: sectors.parse().unwrap_or(0),
                    path: None,
                });
            }
        } else if let Some(rest) = line.strip_prefix("El Torito img path :")
            && let Some((number, path)) = rest.trim().split_once(char::is_whitespace)
            && let Some(index) = numbers.iter().position(|known| known == number)
        {
            entries[index].path = unquote(path);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Vec<String> {
        let text = "\
'/'
'/empty'
Report layout: xt , Startlba ,   Blocks , Filesize , ISO image path
File data lba:  0 ,       36 ,        1 ,        2 , '/it'\"'\"'s, a.txt'
File data lba:  0 ,       37 ,        2 ,     4096 , '/LiveOS/squashfs.img'
File data lba:  1 ,       39 ,        1 ,     2000 , '/LiveOS/squashfs.img'
File data lba:  0 ,       33 ,        0 ,        0 , '/empty'
File data lba:  0 ,       33 ,        0 ,        0 , '/\\303\\244\\t\\\\n'
El Torito catalog  : 34  1
El Torito cat path : /boot.catalog
El Torito images   :   N  Pltf  B   Emul  Ld_seg  Hdpt  Ldsiz         LBA
El Torito boot img :   1  BIOS  y   none  0x0000  0x00      4          35
El Torito boot img :   2  UEFI  y   none  0x0000  0x00  16384         117
El Torito img path :   1  /images/eltorito.img
El Torito img opts :   1  boot-info-table grub2-boot-info";
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn reads_the_boot_catalog() {
        let report = report();
        let entries = parse_el_torito(divide(&report).1);
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].platform, "BIOS");
        assert_eq!(entries[0].path.as_deref(), Some("images/eltorito.img"));
        assert_eq!(
            entries[1],
            BootEntry {
                platform: "UEFI".into(),
                bootable: true,
                emulation: "none".into(),
                load_sectors: 16384,
                path: None,
            }
        );
    }

    #[test]
    fn reads_where_the_files_lie() {
        let report = report();
        let entries = parse_entries(divide(&report).0).unwrap();
        let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(
            paths,
            ["LiveOS/squashfs.img", "empty", "it's, a.txt", "\u{e4}\t\\n"]
        );
        assert_eq!(entries[0].size(), 6096);
        assert_eq!(entries[0].contiguous(), Some(37 * 2048));
        assert_eq!(entries[1].size(), 0);
        let scattered = Entry {
            path: "x".into(),
            extents: vec![(0, 2048), (8192, 1)],
        };
        assert_eq!(scattered.contiguous(), None);
    }

    #[test]
    fn what_is_no_line_of_a_whole_report_is_refused() {
        for line in [
            "'/a",
            "'/a\\nb'",
            "'/a\\012b'",
            "'/a\\rb'",
            "'/a'b'",
            "File data lba:  0 , 36 , 1 , 2 , '/cut of",
            "File data lba:  0 , 36 , 1 , 2 , /bare",
            "File data lba:  0 , 99999999999999999999 , 1 , 2 , '/far'",
            "File data lba:  0 , 18446744073709551615 , 1 , 2 , '/far'",
            "something else",
        ] {
            assert_eq!(parse_entries(&[line.to_owned()]), Err(line));
        }
    }
}
