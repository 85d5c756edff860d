//! A program that is talked with over its standard input and output.

use std::os::fd::AsFd;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::watch;
use tokio::time::timeout;

use super::system::{ProcessGroup, Tail, command, read, start_error};
use super::{CommandError, Discard, Invocation, Stream};

/// What goes into a pipe before somebody reads, in bytes: as much as everybody may ask for.
const PIPE: i32 = 1024 * 1024;

/// The two streams of a running program, as one. Its whole process group is killed when this is
/// dropped.
#[derive(Debug)]
pub(crate) struct Piped {
    stdin: ChildStdin,
    stdout: ChildStdout,
    complaints: Complaints,
    _child: Child,
    _group: ProcessGroup,
}

/// What the program prints to its standard error.
#[derive(Debug, Clone)]
pub(crate) struct Complaints {
    tail: Tail,
    /// Its sender goes when all is read.
    reading: watch::Receiver<()>,
}

impl Complaints {
    /// Its last lines, oldest first. Asked for when the program is about to end or has been ended:
    /// waits a moment for what it says last.
    pub(crate) async fn lines(&self) -> Vec<String> {
        const MOMENT: Duration = Duration::from_secs(2);
        let mut reading = self.reading.clone();
        // Somebody else may hold the stream open.
        let _ = timeout(MOMENT, async { while reading.changed().await.is_ok() {} }).await;
        self.tail.lines()
    }
}

impl Piped {
    /// Starts the program.
    ///
    /// # Errors
    ///
    /// [`CommandError::NotFound`] and [`CommandError::Spawn`].
    pub(crate) fn start(invocation: &Invocation) -> Result<Self, CommandError> {
        let mut command = command(invocation);
        command.stdin(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| start_error(invocation, &error))?;
        let group = ProcessGroup::of(&child);
        let tail = Tail::default();
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(CommandError::Spawn {
                program: invocation.program.clone(),
                reason: "it has no standard streams".to_owned(),
            });
        };
        // Both programs run longer at a time then. A user has only so much of it: the usual size will do.
        for pipe in [stdin.as_fd(), stdout.as_fd()] {
            let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(PIPE));
        }
        let (all_read, reading) = watch::channel(());
        let complaints = Complaints {
            tail: tail.clone(),
            reading,
        };
        tokio::spawn(async move {
            read(stderr, Stream::Stderr, &Discard, &tail).await;
            drop(all_read);
        });
        Ok(Self {
            stdin,
            stdout,
            complaints,
            _child: child,
            _group: group,
        })
    }

    /// What it complains of; can be asked after the streams are gone.
    pub(crate) fn complaints(&self) -> Complaints {
        self.complaints.clone()
    }
}

impl AsyncRead for Piped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Piped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn both_ways_and_what_it_complains_of() {
        let cat = Invocation::new("sh").args(["-c", "echo sorry >&2; exec cat"]);
        let mut cat = Piped::start(&cat).unwrap();
        cat.write_all(b"hello").await.unwrap();
        let mut back = [0; 5];
        cat.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"hello");
        let complaints = cat.complaints();
        drop(cat);
        assert_eq!(complaints.lines().await, ["sorry"]);
        let missing = Piped::start(&Invocation::new("no-such-program"));
        assert!(matches!(missing, Err(CommandError::NotFound { .. })));
    }
}
