//! Boot loaders that find the medium by its label, which is built into them.
//!
//! GRUB for UEFI holds its first configuration as plain text. GRUB for BIOS is compressed: behind
//! two sectors of start-up code comes a small program that unpacks the rest, with the sizes in its
//! head (`include/grub/offsets.h` of GRUB, `GRUB_DECOMPRESSOR_I386_PC_*`).

use std::path::Path;

use super::boot_config;
use super::error::RespinError;
use crate::compose::bootloader;
use crate::context::BuildContext;
use crate::process::Invocation;

/// What starts an El Torito image of GRUB: `cdboot.img`, then `diskboot.img`.
const BOOT_CODE: usize = 2048 + 512;

/// The dictionary that `grub-mkimage` compresses with, and its other parameters (lc 3, lp 0, pb 2).
const DICTIONARY: u32 = 1 << 16;
const PARAMETERS: u8 = 0x5d;

/// No core of GRUB is larger.
const LARGEST_CORE: u32 = 16 * 1024 * 1024;

/// What a boot loader has to do with a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finds {
    /// It does not know it.
    Otherwise,
    /// It looks for it as the loaders of the native engine do, and as nothing else does.
    AsOurs,
    /// It has it in it.
    ByLabel,
}

/// Whether the loader in `bytes` looks for `label`. `work` is a folder for what must be unpacked.
pub(super) async fn examine(
    ctx: &BuildContext,
    bytes: &[u8],
    label: &str,
    work: &Path,
) -> Result<Finds, RespinError> {
    let found = finds(bytes, label);
    match lzma_of(bytes) {
        Some(lzma) if found == Finds::Otherwise => {
            let core = unpack(ctx, &lzma, work).await?;
            Ok(finds(&core, label))
        }
        _ => Ok(found),
    }
}

fn finds(bytes: &[u8], label: &str) -> Finds {
    if contains(bytes, bootloader::early_config(label).as_bytes()) {
        return Finds::AsOurs;
    }
    let known = boot_config::forms(label);
    match known.iter().any(|form| contains(bytes, form.as_bytes())) {
        true => Finds::ByLabel,
        false => Finds::Otherwise,
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The compressed part of GRUB for BIOS as a file of `xz --format=lzma`; `None` for another loader.
fn lzma_of(image: &[u8]) -> Option<Vec<u8>> {
    let core = image.get(BOOT_CODE..)?;
    let word = |at: usize| Some(u32::from_le_bytes(core.get(at..at + 4)?.try_into().ok()?));
    let (packed, unpacked) = (word(8)?, word(12)?);
    let start = core.len().checked_sub(usize::try_from(packed).ok()?)?;
    // The unpacking program lies between.
    let plausible = start > 64 && packed > 0 && (packed..LARGEST_CORE).contains(&unpacked);
    if !plausible {
        return None;
    }
    let mut lzma = vec![PARAMETERS];
    lzma.extend(DICTIONARY.to_le_bytes());
    lzma.extend(u64::from(unpacked).to_le_bytes());
    lzma.extend(&core[start..]);
    Some(lzma)
}

async fn unpack(ctx: &BuildContext, lzma: &[u8], work: &Path) -> Result<Vec<u8>, RespinError> {
    let (packed, core) = (work.join("core.lzma"), work.join("core"));
    std::fs::write(&packed, lzma).map_err(RespinError::io(&packed))?;
    let xz = Invocation::new("xz")
        .args(["--decompress", "--force", "--format=lzma", "--"])
        .path(&packed);
    ctx.run(&xz).await?;
    std::fs::read(&core).map_err(RespinError::io(&core))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_of_ours_is_known_by_its_words() {
        let ours = format!("MZ\0{}\0", bootloader::early_config("F-43"));
        assert_eq!(finds(ours.as_bytes(), "F-43"), Finds::AsOurs);
        // One label may be the beginning of another.
        assert_eq!(finds(ours.as_bytes(), "F-4"), Finds::ByLabel);
        assert_eq!(finds(ours.as_bytes(), "F-44"), Finds::Otherwise);
        assert_eq!(finds(b"search -l 'F-43'", "F-43"), Finds::ByLabel);
    }

    #[tokio::test]
    async fn the_compressed_loader_is_looked_into() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("early.cfg");
        std::fs::write(&config, bootloader::early_config("Label-1")).unwrap();
        let image = dir.path().join("eltorito.img");
        let ctx = BuildContext::default();
        let mkimage = ["grub2-mkimage", "grub-mkimage"];
        let mkimage = mkimage.iter().find(|name| which::which(name).is_ok());
        let make = Invocation::new(*mkimage.unwrap())
            .args(["-O", "i386-pc-eltorito", "-p", "/boot/grub2", "-c"])
            .path(&config)
            .arg("-o")
            .path(&image)
            .args(["iso9660", "biosdisk", "search_label", "normal"]);
        ctx.run(&make).await.unwrap();
        let bytes = std::fs::read(&image).unwrap();
        assert!(!contains(&bytes, b"Label-1"));
        for (label, expected) in [("Label-1", Finds::AsOurs), ("Label-2", Finds::Otherwise)] {
            let found = examine(&ctx, &bytes, label, dir.path()).await.unwrap();
            assert_eq!(found, expected, "{label}");
        }
        // What is no GRUB is taken as it is.
        assert_eq!(lzma_of(&[0; 8192]), None);
        assert_eq!(lzma_of(b"short"), None);
    }
}
