//! How the root file system is compressed.

use std::fmt;
use std::str::FromStr;

use super::value::{ValueError, quoted};
use super::word::{serde_as_text, word_enum};

word_enum! {
    /// A compression algorithm that SquashFS and EROFS both have.
    #[derive(Default)]
    CompressionAlgorithm, "a compression", {
        /// Zstandard: fast both ways; levels 1 to 22.
        #[default]
        Zstd = "zstd",
        /// XZ (LZMA in EROFS): smallest and slowest.
        Xz = "xz",
        /// LZ4: fastest and largest.
        Lz4 = "lz4",
    }
}

/// An algorithm and, for zstd, its level; written `zstd`, `zstd:3` or `zstd 3`.
///
/// `mksquashfs` has `-Xcompression-level` for zstd (1 to 22) but none for xz, and lz4 knows only
/// `-Xhc`; so a level is refused for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Compression {
    /// The algorithm.
    pub algorithm: CompressionAlgorithm,
    /// The level, if one was written.
    pub level: Option<u8>,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "{}:{level}", self.algorithm),
            None => write!(f, "{}", self.algorithm),
        }
    }
}

impl FromStr for Compression {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (name, level) = match text.split_once([':', ' ', '\t']) {
            Some((name, level)) => (name.trim(), Some(level.trim())),
            None => (text, None),
        };
        let algorithm: CompressionAlgorithm = name.parse()?;
        let Some(level) = level else {
            return Ok(Self {
                algorithm,
                level: None,
            });
        };
        if algorithm != CompressionAlgorithm::Zstd {
            return Err(ValueError::new(
                format!("{algorithm} has no compression level"),
                format!("write \"{algorithm}\" alone, or zstd with a level from 1 to 22"),
            ));
        }
        match level.parse::<u8>() {
            Ok(level @ 1..=22) => Ok(Self {
                algorithm,
                level: Some(level),
            }),
            _ => Err(ValueError::new(
                format!("{} is not a zstd level", quoted(level)),
                "expected 1 to 22, as in \"zstd:3\"",
            )),
        }
    }
}

serde_as_text!(Compression);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        for (text, shown) in [
            ("zstd", "zstd"),
            ("zstd:3", "zstd:3"),
            ("zstd 22", "zstd:22"),
            ("XZ", "xz"),
            ("lz4", "lz4"),
        ] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn refused() {
        for (text, message) in [
            (
                "zstd:0",
                "\"0\" is not a zstd level; expected 1 to 22, as in \"zstd:3\"",
            ),
            (
                "zstd:23",
                "\"23\" is not a zstd level; expected 1 to 22, as in \"zstd:3\"",
            ),
            (
                "zstd:",
                "\"\" is not a zstd level; expected 1 to 22, as in \"zstd:3\"",
            ),
            (
                "xz:6",
                "xz has no compression level; write \"xz\" alone, or zstd with a level from 1 to 22",
            ),
            (
                "gzip",
                "\"gzip\" is not a compression; expected zstd, xz or lz4",
            ),
        ] {
            assert_eq!(
                text.parse::<Compression>().unwrap_err().to_string(),
                message
            );
        }
    }
}
