//! Packing the root into a compressed read-only file system.

use super::layout::Layout;
use crate::process::Invocation;
use crate::source_date::dated;
use crate::spec::{Compression, CompressionAlgorithm, RootFs};

/// What is in the root only while it is being made.
const LEFT_OUT: [&str; 6] = ["dev/*", "proc/*", "run/*", "sys/*", "tmp/*", "var/tmp/*"];

/// The command that packs the root; leaves [`Layout::root_image`].
#[must_use]
pub fn invocation(
    layout: &Layout,
    rootfs: RootFs,
    compression: Compression,
    processors: usize,
) -> Invocation {
    // Both set no file's time later than the image's.
    dated(match rootfs {
        RootFs::Squashfs => squashfs(layout, compression, processors),
        RootFs::Erofs => erofs(layout, compression),
    })
}

fn squashfs(layout: &Layout, compression: Compression, processors: usize) -> Invocation {
    let mksquashfs = Invocation::new("mksquashfs")
        .path(&layout.root())
        .path(&layout.root_image())
        .args(["-noappend", "-progress", "-processors"])
        .arg(processors.to_string())
        .arg("-comp")
        .arg(compression.algorithm.to_string());
    let mksquashfs = match compression.algorithm {
        CompressionAlgorithm::Zstd => mksquashfs
            .arg("-Xcompression-level")
            .arg(compression.level.unwrap_or(3).to_string()),
        // What the distribution's own tools pass: large blocks and the filter for x86 code would
        // cost five times the time for another tenth of the size.
        // Who asks for lz4 wants it fast: its high compression is slower than zstd's.
        CompressionAlgorithm::Xz | CompressionAlgorithm::Lz4 => mksquashfs,
    };
    mksquashfs.args(["-wildcards", "-e"]).args(LEFT_OUT)
}

fn erofs(layout: &Layout, compression: Compression) -> Invocation {
    let method = match (compression.algorithm, compression.level) {
        (CompressionAlgorithm::Zstd, level) => format!("-zzstd,level={}", level.unwrap_or(3)),
        (CompressionAlgorithm::Xz, _) => "-zlzma".to_owned(),
        (CompressionAlgorithm::Lz4, _) => "-zlz4".to_owned(),
    };
    Invocation::new("mkfs.erofs")
        .arg(method)
        // One made up by chance otherwise; nothing looks for it.
        .arg("-U46425332-0000-4000-8000-000000000001")
        .args(["-C65536", "--quiet"])
        .args(LEFT_OUT.map(|glob| {
            // Matched against the path below the root, without the leading slash.
            format!("--exclude-regex=^{}", glob.replace('*', "."))
        }))
        .path(&layout.root_image())
        .path(&layout.root())
}

/// How far mksquashfs is, in per cent, from its progress bar:
/// `[=====     ] 4321/8642  50%`.
#[must_use]
pub fn progress(line: &str) -> Option<u64> {
    let rest = line.strip_prefix('[')?;
    rest.rsplit(' ')
        .next()?
        .strip_suffix('%')?
        .parse()
        .ok()
        .filter(|percent| *percent <= 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(rootfs: RootFs, compression: &str) -> String {
        invocation(&Layout::new("/w"), rootfs, compression.parse().unwrap(), 2).to_string()
    }

    #[test]
    fn each_compression_has_its_options() {
        assert_eq!(
            line(RootFs::Squashfs, "zstd:15"),
            "SOURCE_DATE_EPOCH={source-date-epoch} TZ=UTC mksquashfs /w/root /w/iso/LiveOS/squashfs.img -noappend -progress -processors 2 \
             -comp zstd -Xcompression-level 15 -wildcards -e 'dev/*' 'proc/*' 'run/*' 'sys/*' \
             'tmp/*' 'var/tmp/*'"
        );
        assert!(line(RootFs::Squashfs, "xz").contains(" -comp xz -wildcards"));
        assert!(line(RootFs::Squashfs, "lz4").contains(" -comp lz4 -wildcards"));
        assert_eq!(
            line(RootFs::Erofs, "lz4"),
            "SOURCE_DATE_EPOCH={source-date-epoch} TZ=UTC mkfs.erofs -zlz4 \
             -U46425332-0000-4000-8000-000000000001 -C65536 --quiet '--exclude-regex=^dev/.' \
             '--exclude-regex=^proc/.' '--exclude-regex=^run/.' '--exclude-regex=^sys/.' \
             '--exclude-regex=^tmp/.' '--exclude-regex=^var/tmp/.' /w/iso/LiveOS/squashfs.img \
             /w/root"
        );
        assert!(line(RootFs::Erofs, "zstd:9").contains("mkfs.erofs -zzstd,level=9 "));
    }

    #[test]
    fn the_bar_is_read() {
        assert_eq!(progress("[=======|          ]  9000/18000  50%"), Some(50));
        assert_eq!(progress("[x] 100%"), Some(100));
        assert_eq!(
            progress("Exportable Squashfs 4.0 filesystem, zstd compressed"),
            None
        );
        assert_eq!(progress("[x] 1000%"), None);
    }
}
