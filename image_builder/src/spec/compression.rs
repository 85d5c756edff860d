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

word_enum! {
    /// What matters about an image, in a word; [`Compression`] has what it means.
    CompressionPreset, "a compression", {
        /// The image is made as soon as can be.
        Fast = "fast",
        /// What is taken when nothing is said.
        Balanced = "balanced",
        /// The image is small, and reading it is fast.
        Small = "small",
        /// As the distribution makes its own: the smallest.
        Release = "release",
    }
}

/// An algorithm and, for zstd, its level; written `zstd`, `zstd:3` or `zstd 3`, or as a word that
/// stands for one: `fast`, `balanced`, `small` or `release`.
///
/// zstd has levels 1 to 22. xz and lz4 have none here, as they have none with `mksquashfs`, so one is refused
/// for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Compression {
    /// The algorithm.
    pub algorithm: CompressionAlgorithm,
    /// The level, if one was written or the word has one.
    pub level: Option<u8>,
    /// The word that stands for both, if it was written.
    pub preset: Option<CompressionPreset>,
}

impl Compression {
    /// `algorithm` at its own level.
    #[must_use]
    pub const fn of(algorithm: CompressionAlgorithm) -> Self {
        Self {
            algorithm,
            level: None,
            preset: None,
        }
    }

    /// `algorithm` at `level`.
    #[must_use]
    pub const fn at_level(algorithm: CompressionAlgorithm, level: u8) -> Self {
        Self {
            level: Some(level),
            ..Self::of(algorithm)
        }
    }

    /// What is meant: as [`Display`](fmt::Display), and with what a word stands for.
    #[must_use]
    pub fn explained(&self) -> String {
        match self.preset {
            Some(preset) => format!(
                "{preset} ({})",
                Self {
                    preset: None,
                    ..*self
                }
            ),
            None => self.to_string(),
        }
    }
}

impl From<CompressionPreset> for Compression {
    /// What a word means for SquashFS: measured, see docs/performance.md.
    fn from(preset: CompressionPreset) -> Self {
        use CompressionAlgorithm::{Xz, Zstd};
        let meant = match preset {
            CompressionPreset::Fast => Self::at_level(Zstd, 1),
            CompressionPreset::Balanced => Self::of(Zstd),
            CompressionPreset::Small => Self::at_level(Zstd, 19),
            CompressionPreset::Release => Self::of(Xz),
        };
        Self {
            preset: Some(preset),
            ..meant
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(preset) = self.preset {
            return write!(f, "{preset}");
        }
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
        let preset = name.parse::<CompressionPreset>().ok();
        if let Some(preset) = preset {
            return match level {
                None => Ok(preset.into()),
                Some(_) => Err(ValueError::new(
                    format!("{preset} has no compression level"),
                    format!("write \"{preset}\" alone, or zstd with a level from 1 to 22"),
                )),
            };
        }
        let algorithm: CompressionAlgorithm = name.parse().map_err(|_| {
            ValueError::new(
                format!("{} is not a compression", quoted(name)),
                "expected zstd, xz, lz4, fast, balanced, small or release",
            )
        })?;
        let Some(level) = level else {
            return Ok(Self::of(algorithm));
        };
        if algorithm != CompressionAlgorithm::Zstd {
            return Err(ValueError::new(
                format!("{algorithm} has no compression level"),
                format!("write \"{algorithm}\" alone, or zstd with a level from 1 to 22"),
            ));
        }
        match level.parse::<u8>() {
            Ok(level @ 1..=22) => Ok(Self::at_level(algorithm, level)),
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
            ("Fast", "fast"),
            ("balanced", "balanced"),
            ("small", "small"),
            ("release", "release"),
        ] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_word_stands_for_an_algorithm_and_a_level() {
        let meant = |word: &str| word.parse::<Compression>().unwrap().explained();
        assert_eq!(
            CompressionPreset::ALL
                .iter()
                .map(|word| meant(word.as_str()))
                .collect::<Vec<_>>(),
            [
                "fast (zstd:1)",
                "balanced (zstd)",
                "small (zstd:19)",
                "release (xz)"
            ]
        );
        // What is taken when nothing is said.
        let balanced = Compression::from(CompressionPreset::Balanced);
        let default = Compression::default();
        assert_eq!(
            (balanced.algorithm, balanced.level),
            (default.algorithm, default.level)
        );
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
                "\"gzip\" is not a compression; expected zstd, xz, lz4, fast, balanced, small or release",
            ),
            (
                "small:3",
                "small has no compression level; write \"small\" alone, or zstd with a level from 1 to 22",
            ),
        ] {
            assert_eq!(
                text.parse::<Compression>().unwrap_err().to_string(),
                message
            );
        }
    }
}
