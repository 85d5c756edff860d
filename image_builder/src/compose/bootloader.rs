//! GRUB for BIOS and UEFI: its images, its menu, and the FAT image that UEFI firmware reads.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::ComposeError;
use super::layout::{INITRAMFS, KERNEL, Layout};
use crate::process::Invocation;
use crate::source_date::dated;
use crate::spec::Arch;

/// How an architecture boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// GRUB's platform for BIOS.
    pub bios: Option<&'static str>,
    /// GRUB's platform for UEFI.
    pub efi: &'static str,
    /// The file that UEFI firmware looks for on removable media
    /// ([UEFI specification, 3.5.1.1](https://uefi.org/specs/UEFI/2.10/03_Boot_Manager.html)).
    pub efi_file: &'static str,
}

/// A PC.
pub const PC: Platform = Platform {
    bios: Some("i386-pc"),
    efi: "x86_64-efi",
    efi_file: "BOOTX64.EFI",
};

/// The platform of `arch`, where the native engine can make one.
#[must_use]
pub fn platform(arch: Arch) -> Option<Platform> {
    match arch {
        Arch::X86_64 => Some(PC),
        Arch::I686 => Some(Platform {
            bios: Some("i386-pc"),
            efi: "i386-efi",
            efi_file: "BOOTIA32.EFI",
        }),
        Arch::Aarch64 => Some(Platform {
            bios: None,
            efi: "arm64-efi",
            efi_file: "BOOTAA64.EFI",
        }),
        // Open Firmware and IPL need other media; lorax makes them.
        Arch::Ppc64le | Arch::S390x => None,
    }
}

/// Modules that both loaders need to find the menu and start a kernel.
const MODULES: [&str; 17] = [
    "all_video",
    "boot",
    "configfile",
    "echo",
    "fat",
    "gzio",
    "halt",
    "iso9660",
    "linux",
    "ls",
    "normal",
    "part_gpt",
    "part_msdos",
    "reboot",
    "search",
    "search_label",
    "serial",
];

/// Where distributions install GRUB's modules.
pub const GRUB_MODULES: &str = "/usr/lib/grub";

/// The FAT image's size in KiB: several times the loader's.
const ESP_KIB: u32 = 8 * 1024;

/// Files that the commands of [`invocations`] read and leave, all in [`Layout::boot`].
#[derive(Debug, Clone)]
pub struct BootFiles {
    /// The few lines built into both loaders: find the medium, read its menu.
    pub early_config: PathBuf,
    /// GRUB for BIOS, started by El Torito.
    pub eltorito: PathBuf,
    /// GRUB for UEFI.
    pub efi: PathBuf,
    /// The FAT image that holds it.
    pub esp: PathBuf,
    /// What is in the FAT image in its place, read back.
    pub efi_in_esp: PathBuf,
}

impl BootFiles {
    /// The files of `layout`.
    #[must_use]
    pub fn of(layout: &Layout, platform: Platform) -> Self {
        let boot = layout.boot();
        Self {
            early_config: boot.join("early.cfg"),
            eltorito: boot.join("eltorito.img"),
            efi: boot.join(platform.efi_file),
            esp: boot.join("efiboot.img"),
            efi_in_esp: boot.join("read-back.efi"),
        }
    }
}

/// The commands that make the loaders and the FAT image. `mkimage` is the host's name for
/// grub-mkimage (Fedora: `grub2-mkimage`).
#[must_use]
pub fn invocations(mkimage: &str, layout: &Layout, platform: Platform) -> Vec<Invocation> {
    let files = BootFiles::of(layout, platform);
    let grub = |format: &str, output: &Path, extra: &[&str]| {
        Invocation::new(mkimage)
            .args(["-O", format, "-p", "/boot/grub2", "-c"])
            .path(&files.early_config)
            .arg("-o")
            .path(output)
            .args(MODULES)
            .args(extra.iter().copied())
    };
    let mut commands = Vec::new();
    if let Some(bios) = platform.bios {
        commands.push(grub(
            &format!("{bios}-eltorito"),
            &files.eltorito,
            &["biosdisk", "vga"],
        ));
    }
    commands.push(grub(platform.efi, &files.efi, &["efi_gop"]));
    commands.push(
        // Identical input gives an identical image: the id is fixed, the times are the format's.
        Invocation::new("mkfs.vfat")
            .args(["--invariant", "-n", "ESP", "-i", "46425331", "-C"])
            .path(&files.esp)
            .arg(ESP_KIB.to_string()),
    );
    commands.push(
        dated(Invocation::new("mmd"))
            .arg("-i")
            .path(&files.esp)
            .args(["::EFI", "::EFI/BOOT"]),
    );
    let mcopy = dated(Invocation::new("mcopy")).arg("-i").path(&files.esp);
    let inside = format!("::EFI/BOOT/{}", platform.efi_file);
    commands.push(mcopy.clone().path(&files.efi).arg(&inside));
    commands.push(mcopy.arg(&inside).path(&files.efi_in_esp));
    commands
}

/// Checks that the FAT image holds the loader: its tools may end with status 0 without.
///
/// # Errors
///
/// [`ComposeError::MissingArtifact`].
pub fn check_esp(files: &BootFiles) -> Result<(), ComposeError> {
    let read = |path: &Path| std::fs::read(path).unwrap_or_default();
    let (loader, found) = (read(&files.efi), read(&files.efi_in_esp));
    if loader.is_empty() || loader != found {
        let name = files.efi.file_name().unwrap_or_default();
        return Err(ComposeError::MissingArtifact {
            path: files.esp.join("EFI/BOOT").join(name),
        });
    }
    Ok(())
}

/// The configuration built into the loaders.
#[must_use]
pub fn early_config(volume_id: &str) -> String {
    format!(
        "search --no-floppy --set=root --label {volume_id}\n\
         set prefix=($root)/boot/grub2\n\
         configfile $prefix/grub.cfg\n"
    )
}

/// What the boot menu says and passes on.
#[derive(Debug, Clone, Copy)]
pub struct Menu<'a> {
    /// `Fedora 43`.
    pub title: &'a str,
    /// `Fedora`.
    pub product: &'a str,
    /// Seconds until the first entry starts by itself.
    pub timeout: u32,
    /// The ISO's volume id, by which the initramfs finds it.
    pub volume_id: &'a str,
    /// Arguments for the kernel on top of those that find the root.
    pub extra_args: &'a str,
    /// Whether the initramfs can check the medium (the release has `checkisomd5`).
    pub media_check: bool,
    /// The architecture, for the name of its serial console.
    pub arch: Arch,
}

/// The kernel's arguments for a plain start.
///
/// The serial console comes last, so that systemd reports there and machines can watch; the
/// screen gets the kernel's messages and a login prompt as well.
#[must_use]
pub fn kernel_args(menu: &Menu<'_>) -> String {
    let serial = match menu.arch {
        Arch::Aarch64 => "ttyAMA0",
        _ => "ttyS0,115200",
    };
    let mut args = format!(
        "root=live:CDLABEL={} rd.live.image rd.live.overlay.overlayfs=1 console=tty0 \
         console={serial}",
        menu.volume_id
    );
    if !menu.extra_args.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(args, " {}", menu.extra_args);
    }
    args
}

/// The menu, `boot/grub2/grub.cfg` on the ISO.
#[must_use]
pub fn menu(menu: &Menu<'_>) -> String {
    let args = kernel_args(menu);
    let title = quotable(menu.title);
    let mut text = format!(
        "set default=0\nset timeout={}\n\
         # Only where there is a serial port: without one the screen alone stays in use.\n\
         if serial --unit=0 --speed=115200; then\n  \
           terminal_input console serial\n  terminal_output console serial\nfi\n\n",
        menu.timeout
    );
    let entry = |name: &str, more: &str| {
        format!(
            "menuentry '{name}' --class os {{\n  linux /{KERNEL} {args}{more}\n  \
             initrd /{INITRAMFS}\n}}\n"
        )
    };
    text.push_str(&entry(&format!("Start {title}"), ""));
    if menu.media_check {
        let name = format!("Test this media and start {title}");
        text.push_str(&entry(&name, " rd.live.check"));
    }
    let name = format!("Start {title} in basic graphics mode");
    let product = quotable(menu.product);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "submenu 'Troubleshooting {product}' {{\n{}}}\n",
        entry(&name, " nomodeset")
    );
    text
}

/// What may stand between single quotes.
fn quotable(text: &str) -> String {
    let ends_them = |c: &char| matches!(c, '\'' | '\\');
    text.chars().filter(|c| !ends_them(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MENU: Menu<'static> = Menu {
        title: "Fedora 43",
        product: "Fedora",
        timeout: 3,
        volume_id: "Fedora-43-x86_64",
        extra_args: "",
        media_check: false,
        arch: Arch::X86_64,
    };

    #[test]
    fn a_pc_gets_two_loaders_and_an_esp() {
        let layout = Layout::new("/w");
        let lines: Vec<String> =
            invocations("grub-mkimage", &layout, platform(Arch::X86_64).unwrap())
                .iter()
                .map(ToString::to_string)
                .collect();
        assert_eq!(lines.len(), 6);
        assert!(lines[0].starts_with(
            "grub-mkimage -O i386-pc-eltorito -p /boot/grub2 -c /w/boot/early.cfg \
             -o /w/boot/eltorito.img all_video "
        ));
        assert!(lines[1].contains("-O x86_64-efi") && lines[1].contains("/w/boot/BOOTX64.EFI"));
        assert_eq!(
            lines[4],
            "SOURCE_DATE_EPOCH={source-date-epoch} TZ=UTC \
             mcopy -i /w/boot/efiboot.img /w/boot/BOOTX64.EFI ::EFI/BOOT/BOOTX64.EFI"
        );
        let back = "mcopy -i /w/boot/efiboot.img ::EFI/BOOT/BOOTX64.EFI /w/boot/read-back.efi";
        assert!(lines[5].ends_with(back), "{}", lines[5]);
    }

    #[test]
    fn arm_has_no_bios_and_its_own_console() {
        let platform = platform(Arch::Aarch64).unwrap();
        assert_eq!(
            invocations("grub-mkimage", &Layout::new("/w"), platform).len(),
            5
        );
        let args = kernel_args(&Menu {
            arch: Arch::Aarch64,
            ..MENU
        });
        assert!(args.ends_with("console=ttyAMA0"), "{args}");
    }

    #[test]
    fn the_menu_starts_the_kernel_of_this_medium() {
        let text = menu(&MENU);
        assert!(text.contains(
            "menuentry 'Start Fedora 43' --class os {\n  linux /images/pxeboot/vmlinuz \
             root=live:CDLABEL=Fedora-43-x86_64 rd.live.image rd.live.overlay.overlayfs=1 \
             console=tty0 console=ttyS0,115200\n  initrd /images/pxeboot/initrd.img\n}"
        ));
        assert!(!text.contains("rd.live.check"));
        let checked = menu(&Menu {
            media_check: true,
            extra_args: "enforcing=0",
            ..MENU
        });
        assert!(checked.contains("console=ttyS0,115200 enforcing=0 rd.live.check\n"));
    }

    #[test]
    fn a_title_cannot_end_its_quotes() {
        let text = menu(&Menu {
            title: "it's'; reboot",
            ..MENU
        });
        assert!(
            text.contains("menuentry 'Start its; reboot' --class"),
            "{text}"
        );
    }
}
