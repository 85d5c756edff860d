//! One run of QEMU seen from outside: its console, its machine protocol, the clock.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::boot_test::BootTestError;
use super::console::LineAssembler;
use super::expect::{FailureKind, Judge, Meaning};
use super::firmware::Firmware;
use super::qemu::Sockets;
use super::qmp::{Qmp, QmpError, Shutdown};
use crate::events::{EventKind, Events};
use crate::process::Stream;

/// How long the console must be silent until a line without an end is taken as a prompt.
const PROMPT_QUIET: Duration = Duration::from_millis(200);

/// How long the console must be silent after the match until the screenshot is taken: the screen
/// draws its login prompt about when the serial line does.
const SETTLE_QUIET: Duration = Duration::from_millis(700);

/// The longest settling.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);

/// How long the last console bytes may take after the guest has stopped.
const DRAIN: Duration = Duration::from_millis(300);

/// How long a QEMU that has hung up may take to end.
const HANG_UP: Duration = Duration::from_secs(3);

/// How many console lines a failure shows.
const LAST_LINES: usize = 20;

/// What GRUB's menu says of its keys. The entry that it would choose by itself is chosen at once then: many images wait
/// for a minute.
const MENU: &str = "Press enter to boot the selected";

/// What the key sends on a serial line.
const ENTER: &[u8] = b"\r";

/// The sockets that QEMU will connect to.
#[derive(Debug)]
pub(super) struct Listeners {
    serial: UnixListener,
    qmp: UnixListener,
    bios_debug: Option<UnixListener>,
    paths: Sockets,
}

impl Listeners {
    pub(super) fn bind(dir: &Path, with_bios_debug: bool) -> Result<Self, BootTestError> {
        let bind = |path: &Path| {
            UnixListener::bind(path).map_err(|source| BootTestError::output(path, source))
        };
        let paths = Sockets {
            serial: dir.join("serial"),
            qmp: dir.join("qmp"),
            bios_debug: with_bios_debug.then(|| dir.join("debug")),
        };
        Ok(Self {
            serial: bind(&paths.serial)?,
            qmp: bind(&paths.qmp)?,
            bios_debug: paths.bios_debug.as_deref().map(bind).transpose()?,
            paths,
        })
    }

    pub(super) fn paths(&self) -> Sockets {
        self.paths.clone()
    }

    /// QEMU connects to all of them before the guest's first instruction.
    async fn accept(&self) -> std::io::Result<(UnixStream, UnixStream, Option<UnixStream>)> {
        let (serial, _) = self.serial.accept().await?;
        let (qmp, _) = self.qmp.accept().await?;
        let bios_debug = match &self.bios_debug {
            Some(listener) => Some(listener.accept().await?.0),
            None => None,
        };
        Ok((serial, qmp, bios_debug))
    }
}

/// How the waiting ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// With the line that was expected.
    Matched(String),
    /// With the line that told, if one did.
    Failed(FailureKind, Option<String>),
}

/// What was seen of a run.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) ended: Ended,
    /// From the start of QEMU.
    pub(super) after: Duration,
    pub(super) last_lines: Vec<String>,
    pub(super) screenshot: Option<PathBuf>,
}

/// What to wait for, and where to keep what is seen.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) firmware: Firmware,
    pub(super) listeners: Listeners,
    pub(super) judge: Judge,
    pub(super) timeout: Duration,
    pub(super) serial_log: PathBuf,
    pub(super) screenshot: PathBuf,
    pub(super) events: Events,
}

impl Session {
    /// Waits for QEMU to connect, then for the end, takes the screenshot and tells QEMU to quit.
    /// `None` when QEMU was `gone` before it connected.
    pub(super) async fn run(self, gone: &CancellationToken) -> Result<Option<Seen>, BootTestError> {
        let started = Instant::now();
        let log = File::create(&self.serial_log)
            .await
            .map_err(|source| BootTestError::output(&self.serial_log, source))?;
        let connected = async {
            let (serial, qmp, bios_debug) = self.listeners.accept().await?;
            let qmp = Qmp::negotiate(qmp).await.map_err(std::io::Error::other)?;
            Ok((serial, qmp, bios_debug))
        };
        let (serial, mut qmp, bios_debug) = tokio::select! {
            biased;
            connected = connected => match connected {
                Ok(connected) => connected,
                // A QEMU that dies hangs up first, and how it ended tells more.
                Err(source) => match tokio::time::timeout(HANG_UP, gone.cancelled()).await {
                    Ok(()) => return Ok(None),
                    Err(_) => return Err(not_started(&source)),
                },
            },
            () = gone.cancelled() => return Ok(None),
            () = tokio::time::sleep(self.timeout) => {
                let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
                return Err(not_started(&late));
            }
        };
        let mut watch = Watch {
            serial,
            bios_debug,
            console: LineAssembler::default(),
            bios_console: LineAssembler::default(),
            last_lines: VecDeque::new(),
            chosen: false,
            session: &self,
            log,
        };
        let ended = watch.wait(&mut qmp, started + self.timeout).await?;
        let after = started.elapsed();
        let ended = watch.settle(ended).await?;
        let last_lines = watch.last_lines();
        let screenshot = self.screendump(&mut qmp).await;
        qmp.quit().await;
        Ok(Some(Seen {
            ended,
            after,
            last_lines,
            screenshot,
        }))
    }

    async fn screendump(&self, qmp: &mut Qmp) -> Option<PathBuf> {
        let arguments = json!({ "filename": self.screenshot.to_string_lossy(), "format": "png" });
        match qmp.execute("screendump", arguments).await {
            Ok(_) => Some(self.screenshot.clone()),
            Err(error) => {
                let hint = match error {
                    QmpError::Refused { .. } => " (PNG needs QEMU 7.1 or newer)",
                    _ => "",
                };
                self.events.warn(format!("no screenshot: {error}{hint}"));
                None
            }
        }
    }
}

fn not_started(source: &std::io::Error) -> BootTestError {
    BootTestError::NotStarted {
        reason: source.to_string(),
    }
}

/// The streams of a running guest.
struct Watch<'a> {
    serial: UnixStream,
    bios_debug: Option<UnixStream>,
    console: LineAssembler,
    bios_console: LineAssembler,
    last_lines: VecDeque<String>,
    /// A boot menu was seen, and answered.
    chosen: bool,
    session: &'a Session,
    log: File,
}

impl Watch<'_> {
    /// Waits until a line decides, the guest stops, or time is up.
    async fn wait(&mut self, qmp: &mut Qmp, deadline: Instant) -> Result<Ended, BootTestError> {
        let mut bytes = vec![0; 16 * 1024];
        let mut debug_bytes = vec![0; 4 * 1024];
        let mut qmp_open = true;
        // A prompt is judged once, not every time the wait goes round.
        let mut judged: Option<String> = None;
        loop {
            let prompt = self
                .console
                .partial()
                .filter(|p| Some(p) != judged.as_ref());
            let ended = tokio::select! {
                biased;
                // First: a guest that never stops printing must not outrun the clock.
                () = tokio::time::sleep_until(deadline) => {
                    Some(Ended::Failed(FailureKind::TimedOut, None))
                }
                count = self.serial.read(&mut bytes) => match count {
                    Ok(0) | Err(_) => {
                        let last = self.finish();
                        Some(last.unwrap_or(Ended::Failed(FailureKind::QemuExited, None)))
                    }
                    Ok(count) => {
                        judged = None;
                        self.received(&bytes[..count]).await?
                    }
                },
                count = read_some(&mut self.bios_debug, &mut debug_bytes) => {
                    match count {
                        0 => { self.bios_debug = None; None }
                        count => self.bios_said(&debug_bytes[..count]),
                    }
                }
                shutdown = qmp.shutdown(), if qmp_open => match shutdown {
                    Ok(shutdown) => Some(self.stopped(shutdown).await?),
                    // QEMU is going; its console says when it is gone.
                    Err(_) => { qmp_open = false; None }
                },
                () = tokio::time::sleep(PROMPT_QUIET), if prompt.is_some() => {
                    let ended = prompt.as_deref().and_then(|prompt| self.judge(prompt));
                    judged = prompt;
                    ended
                }
            };
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    /// Takes console bytes; the first line that decides does.
    async fn received(&mut self, bytes: &[u8]) -> Result<Option<Ended>, BootTestError> {
        self.log
            .write_all(bytes)
            .await
            .map_err(|source| BootTestError::output(&self.session.serial_log, source))?;
        let mut lines = Vec::new();
        self.console.push(bytes, |line| lines.push(line));
        let mut ended = None;
        for line in lines {
            ended = ended.or_else(|| self.judge(&line));
            if line.contains(MENU) && !std::mem::replace(&mut self.chosen, true) {
                // Without it the menu goes on by itself, later.
                let _ = self.serial.write_all(ENTER).await;
            }
            self.keep(line);
        }
        Ok(ended)
    }

    /// Takes what the BIOS said to its debug port.
    fn bios_said(&mut self, bytes: &[u8]) -> Option<Ended> {
        let mut ended = None;
        let judge = &self.session.judge;
        self.bios_console.push(bytes, |line| {
            if let Meaning::Fatal(kind) = judge.failure(&line) {
                ended.get_or_insert(Ended::Failed(kind, Some(line)));
            }
        });
        ended
    }

    /// The guest has stopped: its last words may still be on the way.
    async fn stopped(&mut self, shutdown: Shutdown) -> Result<Ended, BootTestError> {
        let mut bytes = vec![0; 16 * 1024];
        let mut ended = None;
        while let Ok(Ok(count @ 1..)) =
            tokio::time::timeout(DRAIN, self.serial.read(&mut bytes)).await
        {
            let next = self.received(&bytes[..count]).await?;
            ended = ended.or(next);
        }
        let ended = ended.or_else(|| self.finish());
        let kind = match shutdown {
            Shutdown::PoweredOff => FailureKind::PoweredOff,
            Shutdown::Reset => FailureKind::Reset,
            Shutdown::Host => FailureKind::QemuExited,
        };
        Ok(ended.unwrap_or(Ended::Failed(kind, None)))
    }

    /// Lets the console come to rest, and completes a line that was judged before its end.
    async fn settle(&mut self, ended: Ended) -> Result<Ended, BootTestError> {
        let limit = Instant::now() + SETTLE_LIMIT;
        let mut bytes = vec![0; 16 * 1024];
        let quiet = || (Instant::now() + SETTLE_QUIET).min(limit);
        while let Ok(Ok(count @ 1..)) =
            tokio::time::timeout_at(quiet(), self.serial.read(&mut bytes)).await
        {
            self.received(&bytes[..count]).await?;
            if Instant::now() >= limit {
                break;
            }
        }
        self.finish();
        self.log
            .flush()
            .await
            .map_err(|source| BootTestError::output(&self.session.serial_log, source))?;
        Ok(ended)
    }

    fn finish(&mut self) -> Option<Ended> {
        let mut last = None;
        self.console.finish(|line| last = Some(line));
        let line = last?;
        let ended = self.judge(&line);
        self.keep(line);
        ended
    }

    fn judge(&self, line: &str) -> Option<Ended> {
        match self.session.judge.line(line) {
            Meaning::Nothing => None,
            Meaning::Expected => Some(Ended::Matched(line.trim().to_owned())),
            Meaning::Fatal(kind) => Some(Ended::Failed(kind, Some(line.trim().to_owned()))),
        }
    }

    fn keep(&mut self, line: String) {
        // The frame of a boot menu tells nobody anything; the log file has it.
        if !line.contains(char::is_alphanumeric) {
            return;
        }
        self.session.events.emit(EventKind::Output {
            stream: Stream::Stdout,
            // Two images may boot at once.
            line: format!("{}: {line}", self.session.firmware),
        });
        if self.last_lines.len() == LAST_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line);
    }

    fn last_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.last_lines).into()
    }
}

/// The next bytes of a stream that may not be there; 0 at its end.
async fn read_some(stream: &mut Option<UnixStream>, bytes: &mut [u8]) -> usize {
    match stream {
        Some(stream) => stream.read(bytes).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}
