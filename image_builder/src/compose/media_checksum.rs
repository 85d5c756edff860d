//! The checksum by which an image checks itself, computed while the image is written.
//!
//! What `implantisomd5` of isomd5sum writes after reading the whole image once more
//! (<https://github.com/rhinstaller/isomd5sum>): the MD5 of all but the last 15 sectors, the place
//! of the result itself taken as spaces, and the first digits of it at 20 places on the way, by
//! which a check ends at the first piece that is wrong.

use std::fmt::Write as _;

use md5::{Digest, Md5};

use crate::digest::hex;

/// Bytes of a sector.
const SECTOR: u64 = 2048;

/// Where the primary volume descriptor begins.
pub(crate) const DESCRIPTOR: usize = 16 * 2048;

/// Where the result is kept: the descriptor's field for the application (ECMA-119, 8.4.32).
pub(crate) const AREA: std::ops::Range<usize> = DESCRIPTOR + 883..DESCRIPTOR + 883 + 512;

/// Sectors at the end that no check reads: drives do not read the last ones of a burnt disc well.
const SKIPPED: u64 = 15;

/// Pieces with a sum of their own, and the digits of each.
const FRAGMENTS: usize = 20;
const DIGITS: usize = 3;

/// What the checker reads at once; the sums of the pieces are taken at these steps.
const STEP: u64 = 32 * 1024;

/// The checksum of an image of a known size, of which the bytes come one after the other.
#[derive(Debug, Clone)]
pub(crate) struct MediaChecksum {
    hash: Md5,
    /// Bytes that count.
    total: u64,
    fragment_size: u64,
    done: u64,
    fragment: usize,
    /// Each at its own place: a small image has fewer steps than pieces, and some pieces without a sum. (implantisomd5
    /// puts one behind the other then, and the checker takes the image for a wrong one.)
    fragment_sums: [u8; FRAGMENTS * DIGITS],
}

impl MediaChecksum {
    /// For an image of `size` bytes.
    pub(crate) fn new(size: u64) -> Self {
        let total = size.saturating_sub(SKIPPED * SECTOR);
        Self {
            hash: Md5::new(),
            total,
            fragment_size: (total / (FRAGMENTS as u64 + 1)).max(1),
            done: 0,
            fragment: 0,
            fragment_sums: [b'0'; FRAGMENTS * DIGITS],
        }
    }

    /// The next bytes. Those of [`AREA`] are to be spaces.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.done < self.total {
            let step = self.done / STEP * STEP;
            let end = (step + STEP).min(self.total);
            // No more than a step, which fits.
            let count = usize::try_from(end - self.done).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(count.min(bytes.len()));
            self.hash.update(now);
            self.done += now.len() as u64;
            bytes = later;
            // The number of the piece before it, beginning with 1.
            let fragment = usize::try_from(step / self.fragment_size).unwrap_or(usize::MAX);
            if self.done == end && fragment != self.fragment {
                self.fragment = fragment;
                let so_far = self.hash.clone().finalize();
                let mut places = self.fragment_sums.chunks_mut(DIGITS);
                let place = places.nth(fragment - 1).into_iter().flatten();
                for (digit, byte) in place.zip(so_far) {
                    // The first digit of the number, which has no leading zero.
                    *digit = format!("{byte:x}").as_bytes()[0];
                }
            }
        }
    }

    /// The MD5 as hex, and what goes into [`AREA`].
    pub(crate) fn finish(self) -> (String, Vec<u8>) {
        let md5 = hex(&self.hash.finalize());
        let mut text = format!("ISO MD5SUM = {md5};SKIPSECTORS = {SKIPPED};RHLISOSTATUS=0;");
        let sums = String::from_utf8_lossy(&self.fragment_sums);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "FRAGMENT SUMS = {sums};FRAGMENT COUNT = {FRAGMENTS};\
             THIS IS NOT THE SAME AS RUNNING MD5SUM ON THIS ISO!!"
        );
        let mut area = text.into_bytes();
        area.resize(AREA.len(), b' ');
        (md5, area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::BuildContext;
    use crate::process::Invocation;

    /// An image as far as isomd5sum looks at it.
    fn image(sectors: u32) -> Vec<u8> {
        let mut image: Vec<u8> = (0..u64::from(sectors) * SECTOR)
            .map(|at| (at * 31 % 251) as u8)
            .collect();
        let descriptor = &mut image[DESCRIPTOR..DESCRIPTOR + 2048];
        descriptor.fill(b' ');
        descriptor[..6].copy_from_slice(b"\x01CD001");
        descriptor[80..84].copy_from_slice(&sectors.to_le_bytes());
        descriptor[84..88].copy_from_slice(&sectors.to_be_bytes());
        image
    }

    #[tokio::test]
    async fn it_is_what_implantisomd5_writes() {
        let dir = tempfile::tempdir().unwrap();
        for (sectors, piece) in [(700, 1), (5003, 70_001), (40_000, 1 << 20)] {
            let mut image = image(sectors);
            let path = dir.path().join("image.iso");
            std::fs::write(&path, &image).unwrap();
            let implant = Invocation::new("implantisomd5").path(&path);
            BuildContext::default().run(&implant).await.unwrap();
            let mut sum = MediaChecksum::new(image.len() as u64);
            // However the bytes come.
            image.chunks(piece).for_each(|bytes| sum.update(bytes));
            let (md5, area) = sum.finish();
            image[AREA].copy_from_slice(&area);
            assert!(std::fs::read(&path).unwrap() == image, "{sectors}: {md5}");
        }
    }

    #[tokio::test]
    async fn the_checker_is_content_with_images_of_all_sizes() {
        let dir = tempfile::tempdir().unwrap();
        for sectors in [33, 100, 350, 351, 352, 353, 400] {
            let mut image = image(sectors);
            let mut sum = MediaChecksum::new(image.len() as u64);
            image[AREA].fill(b' ');
            sum.update(&image);
            image[AREA].copy_from_slice(&sum.finish().1);
            for (intact, answer) in [(true, "PASS"), (false, "FAIL")] {
                if !intact {
                    image[0] ^= 1;
                }
                let path = dir.path().join("image.iso");
                std::fs::write(&path, &image).unwrap();
                let check = Invocation::new("checkisomd5").path(&path).accept(1);
                let said = BuildContext::default().run(&check).await.unwrap().tail;
                let said = said.join("\n");
                assert!(said.contains(answer), "{sectors}: {said}");
            }
        }
    }
}
