//! SHA-256 of files, in a stream and off the async threads.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How much is read at once.
const BUFFER: usize = 1024 * 1024;

/// A file with its size and checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeFile {
    /// Relative to the tree, with `/`.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// As 64 hex digits.
    pub sha256: String,
}

/// SHA-256 of the file at `path`, as hex.
///
/// # Errors
///
/// When the file cannot be read.
pub async fn sha256_file(path: &Path) -> io::Result<String> {
    let path = path.to_owned();
    blocking(move || digest(&mut File::open(path)?)).await
}

/// Every regular file below `dir` with its size and SHA-256, sorted by path. Symbolic links are
/// neither followed nor listed.
///
/// # Errors
///
/// When a file or folder cannot be read; the message names it.
pub async fn digest_files(dir: &Path) -> io::Result<Vec<TreeFile>> {
    let dir = dir.to_owned();
    blocking(move || {
        let mut paths = Vec::new();
        walk(&dir, &mut paths)?;
        paths.sort();
        paths
            .iter()
            .map(|path| tree_file(&dir, path).map_err(|error| naming(path, &error)))
            .collect()
    })
    .await
}

/// SHA-256 of what lies in `extents` (start and length in bytes) of `path`, one after the other.
pub(super) async fn sha256_extents(path: &Path, extents: Vec<(u64, u64)>) -> io::Result<String> {
    let path = path.to_owned();
    blocking(move || {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        for (start, length) in extents {
            file.seek(SeekFrom::Start(start))?;
            let read = feed(&mut (&mut file).take(length), &mut hasher)?;
            if read != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(hex(&hasher.finalize()))
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

fn walk(dir: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    let named = |error| naming(dir, &error);
    for entry in std::fs::read_dir(dir).map_err(named)? {
        let entry = entry.map_err(named)?;
        let kind = entry.file_type().map_err(named)?;
        if kind.is_dir() {
            walk(&entry.path(), paths)?;
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
    Ok(())
}

fn tree_file(dir: &Path, path: &Path) -> io::Result<TreeFile> {
    let mut file = File::open(path)?;
    let relative = path.strip_prefix(dir).unwrap_or(path);
    Ok(TreeFile {
        path: relative.to_string_lossy().into_owned(),
        size: file.metadata()?.len(),
        sha256: digest(&mut file)?,
    })
}

fn digest(reader: &mut impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    feed(reader, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

fn feed(reader: &mut impl Read, hasher: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut total = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[tokio::test]
    async fn lists_a_tree_with_sizes_and_sums() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("b")).unwrap();
        std::fs::write(dir.path().join("b/abc"), "abc").unwrap();
        std::fs::write(dir.path().join("a"), "abc").unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("link")).unwrap();
        let file = |path: &str| TreeFile {
            path: path.into(),
            size: 3,
            sha256: ABC.into(),
        };
        assert_eq!(
            digest_files(dir.path()).await.unwrap(),
            [file("a"), file("b/abc")]
        );
        assert_eq!(sha256_file(&dir.path().join("a")).await.unwrap(), ABC);
        let error = digest_files(&dir.path().join("gone")).await.unwrap_err();
        assert!(error.to_string().contains("gone: "), "{error}");
    }

    #[tokio::test]
    async fn sums_pieces_of_a_file_and_notices_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "__c_ab").unwrap();
        let sum = sha256_extents(&path, vec![(4, 2), (2, 1)]).await.unwrap();
        assert_eq!(sum, ABC);
        let error = sha256_extents(&path, vec![(4, 9)]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
