//! The boot test: start an image in QEMU and wait for the line that says it is up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::error::InspectError;
use super::expect::{DEFAULT_EXPECT, FailureKind, Judge};
use super::firmware::{self, Firmware, UefiImage};
use super::iso_image::IsoImage;
use super::kvm;
use super::loader::Menu;
use super::qemu::{Accelerator, DirectKernel, Flash, GuestArch, Machine};
use super::session::{Ended, Listeners, Seen, Session};
use crate::context::BuildContext;
use crate::error::{ErrorKind, StageError};
use crate::events::{EventKind, seconds};
use crate::process::{CommandError, Completed, Exit, Invocation, Stream};

/// How long QEMU has to go after it was told to.
const QUIT_LIMIT: Duration = Duration::from_secs(20);

/// What to boot, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootTest {
    /// The image.
    pub iso: PathBuf,
    /// BIOS or UEFI.
    pub firmware: Firmware,
    /// A regular expression that a console line matches when the image is up; see
    /// [`DEFAULT_EXPECT`]. Terminal control is stripped before it is matched, and a prompt without
    /// a line end is matched too.
    pub expect: String,
    /// How long the boot may take, from the start of QEMU.
    pub timeout: Duration,
    /// Where `boot-<firmware>.serial.log` and `boot-<firmware>.png` go; made if needed.
    pub output_dir: PathBuf,
    /// The guest's memory.
    pub memory_mib: u32,
    /// The guest's architecture.
    pub arch: GuestArch,
}

/// How the kernel was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BootPath {
    /// By the image's own boot loader, as on a real machine.
    Loader,
    /// By QEMU, because the image's boot menu has no console on the serial port. The boot loader
    /// was not exercised.
    DirectKernel {
        /// The kernel's path on the image.
        kernel: String,
        /// Its arguments.
        command_line: String,
    },
}

/// Why the image did not come up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootFailure {
    /// What kind of end it was.
    pub kind: FailureKind,
    /// The console line that told; absent when none did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<String>,
    /// The last lines of the console, oldest first.
    pub last_lines: Vec<String>,
}

impl BootFailure {
    /// One line for people: `kernel panic: Kernel panic - not syncing: ...`.
    #[must_use]
    pub fn summary(&self) -> String {
        let title = self.kind.title();
        match (&self.line, self.last_lines.last()) {
            (Some(line), _) => format!("{title}: {}", line.trim()),
            (None, Some(last)) => format!("{title}; the last line was: {}", last.trim()),
            (None, None) => format!("{title}; the serial console stayed empty"),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootVerdict {
    /// BIOS or UEFI.
    pub firmware: Firmware,
    /// The guest's architecture.
    pub arch: GuestArch,
    /// KVM or translation.
    pub accelerator: Accelerator,
    /// Through the boot loader or past it.
    pub boot_path: BootPath,
    /// True when the expected line came.
    pub passed: bool,
    /// Seconds from the start of QEMU to the line, or to the failure.
    pub seconds: f64,
    /// The expression that was waited for.
    pub expect: String,
    /// The line that matched it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub matched_line: Option<String>,
    /// Why not, when it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<BootFailure>,
    /// Everything that came over the serial line, as it came.
    pub serial_log: PathBuf,
    /// The screen at the end (PNG); absent when QEMU could not give it (before version 7.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub screenshot: Option<PathBuf>,
    /// The QEMU command line.
    pub command: String,
}

/// Why the test could not be made. An image that does not come up is no error: see
/// [`BootVerdict::failure`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootTestError {
    /// The expectation is not a regular expression.
    #[error(
        "the expected line `{pattern}` is not a regular expression: {}",
        flaw(source)
    )]
    Pattern {
        /// As given.
        pattern: String,
        /// What is wrong with it.
        source: regex::Error,
    },
    /// This firmware does not exist for that architecture.
    #[error("{arch} has no BIOS; boot it with uefi")]
    NoBios {
        /// The architecture.
        arch: GuestArch,
    },
    /// QEMU is not installed.
    #[error("`{program}` is not installed; it is in {package}")]
    MissingQemu {
        /// The program.
        program: String,
        /// The packages that bring it.
        package: &'static str,
    },
    /// UEFI firmware for the guest is not installed.
    #[error("no UEFI firmware for {arch} is installed; it is in {package}")]
    MissingFirmware {
        /// The architecture.
        arch: GuestArch,
        /// The packages that bring it.
        package: &'static str,
    },
    /// The image could not be read.
    #[error(transparent)]
    Image(#[from] InspectError),
    /// A file or folder of the test could not be written.
    #[error("{}: {source}", .path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// QEMU did not start.
    #[error("QEMU did not start: {reason}")]
    NotStarted {
        /// What it said.
        reason: String,
    },
    /// QEMU was ended from outside before the image said anything.
    #[error("QEMU was ended from outside: {source}")]
    Killed {
        /// By which signal.
        source: CommandError,
    },
    /// The job was cancelled.
    #[error("the boot test was cancelled")]
    Cancelled,
}

impl StageError for BootTestError {
    fn kind(&self) -> ErrorKind {
        match self {
            BootTestError::MissingQemu { .. }
            | BootTestError::MissingFirmware { .. }
            | BootTestError::NotStarted { .. } => ErrorKind::Host,
            BootTestError::Pattern { .. } | BootTestError::NoBios { .. } => ErrorKind::Usage,
            BootTestError::Output { source, .. } => ErrorKind::of_io(source),
            BootTestError::Image(error) => error.kind(),
            // Nothing that this host lacks: the same test may well work.
            BootTestError::Killed { .. } => ErrorKind::Failed,
            BootTestError::Cancelled => ErrorKind::Cancelled,
        }
    }
}

impl BootTestError {
    pub(super) fn output(path: &Path, source: std::io::Error) -> Self {
        BootTestError::Output {
            path: path.into(),
            source,
        }
    }

    fn command(arch: GuestArch, error: CommandError) -> Self {
        match error {
            CommandError::NotFound { program } => BootTestError::MissingQemu {
                program,
                package: arch.packages(),
            },
            CommandError::Cancelled { .. } => BootTestError::Cancelled,
            CommandError::Failed {
                exit: Exit::Signal(_),
                ..
            } => BootTestError::Killed { source: error },
            other => BootTestError::NotStarted {
                reason: other.to_string(),
            },
        }
    }
}

impl BootTest {
    /// A test with the defaults: x86_64, 2 GiB of memory, ten minutes, [`DEFAULT_EXPECT`].
    #[must_use]
    pub fn new(
        iso: impl Into<PathBuf>,
        firmware: Firmware,
        output_dir: impl Into<PathBuf>,
    ) -> Self {
        Self {
            iso: iso.into(),
            firmware,
            expect: DEFAULT_EXPECT.to_owned(),
            timeout: Duration::from_secs(600),
            output_dir: output_dir.into(),
            memory_mib: 2048,
            arch: GuestArch::X86_64,
        }
    }

    /// Checks that `expect` is a regular expression, as a front end does before it starts work.
    ///
    /// # Errors
    ///
    /// [`BootTestError::Pattern`].
    pub fn check_expect(expect: &str) -> Result<(), BootTestError> {
        judge(expect).map(|_| ())
    }

    /// Boots the image and waits for its line.
    ///
    /// The console's lines go to the event stream as they come. Nothing is left running when this
    /// returns or is dropped; only the log and the screenshot are left on disk.
    ///
    /// # Errors
    ///
    /// See [`BootTestError`]: the test could not be made.
    pub async fn run(&self, ctx: &BuildContext) -> Result<BootVerdict, BootTestError> {
        let judge = judge(&self.expect)?;
        if self.firmware == Firmware::Bios && self.arch == GuestArch::Aarch64 {
            return Err(BootTestError::NoBios { arch: self.arch });
        }
        let image = IsoImage::open(ctx, &self.iso).await?;
        let accelerator = kvm::accelerator(ctx, self.arch)
            .await
            .map_err(|error| BootTestError::command(self.arch, error))?;
        let serial_log = self.output("serial.log").await?;
        let screenshot = self.output("png").await?;
        let private = private_dir()?;
        let listeners = Listeners::bind(private.path(), self.has_bios_debug())?;
        let direct = self.direct_kernel(ctx, &image, private.path()).await?;
        let machine = Machine {
            arch: self.arch,
            accelerator,
            memory_mib: self.memory_mib,
            iso: image.path.clone(),
            flash: self.flash(private.path()).await?,
            direct: direct.as_ref().map(|(kernel, _)| kernel.clone()),
            sockets: listeners.paths(),
        };
        let invocation = machine.invocation();
        let session = Session {
            firmware: self.firmware,
            listeners,
            judge,
            timeout: self.timeout,
            serial_log: serial_log.clone(),
            screenshot,
            events: ctx.events.clone(),
        };
        let seen = self.supervise(ctx, &invocation, session).await?;
        let boot_path = direct.map_or(BootPath::Loader, |(_, path)| path);
        Ok(self.verdict(accelerator, boot_path, seen, serial_log, &invocation))
    }

    /// Runs QEMU with the session beside it, until both have ended.
    async fn supervise(
        &self,
        ctx: &BuildContext,
        invocation: &Invocation,
        session: Session,
    ) -> Result<Seen, BootTestError> {
        let stop = ctx.cancel.child_token();
        // The session hears of QEMU's end here, should QEMU go before it has connected.
        let gone = CancellationToken::new();
        let qemu = run_qemu(ctx, invocation, &stop);
        let seen = session.run(&gone);
        let mut qemu = std::pin::pin!(qemu);
        let mut seen = std::pin::pin!(seen);
        let mut ended: Option<Result<Completed, CommandError>> = None;
        let seen = loop {
            tokio::select! {
                biased;
                seen = &mut seen => break seen,
                result = &mut qemu, if ended.is_none() => {
                    ended = Some(result);
                    gone.cancel();
                }
            }
        };
        let ended = match ended {
            Some(result) => result,
            None => match tokio::time::timeout(QUIT_LIMIT, &mut qemu).await {
                Ok(result) => result,
                Err(_) => {
                    stop.cancel();
                    (&mut qemu).await
                }
            },
        };
        if ctx.cancel.is_cancelled() {
            return Err(BootTestError::Cancelled);
        }
        match (seen?, ended) {
            // Killed from outside, or broken: that says nothing of the image.
            (Some(seen), Err(error))
                if seen.ended == Ended::Failed(FailureKind::QemuExited, None) =>
            {
                Err(BootTestError::command(self.arch, error))
            }
            (Some(seen), _) => Ok(seen),
            (None, Err(error)) => Err(BootTestError::command(self.arch, error)),
            (None, Ok(done)) => Err(BootTestError::NotStarted {
                reason: format!("it ended at once with {}", done.exit),
            }),
        }
    }

    fn verdict(
        &self,
        accelerator: Accelerator,
        boot_path: BootPath,
        seen: Seen,
        serial_log: PathBuf,
        invocation: &Invocation,
    ) -> BootVerdict {
        let (matched_line, failure) = match seen.ended {
            Ended::Matched(line) => (Some(line), None),
            Ended::Failed(kind, line) => {
                let last_lines = seen.last_lines;
                let failure = BootFailure {
                    kind,
                    line,
                    last_lines,
                };
                (None, Some(failure))
            }
        };
        BootVerdict {
            firmware: self.firmware,
            arch: self.arch,
            accelerator,
            boot_path,
            passed: failure.is_none(),
            seconds: seconds(seen.after),
            expect: self.expect.clone(),
            matched_line,
            failure,
            serial_log,
            screenshot: seen.screenshot,
            command: invocation.to_string(),
        }
    }

    /// Only `SeaBIOS` has something to say there.
    fn has_bios_debug(&self) -> bool {
        self.firmware == Firmware::Bios
    }

    /// The path of a result, absolute, with what an earlier test left there removed.
    async fn output(&self, extension: &str) -> Result<PathBuf, BootTestError> {
        let wrong = |source| BootTestError::output(&self.output_dir, source);
        tokio::fs::create_dir_all(&self.output_dir)
            .await
            .map_err(wrong)?;
        let dir = tokio::fs::canonicalize(&self.output_dir)
            .await
            .map_err(wrong)?;
        let path = dir.join(format!("boot-{}.{extension}", self.firmware));
        match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(BootTestError::output(&path, error))
            }
            _ => Ok(path),
        }
    }

    async fn flash(&self, private: &Path) -> Result<Option<Flash>, BootTestError> {
        if self.firmware == Firmware::Bios {
            return Ok(None);
        }
        let image = UefiImage::find(self.arch).ok_or(BootTestError::MissingFirmware {
            arch: self.arch,
            package: firmware::packages(self.arch),
        })?;
        let vars = private.join("vars");
        let copy = async {
            // Written anew: a copy would keep the mode of a read-only original.
            let bytes = tokio::fs::read(&image.vars).await?;
            tokio::fs::write(&vars, bytes).await
        };
        copy.await
            .map_err(|source| BootTestError::output(&image.vars, source))?;
        Ok(Some(Flash {
            code: image.code,
            vars,
            format: image.format,
        }))
    }

    /// The kernel to start past the loader, when the loader's menu gives us nothing to see.
    async fn direct_kernel(
        &self,
        ctx: &BuildContext,
        image: &IsoImage,
        private: &Path,
    ) -> Result<Option<(DirectKernel, BootPath)>, BootTestError> {
        let Some(menu) = Menu::read(image, self.firmware).await? else {
            return Ok(None);
        };
        if menu.has_serial_console() {
            return Ok(None);
        }
        let Some(entry) = menu.entries.first() else {
            return Ok(None);
        };
        let initrd = entry.initrds.first().and_then(|path| image.entry(path));
        let (Some(kernel), Some(initrd)) = (image.entry(&entry.kernel), initrd) else {
            return Ok(None);
        };
        ctx.events.warn(
            "the boot menu has no console on the serial port: the kernel is started directly, \
             and the boot loader is not tested",
        );
        let direct = DirectKernel {
            kernel: private.join("kernel"),
            initrd: private.join("initrd"),
            command_line: entry.command_line(self.arch),
        };
        image.copy_out(kernel, &direct.kernel).await?;
        image.copy_out(initrd, &direct.initrd).await?;
        let path = BootPath::DirectKernel {
            kernel: entry.kernel.clone(),
            command_line: direct.command_line.clone(),
        };
        Ok(Some((direct, path)))
    }
}

fn judge(expect: &str) -> Result<Judge, BootTestError> {
    Judge::new(expect).map_err(|source| BootTestError::Pattern {
        pattern: expect.to_owned(),
        source,
    })
}

/// What is wrong with a pattern: the last of the lines that draw it.
fn flaw(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// A folder for sockets, which only this user may enter. A socket's path has at most 107 bytes,
/// so a long TMPDIR will not do.
fn private_dir() -> Result<TempDir, BootTestError> {
    const LONGEST: usize = 80;
    let usual = std::env::temp_dir();
    let dir = if usual.as_os_str().len() <= LONGEST {
        usual
    } else {
        PathBuf::from("/tmp")
    };
    tempfile::Builder::new()
        .prefix("fbs-boot-")
        .tempdir_in(&dir)
        .map_err(|source| BootTestError::output(&dir, source))
}

/// QEMU's own messages go to the event stream.
async fn run_qemu(
    ctx: &BuildContext,
    invocation: &Invocation,
    stop: &CancellationToken,
) -> Result<Completed, CommandError> {
    let events = ctx.events.clone();
    let sink = move |stream: Stream, line: &str| {
        events.emit(EventKind::Output {
            stream,
            line: line.to_owned(),
        });
    };
    ctx.run_into(invocation, Arc::new(sink), stop).await
}
