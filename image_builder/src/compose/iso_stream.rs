//! A new image, received from xorriso through a pipe: written and checksummed in one pass.
//!
//! A pipe has two more advantages over a file: xorriso lays the image out from its first sector
//! (into a file it writes a second session behind a copy of the first one's head), and does not
//! wait for the disk.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::stat::Mode;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::ComposeError;
use super::media_checksum::{AREA, DESCRIPTOR, MediaChecksum};
use crate::context::{BuildContext, CancellationToken};
use crate::digest::hex;
use crate::events::{EventKind, Events, Stage, Unit};
use crate::process::{CommandError, Discard, Invocation};

/// Received at once, and what the pipe holds, in bytes.
const CHUNK: usize = 1024 * 1024;

/// What must be there before the size of the image is known.
const HEAD: usize = DESCRIPTOR + 2048;

/// An image that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) size: u64,
    /// The implanted checksum.
    pub(crate) md5: String,
    pub(crate) sha256: String,
}

/// Why there is no new image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    /// xorriso failed, was ended, or could not be started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// What it wrote is no image, or not all of one, whatever it says.
    #[error("xorriso did not do what it was told: {0}")]
    Result(String),
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
}

impl From<StreamError> for ComposeError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Command(error) => error.into(),
            StreamError::Result(problem) => Self::Tool {
                tool: "xorriso",
                lines: vec![problem],
            },
            StreamError::Io { path, source } => super::files::at(&path)(source),
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StreamError + '_ {
    move |source| StreamError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Runs `xorriso`, which writes to `pipe`, and puts what comes into the new file `out`.
pub(crate) async fn write(
    ctx: &BuildContext,
    xorriso: &Invocation,
    pipe: &Path,
    out: &Path,
) -> Result<Written, StreamError> {
    nix::unistd::mkfifo(pipe, Mode::S_IRUSR | Mode::S_IWUSR)
        .map_err(|error| at(pipe)(error.into()))?;
    // Open for writing, too: else the pipe would be at its end before xorriso opens it.
    let receiver = pipe::OpenOptions::new()
        .read_write(true)
        .open_receiver(pipe)
        .map_err(at(pipe))?;
    // A small pipe works as well, if slower.
    let size = nix::fcntl::FcntlArg::F_SETPIPE_SZ(i32::try_from(CHUNK).unwrap_or(i32::MAX));
    let _ = nix::fcntl::fcntl(&receiver, size);
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(out);
    let file = file.map_err(at(out))?;

    let ended = CancellationToken::new();
    let stop = ctx.cancel.child_token();
    let receive = {
        let receive = Receive {
            receiver,
            file,
            ended: ended.clone(),
            events: ctx.events.clone(),
        };
        let runtime = Handle::current();
        // Checksums keep a processor busy.
        spawn_blocking(move || runtime.block_on(receive.run()))
    };
    let receive = async {
        let received = receive.await;
        let received = received.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        if received.is_err() {
            stop.cancel();
        }
        received
    };
    let run = async {
        let ran = ctx.run_into(xorriso, Arc::new(Discard), &stop).await;
        ended.cancel();
        ran
    };
    let (ran, received) = tokio::join!(run, receive);
    match (ran, received) {
        (Ok(_), Ok(written)) => Ok(written),
        (Err(error @ CommandError::Cancelled { .. }), _) if ctx.cancel.is_cancelled() => {
            Err(error.into())
        }
        // It was stopped since what came was wrong, or could not be written.
        (Ok(_) | Err(CommandError::Cancelled { .. }), Err(error)) => Err(match error.kind() {
            io::ErrorKind::UnexpectedEof => StreamError::Result(error.to_string()),
            _ => at(out)(error),
        }),
        // What came was sound as far as it came: xorriso knows why it is not more.
        (Err(error), Ok(_)) => Err(error.into()),
        (Err(error), Err(short)) if short.kind() == io::ErrorKind::UnexpectedEof => {
            Err(error.into())
        }
        (Err(_), Err(error)) => Err(at(out)(error)),
    }
}

struct Receive {
    receiver: pipe::Receiver,
    file: File,
    /// xorriso has ended: nothing more comes than what is in the pipe.
    ended: CancellationToken,
    events: Events,
}

impl Receive {
    async fn run(mut self) -> io::Result<Written> {
        let mut chunk = vec![0; CHUNK];
        let mut head = Vec::with_capacity(HEAD + CHUNK);
        while head.len() < HEAD {
            match self.next(&mut chunk).await? {
                0 => return Err(cut_off("no volume descriptor came")),
                count => head.extend_from_slice(&chunk[..count]),
            }
        }
        let size = image_size(&head).ok_or_else(|| cut_off("what came is no ISO image"))?;
        head[AREA].fill(b' ');
        let mut sum = MediaChecksum::new(size);
        sum.update(&head);
        self.file.write_all(&head)?;
        let mut done = head.len() as u64;
        let mut told = 0;
        while done < size {
            let count = self.next(&mut chunk).await?;
            if count == 0 {
                return Err(cut_off(&format!("{done} of {size} bytes came")));
            }
            self.file.write_all(&chunk[..count])?;
            sum.update(&chunk[..count]);
            done += count as u64;
            let percent = done * 100 / size;
            if percent > told {
                told = percent;
                self.events.emit(EventKind::Progress {
                    stage: Stage::Iso,
                    done,
                    total: size,
                    unit: Unit::Bytes,
                });
            }
        }
        let (md5, area) = sum.finish();
        self.file.write_all_at(&area, AREA.start as u64)?;
        // While xorriso winds up.
        let sha256 = sha256(&mut self.file)?;
        if done > size || self.next(&mut chunk).await? > 0 {
            return Err(cut_off(&format!("more than its {size} bytes came")));
        }
        Ok(Written { size, md5, sha256 })
    }

    /// The next bytes; none when there are no more.
    async fn next(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        tokio::select! {
            biased;
            count = self.receiver.read(chunk) => count,
            () = self.ended.cancelled() => Ok(0),
        }
    }
}

fn cut_off(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, problem.to_owned())
}

/// What the primary volume descriptor says (ECMA-119, 8.4.8).
fn image_size(head: &[u8]) -> Option<u64> {
    let descriptor = head.get(DESCRIPTOR..HEAD)?;
    let blocks = u32::from_le_bytes(descriptor.get(80..84)?.try_into().ok()?);
    let size = u64::from(blocks) * 2048;
    (descriptor.starts_with(b"\x01CD001") && size > HEAD as u64).then_some(size)
}

fn sha256(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(count) => hash.update(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, StageError};

    async fn of(script: &str) -> Result<Written, StreamError> {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let sh = Invocation::new("sh").args(["-c", script, "sh"]).path(&pipe);
        write(
            &BuildContext::default(),
            &sh,
            &pipe,
            &dir.path().join("out.iso"),
        )
        .await
    }

    #[tokio::test]
    async fn a_writer_that_fails_is_named_with_its_words() {
        let error = of("echo no such drive >&2; exit 5").await.unwrap_err();
        assert!(error.to_string().contains("no such drive"), "{error}");
        assert_eq!(ComposeError::from(error).kind(), ErrorKind::Failed);
        let error = of("head -c 100000 /dev/zero > \"$1\"; exit 5")
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("exit status 5")
                || error.to_string().contains("no ISO image"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_writer_that_says_all_is_well_is_not_believed() {
        for (script, words) in [
            ("true", "no volume descriptor came"),
            (
                "head -c 100000 /dev/zero > \"$1\"",
                "what came is no ISO image",
            ),
            (
                "{ head -c 32768 /dev/zero; printf '\\001CD001'; head -c 74 /dev/zero; \
                 printf '\\144\\0\\0\\0'; head -c 4000 /dev/zero; } > \"$1\"",
                "of 204800 bytes came",
            ),
            (
                "{ head -c 32768 /dev/zero; printf '\\001CD001'; head -c 74 /dev/zero; \
                 printf '\\024\\0\\0\\0'; head -c 90000 /dev/zero; } > \"$1\"",
                "more than its 40960 bytes came",
            ),
        ] {
            let error = of(script).await.unwrap_err().to_string();
            assert!(
                error.starts_with("xorriso did not do what it was told: "),
                "{script}: {error}"
            );
            assert!(error.contains(words), "{script}: {error}");
        }
    }
}
