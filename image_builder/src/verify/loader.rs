//! The boot menu of an image, read to know whether a boot can be seen on the serial line.

use super::error::InspectError;
use super::firmware::Firmware;
use super::iso_image::IsoImage;
use super::qemu::GuestArch;

/// Where GRUB's menu may be, in the order in which a firmware comes to it.
const BIOS: &[&str] = &[
    "boot/grub2/grub.cfg",
    "boot/grub/grub.cfg",
    "EFI/BOOT/grub.cfg",
];
const UEFI: &[&str] = &[
    "EFI/BOOT/grub.cfg",
    "boot/grub2/grub.cfg",
    "boot/grub/grub.cfg",
];

/// One entry of a boot menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MenuEntry {
    /// Path of the kernel on the disc.
    pub(super) kernel: String,
    /// Paths of its initramfs images; the first is the one that matters.
    pub(super) initrds: Vec<String>,
    /// The kernel's arguments.
    pub(super) args: Vec<String>,
}

/// A menu, and which of its entries starts by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Menu {
    pub(super) entries: Vec<MenuEntry>,
    default: usize,
}

impl Menu {
    /// The menu that `firmware` comes to; `None` when there is none that we can read.
    pub(super) async fn read(
        image: &IsoImage,
        firmware: Firmware,
    ) -> Result<Option<Self>, InspectError> {
        let places = match firmware {
            Firmware::Bios => BIOS,
            Firmware::Uefi => UEFI,
        };
        for place in places {
            // A stub that only sources another file has no entries: look on.
            if let Some(text) = image.text(place).await?
                && let Some(menu) = Self::parse(&text)
            {
                return Ok(Some(menu));
            }
        }
        Ok(None)
    }

    /// Reads as much of GRUB's language as menus on images use.
    fn parse(text: &str) -> Option<Self> {
        let mut entries: Vec<MenuEntry> = Vec::new();
        let mut default = 0;
        for line in text.lines() {
            let mut words = line.split_whitespace().map(unquote);
            match words.next().as_deref() {
                Some("set") => {
                    if let Some(value) = words.next().as_deref().and_then(default_entry) {
                        default = value;
                    }
                }
                Some("linux" | "linuxefi" | "linux16") => {
                    if let Some(kernel) = words.next() {
                        entries.push(MenuEntry {
                            kernel: on_disc(&kernel),
                            initrds: Vec::new(),
                            args: words.collect(),
                        });
                    }
                }
                Some("initrd" | "initrdefi" | "initrd16") => {
                    if let Some(entry) = entries.last_mut() {
                        entry.initrds.extend(words.map(|path| on_disc(&path)));
                    }
                }
                _ => {}
            }
        }
        (!entries.is_empty()).then_some(Self { entries, default })
    }

    /// True when the entry that starts by itself has a console on a serial port. What stands in
    /// a GRUB variable is given the benefit of the doubt.
    pub(super) fn has_serial_console(&self) -> bool {
        let started = self.entries.get(self.default).or(self.entries.first());
        started.is_some_and(|entry| {
            entry.args.iter().any(|arg| {
                arg.starts_with("console=ttyS")
                    || arg.starts_with("console=ttyAMA")
                    || arg.contains('$')
            })
        })
    }
}

impl MenuEntry {
    /// The arguments for a boot past the loader: the entry's own with a console on the serial
    /// port, and without those that keep it silent.
    pub(super) fn command_line(&self, arch: GuestArch) -> String {
        let silent = |arg: &&String| !["quiet", "rhgb", "splash"].contains(&arg.as_str());
        let mut args: Vec<&str> = self
            .args
            .iter()
            .filter(silent)
            .map(String::as_str)
            .collect();
        args.push(arch.serial_console());
        args.join(" ")
    }
}

fn unquote(word: &str) -> String {
    word.replace(['"', '\''], "")
}

/// `default=1`; a title or `${saved_entry}` is not followed.
fn default_entry(assignment: &str) -> Option<usize> {
    assignment.strip_prefix("default=")?.parse().ok()
}

/// `($root)/images/vmlinuz` and `/images/vmlinuz` to `images/vmlinuz`.
fn on_disc(path: &str) -> String {
    let path = match path.strip_prefix('(').and_then(|p| p.split_once(')')) {
        Some((_device, path)) => path,
        None => path,
    };
    path.trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As lorax writes it, shortened.
    const LORAX: &str = r#"
set default="1"
function load_video {
  insmod all_video
}
set timeout=60
search --no-floppy --set=root -l 'Fedora-E-dvd-x86_64-43'
menuentry 'Install Fedora 43' --class fedora --class gnu-linux --class gnu --class os {
	linux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=Fedora-E-dvd-x86_64-43 quiet
	initrd /images/pxeboot/initrd.img
}
menuentry 'Test this media & install Fedora 43' --class fedora {
	linux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=Fedora-E-dvd-x86_64-43 rd.live.check quiet
	initrd /images/pxeboot/initrd.img
}
"#;

    #[test]
    fn the_menu_of_lorax_has_no_serial_console() {
        let menu = Menu::parse(LORAX).unwrap();
        assert!(!menu.has_serial_console());
        assert_eq!(menu.entries.len(), 2);
        assert_eq!(menu.entries[0].kernel, "images/pxeboot/vmlinuz");
        assert_eq!(menu.entries[0].initrds, ["images/pxeboot/initrd.img"]);
        assert_eq!(
            menu.entries[0].command_line(GuestArch::X86_64),
            "inst.stage2=hd:LABEL=Fedora-E-dvd-x86_64-43 console=ttyS0,115200"
        );
    }

    #[test]
    fn the_entry_that_starts_by_itself_decides() {
        let entry = |args: &str| {
            format!("menuentry x {{\n linux ($root)/vmlinuz {args}\n initrd (cd0)/initrd\n}}\n")
        };
        let two = |default: &str| {
            let text = format!("{default}{}{}", entry("a"), entry("console=ttyS0,115200"));
            Menu::parse(&text).unwrap()
        };
        assert!(!two("").has_serial_console());
        assert!(two("set default=1\n").has_serial_console());
        assert!(!two("set default=7\n").has_serial_console());
        assert!(!two("set default=\"${saved}\"\n").has_serial_console());
        assert!(Menu::parse(&entry("$args")).unwrap().has_serial_console());
        assert_eq!(two("").entries[1].initrds, ["initrd"]);
    }

    #[test]
    fn a_stub_is_no_menu() {
        assert_eq!(
            Menu::parse("search --set=root --file /x\nconfigfile /boot/grub2/grub.cfg\n"),
            None
        );
    }
}
