//! A file on its way out, hashed in the same pass: read ahead, or written as well, on a thread of its own.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Progress, TransferError};
use crate::digest::hex;

/// Read at once, in bytes.
const CHUNK: usize = 512 * 1024;

/// Chunks that wait to be sent: with the one that is read and the one that is sent, all the memory
/// that a file takes.
const AHEAD: usize = 6;

/// Read, hashed and written before the next, in bytes: what stays in the cache of one processor.
const PUMPED: usize = 128 * 1024;

/// What is left of a file to send.
#[derive(Debug)]
pub(super) struct Source {
    file: PathBuf,
    to: PathBuf,
    start: u64,
    /// Told at the end of the file, by who reads it.
    told: Option<oneshot::Sender<String>>,
    sha256: oneshot::Receiver<String>,
    way: Way,
}

/// How a file goes out.
#[derive(Debug)]
enum Way {
    /// Nobody has begun with it.
    Open(File),
    /// Read ahead.
    Read(Chunks),
    /// It was, or is by now.
    Sent,
}

#[derive(Debug)]
struct Chunks {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    /// Buffers that were sent, to be filled again.
    sent: mpsc::UnboundedSender<Vec<u8>>,
    current: Vec<u8>,
}

impl Chunks {
    /// Reads ahead, and hashes if somebody wants to be `told`.
    fn start(file: File, start: u64, told: Option<oneshot::Sender<String>>) -> Self {
        let (sender, chunks) = mpsc::channel(AHEAD);
        let (sent, mut free) = mpsc::unbounded_channel();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = read_ahead(file, start, told, &sender, &mut free) {
                drop(sender.blocking_send(Err(error)));
            }
        });
        Self {
            chunks,
            sent,
            current: Vec::new(),
        }
    }
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
        let file = File::open(path).map_err(|source| TransferError::Put {
            file: path.to_owned(),
            to: to.into(),
            source,
        })?;
        let (told, sha256) = oneshot::channel();
        Ok(Self {
            file: path.to_owned(),
            to: to.into(),
            start,
            told: hashed.then_some(told),
            sha256,
            way: Way::Open(file),
        })
    }

    fn failure(&self, source: io::Error) -> TransferError {
        TransferError::Put {
            file: self.file.clone(),
            to: self.to.clone(),
            source,
        }
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    ///
    /// [`TransferError::Put`]
    pub(super) async fn next(&mut self) -> Result<Option<&[u8]>, TransferError> {
        let mut reading = match std::mem::replace(&mut self.way, Way::Sent) {
            Way::Open(file) => Chunks::start(file, self.start, self.told.take()),
            Way::Read(chunks) => chunks,
            Way::Sent => return Ok(None),
        };
        // The reader may have come to its end.
        let _ = reading.sent.send(std::mem::take(&mut reading.current));
        let next = reading.chunks.recv().await.transpose();
        let next = next.map_err(|source| self.failure(source))?;
        self.way = Way::Read(reading);
        let Way::Read(reading) = &mut self.way else {
            return Ok(None);
        };
        Ok(next.map(|chunk| {
            reading.current = chunk;
            reading.current.as_slice()
        }))
    }

    /// Writes all of it into `sink`, and gives that back with how it went; `progress` hears how far it is. One thread
    /// reads, hashes and writes, piece by piece: each is in its processor's cache from the first to the last.
    ///
    /// # Errors
    ///
    /// [`TransferError::Put`]: the file cannot be read. The sink's own are in the result; if nothing moves for so long
    /// as `stall`, it is [`io::ErrorKind::TimedOut`].
    pub(super) async fn pump<W>(
        &mut self,
        mut sink: W,
        stall: Duration,
        progress: &Progress,
    ) -> Result<(W, io::Result<()>), TransferError>
    where
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let Way::Open(file) = std::mem::replace(&mut self.way, Way::Sent) else {
            return Ok((sink, Ok(())));
        };
        let (start, told, progress) = (self.start, self.told.take(), progress.clone());
        // Whoever waits for this may go away.
        let cancel = CancellationToken::new();
        let _cancelling = cancel.clone().drop_guard();
        let runtime = Handle::current();
        let pumping = tokio::task::spawn_blocking(move || {
            let pumped = runtime.block_on(async {
                tokio::select! {
                    pumped = pump(file, start, told, &mut sink, stall, &progress) => pumped,
                    () = cancel.cancelled() => Ok(()),
                }
            });
            (sink, pumped)
        });
        let (sink, pumped) = pumping
            .await
            .map_err(|panic| self.failure(io::Error::other(panic)))?;
        match pumped {
            Ok(()) => Ok((sink, Ok(()))),
            Err(Stopped::Sink(error)) => Ok((sink, Err(error))),
            Err(Stopped::File(error)) => Err(self.failure(error)),
        }
    }

    /// The SHA-256 of the whole file as hex, after its last piece; none when it was not asked for.
    pub(super) async fn sha256(self) -> Option<String> {
        self.sha256.await.ok()
    }
}

/// Why a file was not sent to its end.
enum Stopped {
    /// It cannot be read.
    File(io::Error),
    /// It is not taken.
    Sink(io::Error),
}

/// What is read of a file, and hashed if somebody wants to be told.
struct Pieces {
    file: File,
    start: u64,
    /// Where the next one begins.
    at: u64,
    hash: Option<(Sha256, oneshot::Sender<String>)>,
}

impl Pieces {
    fn new(mut file: File, start: u64, told: Option<oneshot::Sender<String>>) -> io::Result<Self> {
        let hash = told.map(|told| (Sha256::new(), told));
        let at = match hash {
            Some(_) => 0,
            None => file.seek(SeekFrom::Start(start))?,
        };
        Ok(Self {
            file,
            start,
            at,
            hash,
        })
    }

    /// Reads the next piece that is to be sent; how long it is, 0 at the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // A piece ends where the sending begins.
            let length = match self.start.checked_sub(self.at) {
                Some(before) if before > 0 => {
                    let before = usize::try_from(before).unwrap_or(usize::MAX);
                    buffer.len().min(before)
                }
                _ => buffer.len(),
            };
            let count = fill(&mut self.file, &mut buffer[..length])?;
            if let Some((hash, _)) = &mut self.hash {
                hash.update(&buffer[..count]);
            }
            let is_sent = self.at >= self.start;
            self.at += count as u64;
            if is_sent || count == 0 {
                return Ok(count);
            }
        }
    }

    /// All of it was read.
    fn end(self) {
        if let Some((hash, told)) = self.hash {
            // Nobody wants to know any more.
            let _ = told.send(hex(&hash.finalize()));
        }
    }
}

async fn pump(
    file: File,
    start: u64,
    told: Option<oneshot::Sender<String>>,
    sink: &mut (impl AsyncWrite + Unpin),
    stall: Duration,
    progress: &Progress,
) -> Result<(), Stopped> {
    let mut pieces = Pieces::new(file, start, told).map_err(Stopped::File)?;
    let mut chunk = vec![0; PUMPED];
    loop {
        let count = pieces.read(&mut chunk).map_err(Stopped::File)?;
        if count == 0 {
            pieces.end();
            return Ok(());
        }
        match timeout(stall, sink.write_all(&chunk[..count])).await {
            Ok(written) => written.map_err(Stopped::Sink)?,
            Err(late) => {
                let late = io::Error::new(io::ErrorKind::TimedOut, late);
                return Err(Stopped::Sink(late));
            }
        }
        progress.at(pieces.at);
    }
}

/// Reads ahead to the end, or until nobody takes it any more.
fn read_ahead(
    file: File,
    start: u64,
    told: Option<oneshot::Sender<String>>,
    sender: &mpsc::Sender<io::Result<Vec<u8>>>,
    free: &mut mpsc::UnboundedReceiver<Vec<u8>>,
) -> io::Result<()> {
    let mut pieces = Pieces::new(file, start, told)?;
    loop {
        let mut chunk = free.try_recv().unwrap_or_default();
        chunk.resize(CHUNK, 0);
        let count = pieces.read(&mut chunk)?;
        if count == 0 {
            pieces.end();
            return Ok(());
        }
        chunk.truncate(count);
        // The connection broke.
        if sender.blocking_send(Ok(chunk)).is_err() {
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::io::AsyncReadExt;

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
        for start in [0, 1, PUMPED + 1, data.len()] {
            let (near, mut far) = tokio::io::duplex(1000);
            let mut source = Source::open(&path, "there", start as u64, true).unwrap();
            let received = tokio::spawn(async move {
                let mut received = Vec::new();
                far.read_to_end(&mut received).await.unwrap();
                received
            });
            let at = Arc::new(AtomicU64::new(start as u64));
            let heard = at.clone();
            let progress = Progress::new(move |bytes| heard.store(bytes, Ordering::SeqCst));
            let sent = source.pump(near, Duration::from_secs(30), &progress);
            let (near, sent) = sent.await.unwrap();
            sent.unwrap();
            drop(near);
            assert!(received.await.unwrap() == data[start..], "{start}");
            assert_eq!(at.load(Ordering::SeqCst), data.len() as u64);
            assert!(source.next().await.unwrap().is_none());
            let sha256 = source.sha256().await.unwrap();
            assert_eq!(sha256, hex(&Sha256::digest(&data)), "{start}");
        }
        // Somebody who reads nothing, and somebody who has gone.
        let (near, far) = tokio::io::duplex(1000);
        let mut source = Source::open(&path, "there", 0, false).unwrap();
        let stall = Duration::from_millis(100);
        let stalled = source.pump(near, stall, &Progress::silent()).await;
        let (near, stalled) = stalled.unwrap();
        assert_eq!(stalled.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(far);
        let mut source = Source::open(&path, "there", 0, false).unwrap();
        let gone = source.pump(near, stall, &Progress::silent()).await;
        assert_eq!(
            gone.unwrap().1.unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
        let mut source = Source::open(&path, "there", 9, false).unwrap();
        assert!(*source.next().await.unwrap().unwrap() == data[9..9 + CHUNK]);
        drop(source);
    }
}
