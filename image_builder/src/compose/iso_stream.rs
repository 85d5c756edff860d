//! A new image, received from xorriso through a pipe: written, with the checksum by which it checks itself, in one pass.
//!
//! A pipe has two more advantages over a file: xorriso lays the image out from its first sector
//! (into a file it writes a second session behind a copy of the first one's head), and does not
//! wait for the disk.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use nix::sys::stat::Mode;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::ComposeError;
use super::media_checksum::{AREA, DESCRIPTOR, MediaChecksum};
use crate::context::{BuildContext, CancellationToken};
use crate::events::{Events, Stage, Unit, Work};
use crate::process::{CommandError, Discard, Invocation};

/// Received at once, and what the pipe holds, in bytes.
const CHUNK: usize = 1024 * 1024;

/// What must be there before the size of the image is known.
const HEAD: usize = DESCRIPTOR + 2048;

/// An image that was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) size: u64,
    /// The implanted checksum.
    pub(crate) md5: String,
    /// Why the second file that was asked for is not there.
    pub(crate) without_second: Option<StreamError>,
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

/// Runs `xorriso`, which writes to `pipe`, there for as long, and puts what comes into the new file `out`, and into `second` as well, unless
/// that cannot be written. How far it is, is told as progress of `stage`.
pub(crate) async fn write(
    ctx: &BuildContext,
    stage: Stage,
    xorriso: &Invocation,
    pipe: &Path,
    out: &Path,
    second: Option<&Path>,
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
    let image = Target::create(out)?;
    let second = second.map(Target::create).transpose();
    let (second, without_second) = match second {
        Ok(second) => (second, None),
        Err(error) => (None, Some(error)),
    };

    let ended = CancellationToken::new();
    let stop = ctx.cancel.child_token();
    let receive = {
        let receive = Receive {
            receiver,
            pipe: pipe.to_owned(),
            image,
            second,
            without_second,
            ended: ended.clone(),
            stage,
            events: ctx.events.clone(),
        };
        let runtime = Handle::current();
        // Writing blocks.
        spawn_blocking(move || runtime.block_on(receive.run()))
    };
    let receive = async {
        let received = receive.await;
        let received = received.unwrap_or_else(|panic| Err(at(pipe)(io::Error::other(panic))));
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
    // One that stays keeps the next image from being written, which says so.
    let _ = std::fs::remove_file(pipe);
    match (ran, received) {
        (Ok(_), Ok(written)) => Ok(written),
        (Err(error @ CommandError::Cancelled { .. }), _) if ctx.cancel.is_cancelled() => {
            Err(error.into())
        }
        // It was stopped since what came was wrong, or could not be written.
        (Ok(_) | Err(CommandError::Cancelled { .. }), Err(error)) => Err(error),
        // What came was sound as far as it came: xorriso knows why it is not more.
        (Err(error), Ok(_) | Err(StreamError::Result(_))) => Err(error.into()),
        (Err(_), Err(error)) => Err(error),
    }
}

/// A file that becomes the image.
struct Target {
    path: PathBuf,
    file: File,
}

impl Target {
    fn create(path: &Path) -> Result<Self, StreamError> {
        Ok(Self {
            path: path.to_owned(),
            file: File::create_new(path).map_err(at(path))?,
        })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        self.file.write_all(bytes).map_err(at(&self.path))
    }

    /// Writes into a place that was left.
    fn fill_in(&self, bytes: &[u8], place: usize) -> Result<(), StreamError> {
        let filled = self.file.write_all_at(bytes, place as u64);
        filled.map_err(at(&self.path))
    }
}

/// Adds up what was written, on a thread of its own: that takes longer than writing it, and xorriso, which only looks
/// every tenth of a second whether it is done, should not have to wait for it.
struct Adding {
    path: PathBuf,
    /// How many bytes were written, each time.
    written: Sender<usize>,
    sum: JoinHandle<io::Result<MediaChecksum>>,
}

impl Adding {
    fn start(size: u64, path: &Path) -> Result<Self, StreamError> {
        let file = File::open(path).map_err(at(path))?;
        let (written, lengths) = mpsc::channel();
        let sum = thread::spawn(move || add_up(size, &file, &lengths));
        Ok(Self {
            path: path.to_owned(),
            written,
            sum,
        })
    }

    fn add(&self, bytes: usize) {
        // The thread is gone: it failed, as `finish` will tell.
        let _ = self.written.send(bytes);
    }

    fn finish(self) -> Result<MediaChecksum, StreamError> {
        drop(self.written);
        let sum = self.sum.join();
        sum.unwrap_or_else(|_| Err(io::Error::other("its checksum was not computed")))
            .map_err(at(&self.path))
    }
}

/// The checksum of a file of which so many bytes were written, one after the other.
fn add_up(size: u64, mut file: &File, lengths: &Receiver<usize>) -> io::Result<MediaChecksum> {
    let mut sum = MediaChecksum::new(size);
    let mut chunk = Vec::new();
    for length in lengths {
        chunk.resize(length, 0);
        file.read_exact(&mut chunk)?;
        sum.update(&chunk);
    }
    Ok(sum)
}

struct Receive {
    receiver: pipe::Receiver,
    pipe: PathBuf,
    image: Target,
    second: Option<Target>,
    without_second: Option<StreamError>,
    /// xorriso has ended: nothing more comes than what is in the pipe.
    ended: CancellationToken,
    stage: Stage,
    events: Events,
}

impl Receive {
    async fn run(mut self) -> Result<Written, StreamError> {
        let mut head = Vec::with_capacity(HEAD + CHUNK);
        while head.len() < HEAD {
            if self.receive(&mut head).await? == 0 {
                return Err(cut_off("no volume descriptor came"));
            }
        }
        let size = image_size(&head).ok_or_else(|| cut_off("what came is no ISO image"))?;
        head[AREA].fill(b' ');
        let mut done = self.write(&head)?;
        let working = self.events.working(Some(self.stage), Work::MediaMd5);
        let adding = Adding::start(size, &self.image.path)?;
        adding.add(head.len());
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut told = 0;
        while done < size {
            chunk.clear();
            if self.receive(&mut chunk).await? == 0 {
                return Err(cut_off(&format!("{done} of {size} bytes came")));
            }
            done += self.write(&chunk)?;
            adding.add(chunk.len());
            let percent = done * 100 / size;
            if percent > told {
                told = percent;
                self.events.progress(self.stage, done, size, Unit::Bytes);
            }
        }
        chunk.clear();
        if done > size || self.receive(&mut chunk).await? > 0 {
            return Err(cut_off(&format!("more than its {size} bytes came")));
        }
        let (md5, area) = adding.finish()?.finish();
        drop(working);
        self.image.fill_in(&area, AREA.start)?;
        self.write_second(|second| second.fill_in(&area, AREA.start));
        Ok(Written {
            size,
            md5,
            without_second: self.without_second,
        })
    }

    /// Appends to the image, and says how much.
    fn write(&mut self, bytes: &[u8]) -> Result<u64, StreamError> {
        self.image.append(bytes)?;
        self.write_second(|second| second.append(bytes));
        Ok(bytes.len() as u64)
    }

    /// Writes to the second file, which goes when that fails: the image is done without it.
    fn write_second(&mut self, write: impl FnOnce(&mut Target) -> Result<(), StreamError>) {
        if let Some(mut second) = self.second.take() {
            match write(&mut second) {
                Ok(()) => self.second = Some(second),
                Err(error) => {
                    let _ = std::fs::remove_file(&second.path);
                    self.without_second = Some(error);
                }
            }
        }
    }

    /// Appends what comes next, as much as there is room for; nothing when there is no more.
    async fn receive(&mut self, chunk: &mut Vec<u8>) -> Result<usize, StreamError> {
        let received = tokio::select! {
            biased;
            count = self.receiver.read_buf(chunk) => count,
            () = self.ended.cancelled() => Ok(0),
        };
        received.map_err(at(&self.pipe))
    }
}

fn cut_off(problem: &str) -> StreamError {
    StreamError::Result(problem.to_owned())
}

/// What the primary volume descriptor says (ECMA-119, 8.4.8).
fn image_size(head: &[u8]) -> Option<u64> {
    let descriptor = head.get(DESCRIPTOR..HEAD)?;
    let blocks = u32::from_le_bytes(descriptor.get(80..84)?.try_into().ok()?);
    let size = u64::from(blocks) * 2048;
    (descriptor.starts_with(b"\x01CD001") && size > HEAD as u64).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::mounts::{Memory, apart};
    use crate::error::{ErrorKind, StageError};

    async fn of(script: &str) -> Result<Written, StreamError> {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let sh = Invocation::new("sh").args(["-c", script, "sh"]).path(&pipe);
        write(
            &BuildContext::default(),
            Stage::Iso,
            &sh,
            &pipe,
            &dir.path().join("out.iso"),
            None,
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

    /// Writes an image of 700 sectors, which the descriptor says in both orders of bytes.
    const IMAGE: &str = "{ head -c 32768 /dev/zero; printf '\\001CD001'; head -c 74 /dev/zero; \
             printf '\\274\\002\\0\\0\\0\\0\\002\\274'; head -c 1400744 /dev/zero; } > \"$1\"";

    #[tokio::test]
    async fn the_image_is_written_where_there_is_no_room_for_the_second() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().to_owned();
        let done = apart(move || async move {
            let small = Memory::mount(&top.join("small"), 1 << 20).unwrap();
            for second in [small.path().join("second.iso"), top.join("none/second.iso")] {
                let (pipe, out) = (top.join("pipe"), top.join("out.iso"));
                let sh = Invocation::new("sh").args(["-c", IMAGE, "sh"]).path(&pipe);
                let ctx = BuildContext::default();
                let write = write(&ctx, Stage::Iso, &sh, &pipe, &out, Some(&second));
                let written = write.await.unwrap();
                assert_eq!(std::fs::read(&out).unwrap().len() as u64, written.size);
                let why = written.without_second.unwrap().to_string();
                assert!(why.starts_with(&second.display().to_string()), "{why}");
                assert!(!second.exists());
                std::fs::remove_file(out).unwrap();
            }
        });
        done.await.unwrap();
    }

    #[tokio::test]
    async fn two_files_at_once_each_with_the_checksum() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let sh = Invocation::new("sh")
            .args(["-c", IMAGE, "sh"])
            .path(&path("pipe"));
        let ctx = BuildContext::default();
        let (pipe, out, second) = (path("pipe"), path("out.iso"), path("second.iso"));
        let write = write(&ctx, Stage::Iso, &sh, &pipe, &out, Some(&second));
        let written = write.await.unwrap();
        let bytes = std::fs::read(&out).unwrap();
        assert_eq!((written.size, bytes.len() as u64), (700 * 2048, 700 * 2048));
        assert!(std::fs::read(second).unwrap() == bytes);
        let check = Invocation::new("checkisomd5").path(&out);
        let checked = ctx.run(&check).await.unwrap();
        assert!(format!("{checked:?}").contains("PASS"), "{checked:?}");
        let area = String::from_utf8_lossy(&bytes[AREA]).into_owned();
        assert!(area.contains(&format!("= {};", written.md5)), "{area}");
    }
}
