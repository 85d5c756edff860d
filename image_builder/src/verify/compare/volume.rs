//! What a disc says of itself beside its files: descriptor, boot catalog, master boot record and
//! partition table.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

use super::super::iso_image::BootEntry;
use super::super::volume::{SECTOR, implanted_md5};
use super::listing::Difference;
use crate::digest::hex;

/// Names and values, in their order.
pub(super) type Fields = Vec<(String, String)>;

/// Where a partition lies on the disc, in bytes.
type Extent = (u64, u64);

/// An EFI system partition, as the bytes of its type's GUID are in a table.
const ESP: &str = "28732ac11ff8d211ba4b00a0c93ec93b";

/// A partition that is larger than this has no checksum, in bytes.
const LARGEST: u64 = 1 << 30;

/// What the disc says of itself.
pub(super) fn fields(disc: &File, boot_entries: &[BootEntry]) -> io::Result<Fields> {
    let mut fields = Fields::new();
    let mut sector = [0; 2048];
    disc.read_exact_at(&mut sector, 16 * SECTOR)?;
    descriptor(&sector, &mut fields);
    for (number, entry) in boot_entries.iter().enumerate() {
        let path = entry.path.as_deref().unwrap_or("outside the file system");
        let text = format!(
            "{} {}, {} sectors, {path}{}",
            entry.platform,
            entry.emulation,
            entry.load_sectors,
            if entry.bootable { "" } else { ", not bootable" }
        );
        fields.push((format!("boot entry {}", number + 1), text));
    }
    let mut area = vec![0; 16 * 2048];
    disc.read_exact_at(&mut area, 0)?;
    let mut partitions = mbr(&area, &mut fields);
    partitions.extend(gpt(&area, disc, &mut fields)?);
    let size = disc.metadata()?.len();
    partitions.sort();
    partitions.dedup_by_key(|(_, extent)| *extent);
    for (name, (start, length)) in partitions {
        if length <= LARGEST && start.checked_add(length).is_some_and(|end| end <= size) {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            disc.read_exact_at(&mut bytes, start)?;
            fields.push((format!("{name} content"), hex(&Sha256::digest(&bytes))));
        }
    }
    Ok(fields)
}

/// The primary volume descriptor (ECMA-119, 8.4).
fn descriptor(sector: &[u8; 2048], fields: &mut Fields) {
    let text = |from: usize, to: usize| {
        let text = String::from_utf8_lossy(&sector[from..to]);
        text.trim_end_matches([' ', '\0']).to_owned()
    };
    // 16 digits, of which the last two are hundredths of a second, and a time zone.
    let time = |at: usize| match text(at, at + 16).trim_matches('0') {
        "" => "none".to_owned(),
        _ => text(at, at + 16),
    };
    let blocks = u32::from_le_bytes([sector[80], sector[81], sector[82], sector[83]]);
    for (name, value) in [
        ("system id", text(8, 40)),
        ("volume label", text(40, 72)),
        ("volume size", format!("{blocks} blocks")),
        ("volume set", text(190, 318)),
        ("publisher", text(318, 446)),
        ("preparer", text(446, 574)),
        ("application", text(574, 702)),
        ("creation date", time(813)),
        ("modification date", time(830)),
        ("expiration date", time(847)),
        ("effective date", time(864)),
    ] {
        fields.push((name.to_owned(), value));
    }
    let area = text(883, 1395);
    fields.push(match implanted_md5(&area) {
        Some(md5) => ("implanted MD5".to_owned(), md5),
        None => ("application area".to_owned(), area),
    });
}

/// The master boot record, as far as a disc has one. Gives its EFI system partitions.
fn mbr(area: &[u8], fields: &mut Fields) -> Vec<(String, Extent)> {
    if area[510..512] != [0x55, 0xaa] {
        return Vec::new();
    }
    let code = hex(&Sha256::digest(&area[..440]));
    fields.push(("MBR boot code".to_owned(), code));
    fields.push(("MBR disk id".to_owned(), hex(&area[440..444])));
    let mut found = Vec::new();
    for number in 0..4 {
        let entry = &area[446 + 16 * number..462 + 16 * number];
        let word = |at: usize| {
            u64::from(u32::from_le_bytes([
                entry[at],
                entry[at + 1],
                entry[at + 2],
                entry[at + 3],
            ]))
        };
        let (kind, start, count) = (entry[4], word(8), word(12));
        if kind == 0 {
            continue;
        }
        let name = format!("MBR partition {}", number + 1);
        let text = format!("type {kind:02x}, {count} sectors from {start}");
        fields.push((name.clone(), text));
        if kind == 0xef {
            found.push((name, (start * 512, count * 512)));
        }
    }
    found
}

/// The GUID partition table (UEFI specification, 5.3), as far as a disc has one. Gives its EFI system
/// partitions.
fn gpt(area: &[u8], disc: &File, fields: &mut Fields) -> io::Result<Vec<(String, Extent)>> {
    let header = &area[512..604];
    if &header[..8] != b"EFI PART" {
        return Ok(Vec::new());
    }
    let word = |bytes: &[u8], at: usize| {
        bytes[at..at + 8]
            .iter()
            .rev()
            .fold(0_u64, |word, byte| word << 8 | u64::from(*byte))
    };
    fields.push(("GPT disk GUID".to_owned(), guid(&header[56..72])));
    let (table, count, size) = (word(header, 72), header[80], header[84]);
    let mut found = Vec::new();
    for number in 0..u64::from(count) {
        let mut entry = [0; 128];
        let at = (table.checked_mul(512)).and_then(|at| at.checked_add(number * u64::from(size)));
        let Some(at) = at.filter(|_| size >= 128) else {
            break;
        };
        disc.read_exact_at(&mut entry, at)?;
        if entry[..16] == [0; 16] {
            continue;
        }
        let (first, last) = (word(&entry, 32), word(&entry, 40));
        let units: Vec<u16> = entry[56..]
            .chunks(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .take_while(|unit| *unit != 0)
            .collect();
        let name = format!("GPT partition {}", number + 1);
        let text = format!(
            "{:?}, type {}, GUID {}, sectors {first} to {last}",
            String::from_utf16_lossy(&units),
            guid(&entry[..16]),
            guid(&entry[16..32])
        );
        fields.push((name.clone(), text));
        if hex(&entry[..16]) == ESP && last >= first {
            let extent = first
                .checked_mul(512)
                .zip((last - first + 1).checked_mul(512));
            found.extend(extent.map(|extent| (name, extent)));
        }
    }
    Ok(found)
}

/// The first three fields of a GUID are little-endian.
fn guid(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, at) in [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
        .iter()
        .enumerate()
    {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{:02x}", bytes[*at]);
    }
    text
}

/// Where two discs differ in what they say of themselves.
pub(super) fn compare(old: &Fields, new: &Fields) -> Vec<Difference> {
    let value = |fields: &Fields, name: &str| {
        let mut found = fields.iter().filter(|(other, _)| other == name);
        found.next().map(|(_, value)| value.clone())
    };
    let only_new = new.iter().filter(|(name, _)| value(old, name).is_none());
    let names = old.iter().chain(only_new).map(|(name, _)| name);
    names
        .filter_map(|name| {
            let (old, new) = (value(old, name), value(new, name));
            Difference::of(name, old.as_ref(), new.as_ref(), String::clone)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Fields {
        let owned = fields
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        owned.collect()
    }

    #[test]
    fn only_what_differs_is_told() {
        let old = fields(&[
            ("volume label", "A"),
            ("creation date", "1"),
            ("MBR disk id", "x"),
        ]);
        let new = fields(&[
            ("volume label", "B"),
            ("creation date", "1"),
            ("GPT disk GUID", "y"),
        ]);
        let told: Vec<_> = compare(&old, &new)
            .into_iter()
            .map(|one| (one.what, one.old, one.new))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            told,
            [
                ("volume label".to_owned(), text("A"), text("B")),
                ("MBR disk id".to_owned(), text("x"), None),
                ("GPT disk GUID".to_owned(), None, text("y")),
            ]
        );
    }

    #[test]
    fn a_guid_is_written_as_everywhere() {
        let bytes: Vec<u8> = (0..16)
            .map(|at| u8::from_str_radix(&ESP[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        assert_eq!(guid(&bytes), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    }
}
