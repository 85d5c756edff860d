//! What the initramfs is compressed with.

use crate::spec::{Compression, CompressionAlgorithm, Release};

/// The first release whose kernels all unpack zstd: Linux 5.9 brought it, Fedora 33 came with 5.8.
const FIRST_WITH_ZSTD: u32 = 34;

/// Above this level the initramfs takes seconds for each per cent.
const HIGHEST: u8 = 9;

/// zstd wherever the release's kernels can, at the root image's level but no higher than 9. With
/// xz dracut takes half a minute for six megabytes less.
pub(super) fn compression(release: &Release, root: Compression) -> Compression {
    if release.number().is_some_and(|n| n < FIRST_WITH_ZSTD) {
        return Compression::of(CompressionAlgorithm::Xz);
    }
    let level = match root.algorithm {
        CompressionAlgorithm::Zstd => root.level.map(|level| level.min(HIGHEST)),
        // Who takes it wants a small image.
        CompressionAlgorithm::Xz => Some(HIGHEST),
        CompressionAlgorithm::Lz4 => None,
    };
    Compression {
        level,
        ..Compression::of(CompressionAlgorithm::Zstd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zstd_where_the_kernel_unpacks_it() {
        for (release, root, initramfs) in [
            ("43", "zstd", "zstd"),
            ("rawhide", "zstd:2", "zstd:2"),
            ("43", "zstd:22", "zstd:9"),
            ("34", "xz", "zstd:9"),
            ("43", "lz4", "zstd"),
            ("43", "fast", "zstd:1"),
            ("43", "small", "zstd:9"),
            ("43", "release", "zstd:9"),
            ("33", "zstd:2", "xz"),
            ("20", "lz4", "xz"),
        ] {
            let release = release.parse().unwrap();
            let chosen = compression(&release, root.parse().unwrap());
            assert_eq!(chosen.to_string(), initramfs, "{release}, {root}");
        }
    }
}
