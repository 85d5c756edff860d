//! The virtual machine of a boot test, as a QEMU command line.
//!
//! Options: <https://www.qemu.org/docs/master/system/invocation.html>.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::process::Invocation;
use crate::spec::Arch;

/// The architecture of the guest.
///
/// Only x86_64 has been tested; the aarch64 command line follows QEMU's documentation of the
/// `virt` board and has not been run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuestArch {
    /// 64-bit PC.
    X86_64,
    /// 64-bit Arm; UEFI only.
    Aarch64,
}

impl GuestArch {
    /// The guest that boots images of `arch`; nothing where no boot test is made for it.
    #[must_use]
    pub fn of(arch: Arch) -> Option<Self> {
        match arch {
            Arch::X86_64 | Arch::I686 => Some(GuestArch::X86_64),
            Arch::Aarch64 => Some(GuestArch::Aarch64),
            Arch::Ppc64le | Arch::S390x => None,
        }
    }

    /// The name as RPM and the kernel have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            GuestArch::X86_64 => "x86_64",
            GuestArch::Aarch64 => "aarch64",
        }
    }

    /// The QEMU program that runs it.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            GuestArch::X86_64 => "qemu-system-x86_64",
            GuestArch::Aarch64 => "qemu-system-aarch64",
        }
    }

    /// The packages that bring the program, for an error message.
    #[must_use]
    pub(super) fn packages(self) -> &'static str {
        match self {
            GuestArch::X86_64 => "qemu-system-x86-core (Fedora) or qemu-system-x86 (Debian)",
            GuestArch::Aarch64 => "qemu-system-aarch64-core (Fedora) or qemu-system-arm (Debian)",
        }
    }

    /// The kernel argument that puts the console on the machine's serial port.
    #[must_use]
    pub(super) fn serial_console(self) -> &'static str {
        match self {
            GuestArch::X86_64 => "console=ttyS0,115200",
            GuestArch::Aarch64 => "console=ttyAMA0,115200",
        }
    }
}

impl fmt::Display for GuestArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for GuestArch {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "x86_64" => Ok(GuestArch::X86_64),
            "aarch64" => Ok(GuestArch::Aarch64),
            other => Err(format!(
                "no boot test for `{other}`: x86_64 and aarch64 can be booted"
            )),
        }
    }
}

/// How QEMU runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// On the processor itself.
    Kvm,
    /// Translated: works everywhere, some ten times slower.
    Tcg,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        })
    }
}

/// UEFI for one run: the host's code and this run's variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flash {
    pub(super) code: PathBuf,
    pub(super) vars: PathBuf,
    pub(super) format: &'static str,
}

/// A kernel that QEMU loads itself, past the boot loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DirectKernel {
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
    pub(super) command_line: String,
}

/// Where QEMU connects to when it starts: unix sockets that are listened on already, so that not
/// one byte of the console is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sockets {
    /// The first serial port.
    pub(super) serial: PathBuf,
    /// The machine protocol.
    pub(super) qmp: PathBuf,
    /// What `SeaBIOS` says to its debug port: its "No bootable device." reaches no serial port.
    pub(super) bios_debug: Option<PathBuf>,
}

/// A machine with the ISO in its drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) arch: GuestArch,
    pub(super) accelerator: Accelerator,
    pub(super) memory_mib: u32,
    pub(super) iso: PathBuf,
    /// UEFI; the built-in BIOS when absent.
    pub(super) flash: Option<Flash>,
    pub(super) direct: Option<DirectKernel>,
    pub(super) sockets: Sockets,
}

impl Machine {
    pub(super) fn invocation(&self) -> Invocation {
        let mut qemu = Invocation::new(self.arch.program())
            .args(["-nodefaults", "-no-user-config", "-machine"])
            .arg(self.board())
            .args(self.processor())
            .args(["-m", &self.memory_mib.to_string()])
            .args(["-display", "none", "-monitor", "none", "-net", "none"])
            // A guest that stops stays on the screen until the screenshot is taken.
            .args(["-no-reboot", "-no-shutdown"])
            .args(socket("serial", &self.sockets.serial))
            .args(["-serial", "chardev:serial"])
            .args(socket("qmp", &self.sockets.qmp))
            .args(["-mon", "chardev=qmp,mode=control"]);
        if let Some(path) = &self.sockets.bios_debug {
            qemu = qemu
                .args(socket("debug", path))
                .args(["-device", "isa-debugcon,iobase=0x402,chardev=debug"]);
        }
        if let Some(flash) = &self.flash {
            qemu = qemu
                .arg("-drive")
                .arg(pflash(0, flash.format, ",readonly=on", &flash.code))
                .arg("-drive")
                // They go with the test: flushing them to a busy disk could take half a minute.
                .arg(pflash(1, flash.format, ",cache=unsafe", &flash.vars));
        }
        // The format is named: probing would take an image with a qcow2 header for one, and open
        // the file of this host that it names.
        let image = format!(
            "media=cdrom,format=raw,readonly=on,file={}",
            escape(&self.iso)
        );
        qemu = match self.arch {
            GuestArch::X86_64 => qemu
                .args(["-vga", "std"])
                .arg("-drive")
                .arg(format!("if=ide,index=2,{image}")),
            GuestArch::Aarch64 => qemu
                .args(["-device", "virtio-gpu-pci", "-device", "virtio-scsi-pci"])
                .arg("-drive")
                .arg(format!("if=none,id=cd,{image}"))
                .args(["-device", "scsi-cd,drive=cd"]),
        };
        match &self.direct {
            None => qemu.args(["-boot", "d"]),
            Some(direct) => qemu
                .arg("-kernel")
                .path(&direct.kernel)
                .arg("-initrd")
                .path(&direct.initrd)
                .args(["-append", &direct.command_line]),
        }
    }

    /// The i440fx board: its IDE CD drive is one that every kernel and initramfs knows.
    fn board(&self) -> &'static str {
        match self.arch {
            GuestArch::X86_64 => "pc",
            GuestArch::Aarch64 => "virt",
        }
    }

    fn processor(&self) -> [&'static str; 6] {
        match (self.accelerator, self.arch) {
            (Accelerator::Kvm, _) => ["-accel", "kvm", "-cpu", "host", "-smp", "2"],
            (Accelerator::Tcg, arch) => {
                let cpu = match arch {
                    GuestArch::X86_64 => "qemu64",
                    GuestArch::Aarch64 => "cortex-a72",
                };
                let accel = "tcg,thread=multi,tb-size=512";
                ["-accel", accel, "-cpu", cpu, "-smp", "1"]
            }
        }
    }
}

fn socket(id: &str, path: &Path) -> [String; 2] {
    let value = format!("socket,id={id},path={}", escape(path));
    ["-chardev".to_owned(), value]
}

fn pflash(unit: u8, format: &str, more: &str, path: &Path) -> String {
    format!(
        "if=pflash,unit={unit},format={format}{more},file={}",
        escape(path)
    )
}

/// In QEMU's option lists a comma is written twice.
fn escape(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            arch: GuestArch::X86_64,
            accelerator: Accelerator::Tcg,
            memory_mib: 2048,
            iso: "/images/a,b.iso".into(),
            flash: None,
            direct: None,
            sockets: Sockets {
                serial: "/s/serial".into(),
                qmp: "/s/qmp".into(),
                bios_debug: Some("/s/debug".into()),
            },
        }
    }

    #[test]
    fn bios() {
        assert_eq!(
            machine().invocation().to_string(),
            "qemu-system-x86_64 -nodefaults -no-user-config -machine pc \
             -accel tcg,thread=multi,tb-size=512 -cpu qemu64 -smp 1 -m 2048 \
             -display none -monitor none -net none -no-reboot -no-shutdown \
             -chardev socket,id=serial,path=/s/serial -serial chardev:serial \
             -chardev socket,id=qmp,path=/s/qmp -mon chardev=qmp,mode=control \
             -chardev socket,id=debug,path=/s/debug \
             -device isa-debugcon,iobase=0x402,chardev=debug -vga std \
             -drive if=ide,index=2,media=cdrom,format=raw,readonly=on,file=/images/a,,b.iso \
             -boot d"
        );
    }

    #[test]
    fn uefi_has_its_code_read_only_and_variables_of_its_own() {
        let mut machine = machine();
        machine.sockets.bios_debug = None;
        machine.flash = Some(Flash {
            code: "/fw/CODE.fd".into(),
            vars: "/s/vars".into(),
            format: "raw",
        });
        assert_eq!(
            machine.invocation().to_string(),
            "qemu-system-x86_64 -nodefaults -no-user-config -machine pc \
             -accel tcg,thread=multi,tb-size=512 -cpu qemu64 -smp 1 -m 2048 \
             -display none -monitor none -net none -no-reboot -no-shutdown \
             -chardev socket,id=serial,path=/s/serial -serial chardev:serial \
             -chardev socket,id=qmp,path=/s/qmp -mon chardev=qmp,mode=control \
             -drive if=pflash,unit=0,format=raw,readonly=on,file=/fw/CODE.fd \
             -drive if=pflash,unit=1,format=raw,cache=unsafe,file=/s/vars -vga std \
             -drive if=ide,index=2,media=cdrom,format=raw,readonly=on,file=/images/a,,b.iso \
             -boot d"
        );
    }

    #[test]
    fn kvm_with_the_kernel_loaded_directly() {
        let mut machine = machine();
        machine.accelerator = Accelerator::Kvm;
        machine.direct = Some(DirectKernel {
            kernel: "/s/vmlinuz".into(),
            initrd: "/s/initrd.img".into(),
            command_line: "root=live:CDLABEL=F console=ttyS0,115200".into(),
        });
        let command = machine.invocation().to_string();
        assert!(
            command.contains(" -accel kvm -cpu host -smp 2 "),
            "{command}"
        );
        assert!(
            command.ends_with(
                "-kernel /s/vmlinuz -initrd /s/initrd.img \
                 -append 'root=live:CDLABEL=F console=ttyS0,115200'"
            ),
            "{command}"
        );
    }

    #[test]
    fn aarch64_is_a_virt_board_with_a_scsi_drive() {
        let mut machine = machine();
        machine.arch = GuestArch::Aarch64;
        machine.sockets.bios_debug = None;
        let command = machine.invocation().to_string();
        assert!(command.starts_with("qemu-system-aarch64 -nodefaults"));
        assert!(
            command.contains("-machine virt -accel tcg,thread=multi,tb-size=512 -cpu cortex-a72")
        );
        assert!(command.contains("-device scsi-cd,drive=cd"), "{command}");
    }
}
