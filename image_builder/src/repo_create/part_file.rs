//! The partial file of a download: written and checked on a thread of its own.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::fault::RpmFault;
use super::rpm_file::{CHUNK, Expected, IntactRpm, RpmCheck};
use crate::cache::EntryLock;

/// Why a partial file does not become a whole one.
#[derive(Debug)]
pub(super) enum PartError {
    /// The disk.
    Io(io::Error),
    /// What was received is no intact RPM, or not the one that was asked for.
    Fault(RpmFault),
}

impl From<io::Error> for PartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A partial file and the check of what is in it.
#[derive(Debug)]
struct PartFile {
    file: File,
    expected: Expected,
    check: RpmCheck,
    length: u64,
}

impl PartFile {
    /// Opens or makes it. What an earlier process left in it counts if it can be the beginning of
    /// the file that is expected.
    fn open(path: &Path, expected: Expected) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut part = Self {
            file,
            check: RpmCheck::new(expected.clone()),
            expected,
            length: 0,
        };
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = part.file.read(&mut chunk)?;
            if count == 0 {
                return Ok(part);
            }
            if part.check.update(&chunk[..count]).is_err() {
                part.restart()?;
                return Ok(part);
            }
            part.length += count as u64;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        self.check.update(bytes).map_err(PartError::Fault)?;
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.check = RpmCheck::new(self.expected.clone());
        self.length = 0;
        Ok(())
    }

    fn finish(self) -> Result<IntactRpm, PartError> {
        let intact = self.check.finish().map_err(PartError::Fault)?;
        // The name will promise that the content is verified, also after a power cut.
        self.file.sync_data()?;
        Ok(intact)
    }
}

enum Piece {
    Bytes(Vec<u8>),
    Restart,
    End,
}

/// The way to the thread that writes a partial file. Dropped before the end, it leaves the file for
/// another time.
#[derive(Debug)]
pub(super) struct Pump {
    pieces: mpsc::Sender<Piece>,
    thread: JoinHandle<Result<IntactRpm, PartError>>,
    /// Bytes that are in the file or on the way to it.
    pub(super) length: u64,
}

/// The thread has ended; [`Pump::end`] says why.
#[derive(Debug)]
pub(super) struct Stopped;

impl Pump {
    /// Opens the partial file at `path` and starts the thread, which keeps `lock` as long as it
    /// can write.
    pub(super) async fn start(
        path: &Path,
        expected: Expected,
        lock: Arc<EntryLock>,
    ) -> io::Result<Self> {
        let owned = path.to_owned();
        let part = spawn_blocking(move || PartFile::open(&owned, expected)).await??;
        let (pieces, mut receiver) = mpsc::channel(8);
        let (length, path) = (part.length, path.to_owned());
        let thread = spawn_blocking(move || {
            let _lock = lock;
            let mut part = part;
            let result = loop {
                match receiver.blocking_recv() {
                    Some(Piece::Bytes(bytes)) => {
                        if let Err(error) = part.write(&bytes) {
                            break Err(error);
                        }
                    }
                    Some(Piece::Restart) => part.restart()?,
                    Some(Piece::End) => break part.finish(),
                    None => {
                        return Err(io::Error::from(io::ErrorKind::Interrupted).into());
                    }
                }
            };
            if let Err(PartError::Fault(_)) = result {
                // Not a byte of it can be trusted.
                fs::remove_file(&path)?;
            }
            result
        });
        Ok(Self {
            pieces,
            thread,
            length,
        })
    }

    /// Appends `bytes`.
    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Stopped> {
        self.length += bytes.len() as u64;
        let sent = self.pieces.send(Piece::Bytes(bytes)).await;
        sent.map_err(|_| Stopped)
    }

    /// Begins anew with an empty file.
    pub(super) async fn restart(&mut self) -> Result<(), Stopped> {
        self.length = 0;
        let sent = self.pieces.send(Piece::Restart).await;
        sent.map_err(|_| Stopped)
    }

    /// There is no more to come: the result of the check.
    pub(super) async fn end(self) -> Result<IntactRpm, PartError> {
        // An error means that the thread has ended with one.
        let _ = self.pieces.send(Piece::End).await;
        self.thread.await.map_err(io::Error::other)?
    }
}
