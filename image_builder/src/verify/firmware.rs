//! The firmware a boot test starts with, and where the distributions keep UEFI.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::qemu::GuestArch;

/// How the machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// `SeaBIOS`, built into QEMU; x86 only.
    Bios,
    /// EDK II (OVMF, AAVMF), from a package of its own.
    Uefi,
}

impl Firmware {
    /// The name in JSON, on the command line and in file names: `bios`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Firmware::Bios => "bios",
            Firmware::Uefi => "uefi",
        }
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Firmware {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "bios" => Ok(Firmware::Bios),
            "uefi" => Ok(Firmware::Uefi),
            other => Err(format!("no firmware `{other}`: bios or uefi")),
        }
    }
}

/// UEFI as QEMU takes it: the code, and the variables as they are before the first boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UefiImage {
    /// Read-only code.
    pub code: PathBuf,
    /// Variables; each run works on a copy of its own.
    pub vars: PathBuf,
    /// QEMU's name of the files' format: `raw` or `qcow2`.
    pub format: &'static str,
}

/// Code, variables, format; the first pair that exists is taken. None of them has Secure Boot on:
/// a test image is rarely signed.
type Pair = (&'static str, &'static str, &'static str);

const X86_64: &[Pair] = &[
    // Debian, Ubuntu
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
        "raw",
    ),
    // Fedora
    (
        "/usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2",
        "/usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2",
        "qcow2",
    ),
    (
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
        "raw",
    ),
    // Debian before the 4 MB images
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
        "raw",
    ),
    // Arch
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
        "raw",
    ),
    // openSUSE
    (
        "/usr/share/qemu/ovmf-x86_64-4m-code.bin",
        "/usr/share/qemu/ovmf-x86_64-4m-vars.bin",
        "raw",
    ),
];

const AARCH64: &[Pair] = &[
    // Debian, Ubuntu
    (
        "/usr/share/AAVMF/AAVMF_CODE.fd",
        "/usr/share/AAVMF/AAVMF_VARS.fd",
        "raw",
    ),
    // Fedora
    (
        "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
        "/usr/share/edk2/aarch64/vars-template-pflash.raw",
        "raw",
    ),
    (
        "/usr/share/edk2/aarch64/QEMU_EFI-pflash.qcow2",
        "/usr/share/edk2/aarch64/vars-template-pflash.qcow2",
        "qcow2",
    ),
];

fn pairs(arch: GuestArch) -> &'static [Pair] {
    match arch {
        GuestArch::X86_64 => X86_64,
        GuestArch::Aarch64 => AARCH64,
    }
}

/// The packages that bring UEFI for `arch`, for an error message.
pub(super) fn packages(arch: GuestArch) -> &'static str {
    match arch {
        GuestArch::X86_64 => "edk2-ovmf (Fedora) or ovmf (Debian)",
        GuestArch::Aarch64 => "edk2-aarch64 (Fedora) or qemu-efi-aarch64 (Debian)",
    }
}

impl UefiImage {
    /// The first pair for `arch` that this host has.
    #[must_use]
    pub fn find(arch: GuestArch) -> Option<Self> {
        Self::find_below(Path::new("/"), arch)
    }

    fn find_below(root: &Path, arch: GuestArch) -> Option<Self> {
        let below = |path: &str| root.join(path.trim_start_matches('/'));
        pairs(arch).iter().find_map(|&(code, vars, format)| {
            let (code, vars) = (below(code), below(vars));
            (code.is_file() && vars.is_file()).then_some(Self { code, vars, format })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_with(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn takes_the_first_whole_pair() {
        let host = host_with(&[
            "usr/share/OVMF/OVMF_CODE_4M.fd",
            "usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2",
            "usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2",
        ]);
        let found = UefiImage::find_below(host.path(), GuestArch::X86_64).unwrap();
        assert!(found.code.ends_with("edk2/ovmf/OVMF_CODE_4M.qcow2"));
        assert_eq!(found.format, "qcow2");
        assert_eq!(UefiImage::find_below(host.path(), GuestArch::Aarch64), None);
    }

    #[test]
    fn is_named_alike_everywhere() {
        for firmware in [Firmware::Bios, Firmware::Uefi] {
            assert_eq!(firmware.name().parse(), Ok(firmware));
            let json = serde_json::to_string(&firmware).unwrap();
            assert_eq!(json, format!("\"{firmware}\""));
        }
    }
}
