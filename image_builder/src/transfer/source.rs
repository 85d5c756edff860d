//! A file on its way out: read ahead on a thread of its own, hashed in the same pass.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::TransferError;
use crate::digest::hex;

/// Read at once, in bytes.
const CHUNK: usize = 512 * 1024;

/// Chunks that wait to be sent: with the one that is read and the one that is sent, all the memory
/// that a file takes.
const AHEAD: usize = 6;

/// What is left of a file to send.
#[derive(Debug)]
pub(super) struct Source {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    /// Buffers that were sent, to be filled again.
    sent: mpsc::UnboundedSender<Vec<u8>>,
    current: Vec<u8>,
    sha256: oneshot::Receiver<String>,
    file: PathBuf,
    to: PathBuf,
}

impl Source {
    /// The file from `start` on, on its way to the address `to`; hashed from its beginning when
    /// `hashed`.
    ///
    /// # Errors
    ///
    /// [`TransferError::Put`]
    pub(super) fn open(
        path: &Path,
        to: &str,
        start: u64,
        hashed: bool,
    ) -> Result<Self, TransferError> {
        let mut file = File::open(path).map_err(|source| TransferError::Put {
            file: path.to_owned(),
            to: to.into(),
            source,
        })?;
        let (sender, chunks) = mpsc::channel(AHEAD);
        let (sent, mut free) = mpsc::unbounded_channel();
        let (told, sha256) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let mut hash = hashed.then(Sha256::new);
            let read = read(&mut file, start, hash.as_mut(), &sender, &mut free);
            match (read, hash) {
                (Err(error), _) => drop(sender.blocking_send(Err(error))),
                (Ok(()), Some(hash)) => drop(told.send(hex(&hash.finalize()))),
                (Ok(()), None) => {}
            }
        });
        Ok(Self {
            chunks,
            sent,
            current: Vec::new(),
            sha256,
            file: path.to_owned(),
            to: to.into(),
        })
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    ///
    /// [`TransferError::Put`]
    pub(super) async fn next(&mut self) -> Result<Option<&[u8]>, TransferError> {
        // The reader may have come to its end.
        let _ = self.sent.send(std::mem::take(&mut self.current));
        let next = self.chunks.recv().await.transpose();
        let next = next.map_err(|source| TransferError::Put {
            file: self.file.clone(),
            to: self.to.clone(),
            source,
        })?;
        Ok(next.map(|chunk| {
            self.current = chunk;
            self.current.as_slice()
        }))
    }

    /// The SHA-256 of the whole file as hex, after its last piece; none when it was not asked for.
    pub(super) async fn sha256(self) -> Option<String> {
        self.sha256.await.ok()
    }
}

fn read(
    file: &mut File,
    start: u64,
    mut hash: Option<&mut Sha256>,
    sender: &mpsc::Sender<io::Result<Vec<u8>>>,
    free: &mut mpsc::UnboundedReceiver<Vec<u8>>,
) -> io::Result<()> {
    let mut at = match hash {
        Some(_) => 0,
        None => file.seek(SeekFrom::Start(start))?,
    };
    loop {
        // A piece ends where the sending begins.
        let length = match start.checked_sub(at) {
            Some(before) if before > 0 => CHUNK.min(usize::try_from(before).unwrap_or(CHUNK)),
            _ => CHUNK,
        };
        let mut chunk = free.try_recv().unwrap_or_default();
        chunk.resize(CHUNK, 0);
        let count = fill(file, &mut chunk[..length])?;
        if count == 0 {
            return Ok(());
        }
        chunk.truncate(count);
        if let Some(hash) = &mut hash {
            hash.update(&chunk);
        }
        let is_sent = at >= start;
        at += count as u64;
        // Nobody takes it any more: the connection broke.
        if is_sent && sender.blocking_send(Ok(chunk)).is_err() {
            return Ok(());
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_rest_is_sent_and_the_whole_is_hashed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let data: Vec<u8> = (0..3 * CHUNK + 7).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &data).unwrap();
        for start in [0, 1, CHUNK, 2 * CHUNK + 5, data.len()] {
            let mut source = Source::open(&path, "there", start as u64, true).unwrap();
            let mut sent = Vec::new();
            while let Some(chunk) = source.next().await.unwrap() {
                sent.extend_from_slice(chunk);
            }
            assert!(sent == data[start..], "{start}");
            let sha256 = source.sha256().await.unwrap();
            assert_eq!(sha256, hex(&Sha256::digest(&data)), "{start}");
        }
        let mut source = Source::open(&path, "there", 9, false).unwrap();
        assert!(*source.next().await.unwrap().unwrap() == data[9..9 + CHUNK]);
        drop(source);
    }
}
