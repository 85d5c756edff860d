//! SHA-256: of files in a stream, off the async threads, all processors at work.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Read at once, in bytes.
const CHUNK: usize = 1024 * 1024;

/// The SHA-256 of a file, as lower-case hex.
///
/// # Errors
///
/// The operating system's.
pub async fn sha256_file(path: &Path) -> io::Result<String> {
    let path = path.to_owned();
    blocking(move || sha256_now(&path)).await
}

/// The SHA-256 of a text, as lower-case hex.
#[must_use]
pub fn sha256_text(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// The SHA-256 of a file, as lower-case hex. Blocks.
pub(crate) fn sha256_now(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    feed(&mut File::open(path)?, &mut hash)?;
    Ok(hex(&hash.finalize()))
}

/// The SHA-256 of each of `files`, in their order, computed side by side.
///
/// # Errors
///
/// The first file that could not be read, and why.
pub async fn sha256_files(files: &[PathBuf]) -> Result<Vec<String>, (PathBuf, io::Error)> {
    let tasks: Vec<_> = files
        .iter()
        .cloned()
        .map(|path| tokio::spawn(async move { sha256_file(&path).await }))
        .collect();
    let mut digests = Vec::with_capacity(tasks.len());
    for (task, path) in tasks.into_iter().zip(files) {
        let digest = task
            .await
            .unwrap_or_else(|panic| Err(io::Error::other(panic)));
        digests.push(digest.map_err(|error| (path.clone(), error))?);
    }
    Ok(digests)
}

/// The SHA-256 of what lies in `extents` (start and length in bytes) of a file, one after the
/// other: a file inside an image.
///
/// # Errors
///
/// The operating system's; [`io::ErrorKind::UnexpectedEof`] when the file ends inside an extent.
pub async fn sha256_extents(path: &Path, extents: Vec<(u64, u64)>) -> io::Result<String> {
    let path = path.to_owned();
    blocking(move || {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        for (start, length) in extents {
            file.seek(SeekFrom::Start(start))?;
            if feed(&mut (&mut file).take(length), &mut hash)? != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(hex(&hash.finalize()))
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// Hashes to the end and gives the number of bytes.
fn feed(source: &mut impl Read, hash: &mut Sha256) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match source.read(&mut chunk) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                hash.update(&chunk[..count]);
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[tokio::test]
    async fn known_digests_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, abc) = (dir.path().join("empty"), dir.path().join("abc"));
        std::fs::write(&empty, "").unwrap();
        std::fs::write(&abc, "abc").unwrap();
        assert_eq!(sha256_file(&abc).await.unwrap(), ABC);
        assert_eq!(
            sha256_files(&[abc, empty]).await.unwrap(),
            [
                ABC,
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            ]
        );
        let (path, _) = sha256_files(&[dir.path().join("missing")])
            .await
            .unwrap_err();
        assert!(path.ends_with("missing"));
    }

    #[tokio::test]
    async fn extents_are_hashed_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        std::fs::write(&path, "..bcXXa").unwrap();
        assert_eq!(
            sha256_extents(&path, vec![(6, 1), (2, 2)]).await.unwrap(),
            ABC
        );
        let error = sha256_extents(&path, vec![(4, 9)]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
