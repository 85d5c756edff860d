//! The signals by which somebody asks a program to end.

use std::{fs, io};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Tells each time that this process is asked to end: by Ctrl-C, by SIGTERM, or since its terminal was closed.
///
/// What it was told to ignore when it was started it goes on to ignore, as programs do: `nohup` asks for that when the
/// terminal closes, and a shell for Ctrl-C of what it starts in the background.
///
/// # Errors
///
/// The operating system's.
///
/// # Panics
///
/// Outside a tokio runtime with its I/O enabled.
pub fn asked_to_end() -> io::Result<mpsc::UnboundedReceiver<()>> {
    let (sender, asked) = mpsc::unbounded_channel();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        if is_ignored(&status, kind) {
            continue;
        }
        let (mut signals, sender) = (signal(kind)?, sender.clone());
        tokio::spawn(
            async move { while signals.recv().await.is_some() && sender.send(()).is_ok() {} },
        );
    }
    Ok(asked)
}

/// What [`drain_then_stop`] does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing new is begun; what was begun is brought to its end.
    Drain,
    /// What was begun is stopped as well.
    Stop,
}

/// Cancels `drain` when this process is asked to end, and `stop` when it is asked once more; `tell` hears of each first.
///
/// # Errors
///
/// The operating system's.
///
/// # Panics
///
/// As [`asked_to_end`].
pub fn drain_then_stop(
    drain: CancellationToken,
    stop: CancellationToken,
    tell: impl Fn(Ending) + Send + 'static,
) -> io::Result<()> {
    let mut asked = asked_to_end()?;
    tokio::spawn(async move {
        while asked.recv().await.is_some() {
            if drain.is_cancelled() {
                tell(Ending::Stop);
                stop.cancel();
            } else {
                tell(Ending::Drain);
                drain.cancel();
            }
        }
    });
    Ok(())
}

/// What [proc(5)](https://man7.org/linux/man-pages/man5/proc_pid_status.5.html) has in `SigIgn`: a bit for each signal
/// from 1 on.
fn is_ignored(status: &str, kind: SignalKind) -> bool {
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read() {
        let status = "Name:\tfbs\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert!(is_ignored(status, SignalKind::hangup()));
        assert!(!is_ignored(status, SignalKind::interrupt()));
        assert!(!is_ignored(status, SignalKind::terminate()));
        assert!(!is_ignored("", SignalKind::hangup()));
    }
}
