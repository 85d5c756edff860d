//! Packing the root into a compressed read-only file system.

use super::layout::Layout;
use super::squashfs::{self, MachineCode, Method};
use crate::process::Invocation;
use crate::source_date::dated;
use crate::spec::{Arch, Compression, CompressionAlgorithm, CompressionPreset, RootFs};

/// What is in the root only while it is being made: of these folders only the folder itself goes in.
pub const EMPTIED: [&str; 6] = ["dev", "proc", "run", "sys", "tmp", "var/tmp"];

/// What packs the root. It leaves [`Layout::root_image`], in which no file is later than the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packer {
    /// [`squashfs::pack`].
    Squashfs(squashfs::Options),
    /// mkfs.erofs.
    Erofs(Box<Invocation>),
}

/// What packs a root of `rootfs` into an image of the time `time`, in seconds since 1970.
#[must_use]
pub fn packer(
    layout: &Layout,
    arch: Arch,
    rootfs: RootFs,
    compression: Compression,
    time: u64,
) -> Packer {
    match rootfs {
        RootFs::Squashfs => Packer::Squashfs(squashfs(arch, compression, time)),
        RootFs::Erofs => Packer::Erofs(Box::new(dated(erofs(layout, compression)))),
    }
}

fn squashfs(arch: Arch, compression: Compression, time: u64) -> squashfs::Options {
    let is = |preset| compression.preset == Some(preset);
    squashfs::Options {
        method: match compression.algorithm {
            CompressionAlgorithm::Zstd => Method::Zstd {
                level: i32::from(compression.level.unwrap_or(3)),
            },
            CompressionAlgorithm::Xz => Method::Xz {
                filter: machine_code(arch).filter(|_| is(CompressionPreset::Release)),
            },
            CompressionAlgorithm::Lz4 => Method::Lz4,
        },
        block_size: match is(CompressionPreset::Small) {
            true => LARGE_BLOCKS,
            false => BLOCKS,
        },
        // All that the format has room for: until 2106.
        time: u32::try_from(time).unwrap_or(u32::MAX),
    }
}

/// What mksquashfs takes unless it is told.
const BLOCKS: u32 = 128 << 10;

/// For small images. Whoever reads a byte unpacks all of its block.
const LARGE_BLOCKS: u32 = 1 << 20;

/// The filter for the architecture's machine code, which lorax and livemedia-creator take with xz
/// (`bcj` in <https://weldr.io/lorax/lorax.html>).
fn machine_code(arch: Arch) -> Option<MachineCode> {
    match arch {
        Arch::X86_64 | Arch::I686 => Some(MachineCode::X86),
        Arch::Ppc64le => Some(MachineCode::PowerPc),
        Arch::Aarch64 | Arch::S390x => None,
    }
}

fn erofs(layout: &Layout, compression: Compression) -> Invocation {
    let method = match (compression.algorithm, compression.level) {
        (CompressionAlgorithm::Zstd, level) => format!("-zzstd,level={}", level.unwrap_or(3)),
        (CompressionAlgorithm::Xz, _) => "-zlzma".to_owned(),
        (CompressionAlgorithm::Lz4, Some(level)) => format!("-zlz4hc,{level}"),
        (CompressionAlgorithm::Lz4, None) => "-zlz4".to_owned(),
    };
    Invocation::new("mkfs.erofs")
        .arg(method)
        // One made up by chance otherwise; nothing looks for it.
        .arg("-U46425332-0000-4000-8000-000000000001")
        .args(["-C65536", "--quiet"])
        // Matched against the path below the root, without the leading slash.
        .args(EMPTIED.map(|folder| format!("--exclude-regex=^{folder}/.")))
        .path(&layout.root_image())
        .path(&layout.root())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packer_of(rootfs: RootFs, arch: Arch, compression: &str) -> Packer {
        let compression = compression.parse().unwrap();
        packer(&Layout::new("/w"), arch, rootfs, compression, 7)
    }

    #[test]
    fn each_compression_has_its_options() {
        let blocks = |arch, compression| match packer_of(RootFs::Squashfs, arch, compression) {
            Packer::Squashfs(options) => {
                assert_eq!(options.time, 7);
                (options.method, options.block_size)
            }
            Packer::Erofs(command) => panic!("{command}"),
        };
        let zstd = |level| Method::Zstd { level };
        let xz = |filter| Method::Xz { filter };
        for (compression, method, block_size) in [
            ("zstd:15", zstd(15), BLOCKS),
            ("balanced", zstd(3), BLOCKS),
            ("fast", zstd(1), BLOCKS),
            ("small", zstd(19), LARGE_BLOCKS),
            ("xz", xz(None), BLOCKS),
            ("release", xz(Some(MachineCode::X86)), BLOCKS),
            ("lz4", Method::Lz4, BLOCKS),
        ] {
            let seen = blocks(Arch::X86_64, compression);
            assert_eq!(seen, (method, block_size), "{compression}");
        }
        assert_eq!(blocks(Arch::Aarch64, "release").0, xz(None));
        let power = xz(Some(MachineCode::PowerPc));
        assert_eq!(blocks(Arch::Ppc64le, "release").0, power);
    }

    #[test]
    fn erofs_is_a_program_s() {
        let line = |compression| match packer_of(RootFs::Erofs, Arch::X86_64, compression) {
            Packer::Erofs(command) => command.to_string(),
            Packer::Squashfs(options) => panic!("{options:?}"),
        };
        assert_eq!(
            line("lz4"),
            "SOURCE_DATE_EPOCH={source-date-epoch} TZ=UTC mkfs.erofs -zlz4 \
             -U46425332-0000-4000-8000-000000000001 -C65536 --quiet '--exclude-regex=^dev/.' \
             '--exclude-regex=^proc/.' '--exclude-regex=^run/.' '--exclude-regex=^sys/.' \
             '--exclude-regex=^tmp/.' '--exclude-regex=^var/tmp/.' /w/iso/LiveOS/squashfs.img \
             /w/root"
        );
        assert!(line("zstd:9").contains("mkfs.erofs -zzstd,level=9 "));
    }
}
