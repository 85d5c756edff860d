//! A new label in boot loaders that have the old one built in.
//!
//! The native engine's loaders find their menu by the medium's label. They are made anew, as the
//! engine makes them; other loaders that have it built in are left alone, and so is the image.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::RespinError;
use super::esp::{EspFiles, set_time};
use super::loader::{self, Finds};
use super::medium::Medium;
use crate::compose::bootloader::{self, BootFiles, GRUB_MODULES, Platform};
use crate::compose::layout::Layout;
use crate::context::BuildContext;
use crate::process::CommandError;
use crate::spec::Arch;

/// The names that grub-mkimage has.
const MKIMAGE: [&str; 2] = ["grub2-mkimage", "grub-mkimage"];

/// Boot loaders that look for another label now.
#[derive(Debug, Default)]
pub(super) struct Rebuilt {
    /// New loaders and their paths on the image.
    pub(super) files: Vec<(PathBuf, String)>,
    /// Those in the UEFI partition, which has them already.
    pub(super) in_esp: Vec<String>,
}

/// Sees which loaders look for the medium's label, and makes them look for `label`.
pub(super) async fn relabel(
    ctx: &BuildContext,
    medium: &Medium,
    esp: Option<&EspFiles>,
    label: &str,
    work: &Path,
    time: Option<SystemTime>,
) -> Result<Rebuilt, RespinError> {
    let old = medium.label();
    let cannot = |loader: &str, problem: &str| RespinError::Loader {
        loader: format!("/{loader}"),
        label: old.to_owned(),
        problem: problem.to_owned(),
    };
    let foreign = "it was not made by this program, and its makers know how it is changed";
    let mut on_image = Vec::new();
    for (path, bytes) in medium.loaders().await? {
        match loader::examine(ctx, &bytes, old, work).await? {
            Finds::Otherwise => {}
            Finds::AsOurs => on_image.push(path),
            Finds::ByLabel => return Err(cannot(&path, foreign)),
        }
    }
    let mut in_esp = Vec::new();
    for path in esp.map_or(&[] as &[String], |esp| &esp.paths) {
        if !path.to_ascii_lowercase().ends_with(".efi") {
            continue;
        }
        let bytes = esp_read(ctx, esp, path).await?;
        match loader::examine(ctx, &bytes, old, work).await? {
            Finds::Otherwise => {}
            Finds::AsOurs => in_esp.push(path.clone()),
            Finds::ByLabel => return Err(cannot(path, foreign)),
        }
    }
    if on_image.is_empty() && in_esp.is_empty() {
        return Ok(Rebuilt::default());
    }
    let all = || on_image.iter().chain(&in_esp);
    let platform = platform_of(all()).unwrap_or(bootloader::PC);
    let made = make(ctx, platform, label, work).await?;
    let new_of = |path: &String| -> Result<PathBuf, RespinError> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_bios = (medium.image.boot_entries.iter())
            .any(|entry| entry.platform == "BIOS" && entry.path.as_ref() == Some(path));
        if name.eq_ignore_ascii_case(platform.efi_file) {
            Ok(made.efi.clone())
        } else if is_bios && platform.bios.is_some() {
            Ok(made.eltorito.clone())
        } else {
            Err(cannot(
                path,
                "it is neither of the loaders that this program makes",
            ))
        }
    };
    let mut rebuilt = Rebuilt::default();
    for path in &on_image {
        let new = new_of(path)?;
        set_time(&new, time)?;
        rebuilt.files.push((new, path.clone()));
    }
    for path in in_esp {
        let new = new_of(&path)?;
        let bytes = std::fs::read(&new).map_err(RespinError::io(&new))?;
        if let Some(esp) = esp {
            esp.replace(ctx, &path, &bytes, time).await?;
        }
        rebuilt.in_esp.push(path);
    }
    Ok(rebuilt)
}

async fn esp_read(
    ctx: &BuildContext,
    esp: Option<&EspFiles>,
    path: &str,
) -> Result<Vec<u8>, RespinError> {
    match esp {
        Some(esp) => esp.read(ctx, path).await,
        None => Ok(Vec::new()),
    }
}

/// The platform whose UEFI loader is among `paths`.
fn platform_of<'a>(mut paths: impl Iterator<Item = &'a String>) -> Option<Platform> {
    let platforms: Vec<Platform> = Arch::ALL
        .iter()
        .filter_map(|arch| bootloader::platform(*arch))
        .collect();
    paths.find_map(|path| {
        let name = path.rsplit('/').next()?;
        let same = |platform: &&Platform| platform.efi_file.eq_ignore_ascii_case(name);
        platforms.iter().find(same).copied()
    })
}

/// Makes the loaders of `platform` for `label`.
async fn make(
    ctx: &BuildContext,
    platform: Platform,
    label: &str,
    work: &Path,
) -> Result<BootFiles, RespinError> {
    let mkimage = MKIMAGE.iter().find(|name| which::which(name).is_ok());
    let mkimage = mkimage.ok_or_else(|| CommandError::NotFound {
        program: MKIMAGE[1].to_owned(),
    })?;
    for name in platform.bios.iter().chain([&platform.efi]) {
        let folder = Path::new(GRUB_MODULES).join(name);
        if !folder.is_dir() {
            return Err(RespinError::NoModules { folder });
        }
    }
    let layout = Layout::new(work.join("loaders"));
    let files = BootFiles::of(&layout, platform);
    std::fs::create_dir_all(layout.boot()).map_err(RespinError::io(&layout.boot()))?;
    std::fs::write(&files.early_config, bootloader::early_config(label))
        .map_err(RespinError::io(&files.early_config))?;
    // The others make a UEFI partition, which the image has.
    let commands = bootloader::invocations(mkimage, &layout, platform);
    for command in commands
        .iter()
        .filter(|command| command.program == **mkimage)
    {
        ctx.run(command).await?;
    }
    let made = [Some(&files.efi), platform.bios.map(|_| &files.eltorito)];
    for file in made.into_iter().flatten() {
        if file.metadata().map_or(0, |metadata| metadata.len()) == 0 {
            return Err(RespinError::Result {
                program: "grub-mkimage",
                problem: format!("{} is not there", file.display()),
            });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uefi_loader_tells_the_platform() {
        let of = |path: &str| platform_of([path.to_owned()].iter()).map(|platform| platform.efi);
        assert_eq!(of("EFI/BOOT/BOOTX64.EFI"), Some("x86_64-efi"));
        assert_eq!(of("efi/boot/bootaa64.efi"), Some("arm64-efi"));
        assert_eq!(of("images/eltorito.img"), None);
    }
}
