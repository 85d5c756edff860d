//! SHA-256 of files, streamed, all processors at work.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Read at once, in bytes.
const CHUNK: usize = 1024 * 1024;

/// The SHA-256 of a file, as lower-case hex.
///
/// Blocks; from async code use [`sha256_files`].
///
/// # Errors
///
/// The operating system's.
pub fn sha256_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            count => hash.update(&chunk[..count]),
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
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
        .map(|path| {
            tokio::task::spawn_blocking(move || sha256_file(&path).map_err(|error| (path, error)))
        })
        .collect();
    let mut digests = Vec::with_capacity(tasks.len());
    for (task, path) in tasks.into_iter().zip(files) {
        let digest = task
            .await
            .map_err(|error| (path.clone(), io::Error::other(error)))?;
        digests.push(digest?);
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn known_digests_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, abc) = (dir.path().join("empty"), dir.path().join("abc"));
        std::fs::write(&empty, "").unwrap();
        std::fs::write(&abc, "abc").unwrap();
        assert_eq!(
            sha256_files(&[abc, empty]).await.unwrap(),
            [
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            ]
        );
        let (path, _) = sha256_files(&[dir.path().join("missing")])
            .await
            .unwrap_err();
        assert!(path.ends_with("missing"));
    }
}
