//! The checksum that `implantisomd5` writes into an image, by which the image checks itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::InspectError;
use super::iso_image::IsoImage;
use crate::context::BuildContext;
use crate::process::{CommandError, Invocation, Stream};

/// Longer than any image takes to be read; `checkisomd5` can hang on a damaged one.
const LIMIT: Duration = Duration::from_secs(900);

/// The implanted checksum of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ImplantedMd5 {
    /// There is none.
    Absent,
    /// There is one, and the image is as it was when it was written.
    Intact {
        /// The checksum, as hex.
        md5: String,
    },
    /// The image has changed since.
    Mismatch {
        /// The checksum, as hex.
        md5: String,
    },
    /// There is one that was not checked.
    Unchecked {
        /// The checksum, as hex.
        md5: String,
        /// Why not.
        reason: String,
    },
}

impl ImplantedMd5 {
    /// The checksum, as hex, if there is one.
    #[must_use]
    pub fn md5(&self) -> Option<&str> {
        match self {
            Self::Absent => None,
            Self::Intact { md5 } | Self::Mismatch { md5 } | Self::Unchecked { md5, .. } => {
                Some(md5)
            }
        }
    }

    /// Checks the image against its own checksum, or that against the one that is `known`.
    pub(super) async fn check(
        ctx: &BuildContext,
        image: &IsoImage,
        known: Option<&str>,
    ) -> Result<Self, InspectError> {
        let Some(md5) = image.volume.implanted_md5.clone() else {
            return Ok(ImplantedMd5::Absent);
        };
        if let Some(known) = known {
            return Ok(match known == md5 {
                true => ImplantedMd5::Intact { md5 },
                false => ImplantedMd5::Mismatch { md5 },
            });
        }
        // Its exit status is 1 for a mismatch and for no checksum alike: the words tell.
        let command = Invocation::new("checkisomd5")
            .path(&image.path)
            .timeout(LIMIT)
            .accept(1);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let lines = Arc::clone(&lines);
            move |_: Stream, line: &str| {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(line.to_owned());
            }
        };
        let unchecked = |reason: String| ImplantedMd5::Unchecked {
            md5: md5.clone(),
            reason,
        };
        match ctx.run_into(&command, Arc::new(sink), &ctx.cancel).await {
            Ok(_) => {
                let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(match result(&lines) {
                    Some("PASS") => ImplantedMd5::Intact { md5 },
                    Some("FAIL") => ImplantedMd5::Mismatch { md5 },
                    _ => unchecked("checkisomd5 gave no result".to_owned()),
                })
            }
            Err(error @ CommandError::Cancelled { .. }) => {
                Err(InspectError::command(&image.path, error))
            }
            // What else is in the image does not depend on it.
            Err(CommandError::NotFound { .. }) => Ok(unchecked(
                "checkisomd5 is not installed; it is in the package isomd5sum".to_owned(),
            )),
            Err(error) => Ok(unchecked(error.to_string())),
        }
    }
}

/// `The media check is complete, the result is: PASS.`
fn result(lines: &[String]) -> Option<&str> {
    lines.iter().find_map(|line| {
        let (_, result) = line.split_once("the result is: ")?;
        Some(result.trim_end_matches('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_result_among_the_other_lines() {
        let lines = |word: &str| {
            let text = format!(
                "Press [Esc] to abort check.\n\nThe media check is complete, the result is: {word}.\n\nIt is OK to use this media."
            );
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        for word in ["PASS", "FAIL", "NA"] {
            assert_eq!(result(&lines(word)), Some(word));
        }
        assert_eq!(result(&[]), None);
    }

    #[test]
    fn json_says_the_status() {
        let json = serde_json::to_string(&ImplantedMd5::Intact { md5: "ab".into() }).unwrap();
        assert_eq!(json, r#"{"status":"intact","md5":"ab"}"#);
    }
}
