//! Architectures an image can be made for.

use super::word::word_enum;

word_enum! {
    /// An architecture, written as RPM writes it.
    ///
    /// `i386` and `i586` are read as `i686`, `amd64` as `x86_64`, `arm64` as `aarch64`.
    Arch, "an architecture", {
        /// 64-bit PC.
        X86_64 = "x86_64" | "amd64" | "x86-64",
        /// 64-bit ARM.
        Aarch64 = "aarch64" | "arm64",
        /// 64-bit POWER, little endian.
        Ppc64le = "ppc64le",
        /// IBM Z.
        S390x = "s390x",
        /// 32-bit PC: Fedora made images for it up to [`Arch::LAST_I686_RELEASE`].
        I686 = "i686" | "i386" | "i586",
    }
}

impl Arch {
    /// The last Fedora release with i686 images.
    pub const LAST_I686_RELEASE: u32 = 30;

    /// The architecture of this machine, if images can be made for it.
    pub fn host() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            "powerpc64" if cfg!(target_endian = "little") => Some(Self::Ppc64le),
            "s390x" => Some(Self::S390x),
            "x86" => Some(Self::I686),
            _ => None,
        }
    }

    /// The name dnf gives the repositories of this architecture (`$basearch`): `i386` for i686.
    pub fn basearch(self) -> &'static str {
        match self {
            Self::I686 => "i386",
            other => other.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_and_round_trip() {
        for (text, arch) in [
            ("i386", Arch::I686),
            ("i586", Arch::I686),
            ("amd64", Arch::X86_64),
            ("ARM64", Arch::Aarch64),
        ] {
            assert_eq!(text.parse(), Ok(arch));
        }
        for arch in Arch::ALL {
            assert_eq!(arch.to_string().parse(), Ok(*arch));
        }
        assert_eq!(Arch::I686.basearch(), "i386");
    }

    #[test]
    fn mistyped() {
        let error = "x86_46".parse::<Arch>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"x86_46\" is not an architecture; did you mean \"x86_64\"?"
        );
        let error = "riscv64".parse::<Arch>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"riscv64\" is not an architecture; expected x86_64, aarch64, ppc64le, s390x or i686"
        );
    }
}
