//! The image that is to be changed, as far as a respin looks at it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::boot_config::{self, Dialect};
use super::error::RespinError;
use crate::context::BuildContext;
use crate::process::Invocation;
use crate::spec::Arch;
use crate::verify::{Entry, InspectError, IsoImage};

/// Bytes of a sector.
const SECTOR: u64 = 2048;

/// Larger ones are no boot loader.
const LARGEST_LOADER: u64 = 32 * 1024 * 1024;

/// An image, read.
#[derive(Debug)]
pub(super) struct Medium {
    pub(super) image: IsoImage,
    /// Every file, folder and link, relative to the root.
    paths: BTreeSet<String>,
    /// The menus of boot loaders by their paths.
    pub(super) menus: BTreeMap<String, String>,
    /// The UEFI partition, if the image boots by UEFI.
    pub(super) esp: Option<Esp>,
    /// The commands by which xorriso makes what the image boots by, one after the other.
    pub(super) boot: Vec<String>,
    /// Whether Windows' tree of names is on it, too.
    pub(super) joliet: bool,
    /// What `.discinfo` says.
    pub(super) arch: Option<Arch>,
}

/// The FAT image that UEFI firmware reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Esp {
    /// Where it begins, in bytes.
    pub(super) start: u64,
    /// Its size in bytes.
    pub(super) size: u64,
    pub(super) place: EspPlace,
}

/// How the image refers to its UEFI partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EspPlace {
    /// It is a file of the image.
    File(String),
    /// It is a partition behind the files, with this number.
    Partition(u32),
    /// Neither: El Torito alone knows it.
    Hidden,
}

impl Medium {
    /// Reads the image at `path`.
    pub(super) async fn read(ctx: &BuildContext, path: &Path) -> Result<Self, RespinError> {
        let image = IsoImage::open(ctx, path).await.map_err(cancelled)?;
        let report = ctx.query(&listing(&image.path)).await;
        let report = report.map_err(|error| cancelled(InspectError::command(path, error)))?;
        let mut medium = Self {
            paths: parse_paths(&report),
            esp: parse_esp(&report),
            boot: parse_boot(&report),
            joliet: has_joliet(&image.path).map_err(RespinError::io(path))?,
            menus: BTreeMap::new(),
            arch: None,
            image,
        };
        let menus: Vec<Entry> = (medium.image.entries.iter())
            .filter(|entry| Dialect::of(&entry.path).is_some())
            .cloned()
            .collect();
        for entry in menus {
            if let Some(text) = medium.image.text(&entry.path).await.map_err(cancelled)? {
                medium.menus.insert(entry.path, text);
            }
        }
        let discinfo = medium.image.text(".discinfo").await.map_err(cancelled)?;
        medium.arch = discinfo.and_then(|text| text.lines().nth(2)?.trim().parse().ok());
        Ok(medium)
    }

    pub(super) fn label(&self) -> &str {
        &self.image.volume.id
    }

    /// Whether there is anything at `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// Whether there is a folder at `path`.
    pub(super) fn has_folder(&self, path: &str) -> bool {
        self.has(path) && self.image.entry(path).is_none()
    }

    /// Whether the image boots from the file at `path`: a loader, its menu, or what that starts.
    pub(super) fn boots_from(&self, path: &str) -> bool {
        let lower = path.to_ascii_lowercase();
        let below = ["efi/", "boot/grub", "isolinux/", "syslinux/", "liveos/"];
        let known = [
            "images/install.img",
            "images/efiboot.img",
            "images/eltorito.img",
            "boot.catalog",
            ".discinfo",
            ".treeinfo",
        ];
        below.iter().any(|folder| lower.starts_with(folder))
            || known.contains(&lower.as_str())
            || Dialect::of(path).is_some()
            || self
                .image
                .boot_entries
                .iter()
                .any(|entry| entry.path.as_deref() == Some(path))
            || self.menus.iter().any(|(menu, text)| {
                let beside = menu.rsplit_once('/').map_or("", |(folder, _)| folder);
                boot_config::loaded(text)
                    .iter()
                    .any(|loaded| loaded == path || format!("{beside}/{loaded}") == path)
            })
    }

    /// Whether a kernel line of the image starts anaconda, which alone knows `inst.` arguments.
    pub(super) fn starts_installer(&self) -> bool {
        self.menus
            .values()
            .any(|text| text.contains("inst.stage2") || text.contains("inst.repo"))
            || self.has("images/install.img")
    }

    /// The loaders among the files, with their bytes: what El Torito starts on a BIOS, and
    /// whatever UEFI may start.
    pub(super) async fn loaders(&self) -> Result<Vec<(String, Vec<u8>)>, RespinError> {
        let started = |path: &str| {
            let boots = |entry: &crate::verify::BootEntry| entry.path.as_deref() == Some(path);
            self.image.boot_entries.iter().any(boots)
        };
        let mut loaders = Vec::new();
        for entry in &self.image.entries {
            let is_efi = entry.path.to_ascii_lowercase().ends_with(".efi");
            let is_esp = self
                .esp
                .as_ref()
                .is_some_and(|esp| esp.place == EspPlace::File(entry.path.clone()));
            if (is_efi || started(&entry.path)) && !is_esp && entry.size() <= LARGEST_LOADER {
                let bytes = self
                    .image
                    .read(entry, 0, LARGEST_LOADER)
                    .await
                    .map_err(cancelled)?;
                loaders.push((entry.path.clone(), bytes));
            }
        }
        Ok(loaders)
    }

    /// Copies the UEFI partition out.
    pub(super) async fn copy_esp(&self, esp: &Esp, to: &Path) -> Result<(), RespinError> {
        let entry = Entry {
            path: String::new(),
            extents: vec![(esp.start, esp.size)],
        };
        self.image.copy_out(&entry, to).await.map_err(cancelled)
    }
}

/// An inspection that was stopped is a respin that was stopped.
pub(super) fn cancelled(error: InspectError) -> RespinError {
    match error {
        InspectError::Cancelled => RespinError::Cancelled,
        InspectError::WorkDir { path, source } => RespinError::io(&path)(source),
        error => error.into(),
    }
}

fn listing(path: &Path) -> Invocation {
    Invocation::new("xorriso")
        .args(["-no_rc", "-indev"])
        .arg(format!("stdio:{}", path.display()))
        .args(["-report_el_torito", "plain", "-report_system_area", "plain"])
        .args(["-report_el_torito", "cmd"])
        .args(["-find", "/"])
}

/// Whether one of the volume descriptors is Joliet's: a supplementary one with an escape sequence
/// of UCS-2.
fn has_joliet(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let image = std::fs::File::open(path)?;
    let mut sector = [0; 2048];
    // The terminator comes long before.
    for number in 16..32 {
        image.read_exact_at(&mut sector, number * SECTOR)?;
        match sector[0] {
            2 if sector[88..90] == *b"%/" => return Ok(true),
            255 => break,
            _ => {}
        }
    }
    Ok(false)
}

/// `'/EFI/BOOT/grub.cfg'`, quoted for a shell.
fn parse_paths(report: &[String]) -> BTreeSet<String> {
    let quoted = report.iter().filter(|line| line.starts_with("'/"));
    quoted
        .filter_map(|line| {
            Some(
                shlex::split(line)?
                    .pop()?
                    .trim_start_matches('/')
                    .to_owned(),
            )
        })
        .collect()
}

/// `-boot_image grub bin_path='/images/eltorito.img'`. The label is not a matter of booting.
fn parse_boot(report: &[String]) -> Vec<String> {
    let commands = report.iter().filter(|line| line.starts_with('-'));
    let commands = commands.filter(|line| !line.starts_with("-volid "));
    commands
        .filter_map(|line| shlex::split(line))
        .flatten()
        .collect()
}

/// The image that El Torito has for UEFI:
///
/// ```text
/// El Torito boot img :   2  UEFI  y   none  0x0000  0x00  16384       53743
/// El Torito img blks :   2  4096
/// GPT start and size :   2  214972  16384
/// ```
fn parse_esp(report: &[String]) -> Option<Esp> {
    let after = |line: &str, start: &str| -> Option<Vec<String>> {
        let rest = line.strip_prefix(start)?;
        Some(rest.split_whitespace().map(str::to_owned).collect())
    };
    let rows = |start: &'static str| report.iter().filter_map(move |line| after(line, start));
    let entry = rows("El Torito boot img :").find(|row| row.get(1).is_some_and(|p| p == "UEFI"))?;
    let number = entry.first()?;
    let of_it = |row: &Vec<String>| row.first() == Some(number);
    let lba: u64 = entry.last()?.parse().ok()?;
    let blocks = rows("El Torito img blks :").find(of_it);
    let blocks: Option<u64> = blocks.and_then(|row| row.get(1)?.parse().ok());
    let loaded: u64 = entry.get(6)?.parse().ok()?;
    let path = report.iter().find_map(|line| {
        let rest = line.strip_prefix("El Torito img path :")?.trim();
        let (of, path) = rest.split_once(char::is_whitespace)?;
        (of == number)
            .then(|| shlex::split(path.trim())?.pop())
            .flatten()
    });
    // Both count blocks of 512 bytes.
    let gpt = rows("GPT start and size :").map(|row| (row.first().cloned(), row.get(1).cloned()));
    let mbr = rows("MBR partition      :").map(|row| (row.first().cloned(), row.get(3).cloned()));
    let partition = gpt.chain(mbr).find_map(|(number, start)| {
        let start: u64 = start?.parse().ok()?;
        (start * 512 == lba * SECTOR)
            .then(|| number?.parse().ok())
            .flatten()
    });
    Some(Esp {
        start: lba * SECTOR,
        size: blocks.map_or(loaded * 512, |blocks| blocks * SECTOR),
        place: match (path, partition) {
            (Some(path), _) => EspPlace::File(path.trim_start_matches('/').to_owned()),
            (None, Some(number)) => EspPlace::Partition(number),
            (None, None) => EspPlace::Hidden,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    const APPENDED: &str = "\
El Torito boot img :   1  BIOS  y   none  0x0000  0x00      4          79
El Torito boot img :   2  UEFI  y   none  0x0000  0x00  16384       53743
El Torito img path :   1  /images/eltorito.img
El Torito img blks :   2  4096
MBR partition      :   1   0x00  0xee            1       232019
GPT start and size :   1  64  214908
GPT start and size :   2  214972  16384";

    #[test]
    fn the_uefi_partition_is_found_behind_the_files() {
        let esp = parse_esp(&lines(APPENDED)).unwrap();
        assert_eq!((esp.start, esp.size), (53743 * 2048, 8 * 1024 * 1024));
        assert_eq!(esp.place, EspPlace::Partition(2));
    }

    #[test]
    fn the_uefi_partition_is_found_as_a_file() {
        let text = "\
El Torito boot img :   2  UEFI  y   none  0x0000  0x00  19544         117
El Torito img path :   2  '/images/efi boot.img'";
        let esp = parse_esp(&lines(text)).unwrap();
        assert_eq!((esp.start, esp.size), (117 * 2048, 19544 * 512));
        assert_eq!(esp.place, EspPlace::File("images/efi boot.img".into()));
        let alone = text.lines().next().unwrap();
        assert_eq!(parse_esp(&lines(alone)).unwrap().place, EspPlace::Hidden);
        assert_eq!(
            parse_esp(&lines("El Torito boot img : 1 BIOS y none 0 0 4 79")),
            None
        );
    }

    #[test]
    fn what_the_image_boots_by_can_be_made_again() {
        let report = lines(
            "El Torito cat path : /boot.catalog\n-volid 'F 43'\n\
             -boot_image grub bin_path='/images/el torito.img'\n-boot_image any next",
        );
        let words = [
            "-boot_image",
            "grub",
            "bin_path=/images/el torito.img",
            "-boot_image",
            "any",
            "next",
        ];
        assert_eq!(parse_boot(&report), words);
    }

    #[test]
    fn names_are_unquoted() {
        let paths = parse_paths(&lines(
            "'/'\n'/it'\"'\"'s, a'\nVolume id : 'x'\n'/EFI/BOOT'",
        ));
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        assert_eq!(paths, ["", "EFI/BOOT", "it's, a"]);
    }
}
