//! [`ImageBuilder`]: the order of the stages, and nothing else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::builders::{self, Bootiso, BuildError, Built};
use crate::context::BuildContext;
use crate::delivery;
use crate::error::{ErrorKind, StageError};
use crate::events::{EventKind, Events, Outcome, Stage, seconds};
use crate::host::Host;
use crate::job_log::JobLog;
use crate::outdir::{self, OutdirError};
use crate::plan::{BackendChoice, BuildPlan, PlanError, PlanOptions};
use crate::preflight::{self, PreflightError};
use crate::process::CommandRunner;
use crate::report::{self, BuildReport, ErrorRecord, Recorder};
use crate::spec::password::hidden_in;
use crate::spec::{Backend, BootTest as Wanted, BuildSpec};
use crate::transfer::{Local, Transfer, TransferError};
use crate::verify::{
    self, BootTest, BootTestError, BootVerdict, Firmware, GuestArch, ImplantedMd5, InspectError,
    InspectOptions, IsoContents, PackageList,
};
use crate::workdir::WorkDir;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageBuilderError {
    /// No plan can be made of the spec.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The host, the repositories or the folders are not fit.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The work directory cannot be made.
    #[error("the work directory {}: {source}", .path.display())]
    WorkDir {
        /// The folder.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// A stage of making the image failed.
    #[error("{}: {}", .0.stage.title(), .0)]
    Build(#[from] BuildError),
    /// The finished image cannot be read back.
    #[error("{}: {}", Stage::Verify.title(), .0)]
    Verify(#[from] InspectError),
    /// The finished image lacks what was put into it.
    #[error("{}: {_0}", Stage::Verify.title())]
    Flaw(String),
    /// The boot test could not be made.
    #[error("{}: {}", Stage::BootTest.title(), .0)]
    BootTest(#[from] BootTestError),
    /// The image does not boot.
    #[error("the image does not boot by {}: {reason}", .firmware)]
    DoesNotBoot {
        /// How it was tried.
        firmware: Firmware,
        /// What happened.
        reason: String,
    },
    /// The tree cannot be put into outdir.
    #[error(transparent)]
    Outdir(#[from] OutdirError),
    /// The image could not be delivered.
    #[error("{source}; the image is in {}", .kept.display())]
    Transfer {
        /// Why.
        source: TransferError,
        /// The work directory, kept because the image is in it.
        kept: PathBuf,
    },
    /// The whole build took too long.
    #[error("the build was ended after its time limit of {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Somebody stopped it.
    #[error("the build was cancelled")]
    Cancelled,
}

impl ImageBuilderError {
    /// The stage that failed, where it was one.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::Preflight(_) => Some(Stage::Check),
            Self::Build(error) => Some(error.stage),
            Self::Verify(_) | Self::Flaw(_) => Some(Stage::Verify),
            Self::BootTest(_) | Self::DoesNotBoot { .. } => Some(Stage::BootTest),
            Self::Outdir(_) | Self::Transfer { .. } => Some(Stage::Transfer),
            Self::Plan(_) | Self::WorkDir { .. } | Self::TimedOut(_) | Self::Cancelled => None,
        }
    }

    fn record(&self) -> ErrorRecord {
        ErrorRecord {
            stage: self.stage(),
            kind: self.kind(),
            message: self.to_string(),
            hint: self.hint(),
        }
    }
}

impl StageError for ImageBuilderError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Plan(error) => error.kind(),
            Self::Preflight(error) => error.kind(),
            Self::WorkDir { .. } => ErrorKind::Host,
            Self::Build(error) => error.kind(),
            Self::Verify(error) => error.kind(),
            Self::BootTest(error) => error.kind(),
            Self::Outdir(error) => error.kind(),
            Self::Transfer { source, .. } => source.kind(),
            Self::Flaw(_) | Self::DoesNotBoot { .. } | Self::TimedOut(_) => ErrorKind::Failed,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Preflight(error) => error.is_transient(),
            Self::Build(error) => error.is_transient(),
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Plan(error) => error.hint(),
            Self::Preflight(error) => error.hint(),
            Self::WorkDir { .. } => Some("name another folder with `workdir`".to_owned()),
            Self::Build(error) => error.hint(),
            Self::Verify(error) => error.hint(),
            Self::BootTest(error) => error.hint(),
            Self::Outdir(error) => error.hint(),
            Self::Transfer { source, .. } => source.hint(),
            Self::DoesNotBoot { .. } => {
                Some("the serial log and the screenshot are with the delivered image".to_owned())
            }
            Self::TimedOut(_) => Some("set a longer `timeout`".to_owned()),
            Self::Flaw(_) | Self::Cancelled => None,
        }
    }
}

/// A build that did not come to its image, with what it left.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct BuildFailure {
    /// Why.
    #[source]
    pub error: ImageBuilderError,
    /// The report, once work had begun; it was delivered with the log.
    pub report: Option<Box<BuildReport>>,
}

impl From<ImageBuilderError> for BuildFailure {
    fn from(error: ImageBuilderError) -> Self {
        Self {
            error,
            report: None,
        }
    }
}

/// Builds images on this host.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use image_builder::{imagebuilder::ImageBuilder, spec::BuildSpec};
///
/// let spec = BuildSpec::load("examples/boot.conf")?;
/// let builder = ImageBuilder::new(spec);
/// let report = builder.build(&builder.plan()?).await?;
/// println!("{} has {} packages", report.title, report.packages.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ImageBuilder {
    spec: BuildSpec,
    host: Host,
    options: PlanOptions,
    ctx: BuildContext,
}

impl ImageBuilder {
    /// A builder of `spec` on this host.
    #[must_use]
    pub fn new(spec: BuildSpec) -> Self {
        Self {
            spec,
            host: Host::probe(),
            options: PlanOptions::from_environment(),
            ctx: BuildContext::default(),
        }
    }

    /// With other folders or another time than the environment's.
    #[must_use]
    pub fn with_options(mut self, options: PlanOptions) -> Self {
        self.options = options;
        self
    }

    /// With listeners to what happens.
    #[must_use]
    pub fn with_events(mut self, events: Events) -> Self {
        self.ctx.events = events;
        self
    }

    /// With a token that stops the build when it is cancelled.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.ctx.cancel = cancel;
        self
    }

    /// With another runner than the one that starts processes.
    #[must_use]
    pub fn with_runner(mut self, runner: Arc<dyn CommandRunner>) -> Self {
        self.ctx = self.ctx.with_runner(runner);
        self
    }

    /// What will be done, every command included.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    pub fn plan(&self) -> Result<BuildPlan, PlanError> {
        let mut plan = BuildPlan::new(&self.spec, &self.host, &self.options)?;
        plan.steps = bootiso(&plan.backend)?.steps(&plan);
        Ok(plan)
    }

    /// Does it.
    ///
    /// A build that fails after its checks still delivers its log and its report.
    ///
    /// # Errors
    ///
    /// [`BuildFailure`].
    pub async fn build(&self, plan: &BuildPlan) -> Result<BuildReport, BuildFailure> {
        // The job's own token: its time limit stops it without stopping anything else.
        let mut ctx = self.ctx.clone();
        ctx.cancel = self.ctx.cancel.child_token();
        // And its own count of events.
        ctx.events = self.ctx.events.fork();
        let limit = Duration::from_secs(plan.timeout_seconds);
        let overtime = CancellationToken::new();
        let watchdog = {
            let (overtime, cancel) = (overtime.clone(), ctx.cancel.clone());
            tokio::spawn(async move {
                tokio::time::sleep(limit).await;
                overtime.cancel();
                cancel.cancel();
            })
        };
        let result = Run::new(plan, &self.host, &ctx, overtime, limit)
            .run()
            .await;
        watchdog.abort();
        result
    }
}

fn bootiso(choice: &BackendChoice) -> Result<Box<dyn Bootiso>, PlanError> {
    builders::bootiso(choice.name).ok_or_else(|| PlanError::Backend {
        backend: choice.name,
        problem: "does not make boot images".to_owned(),
    })
}

/// One run of a plan: what its stages have left so far.
struct Run<'a> {
    plan: &'a BuildPlan,
    host: &'a Host,
    ctx: &'a BuildContext,
    staging: Local,
    recorder: Arc<Recorder>,
    started: Timestamp,
    clock: Instant,
    overtime: CancellationToken,
    limit: Duration,
    built: Option<Built>,
    contents: Option<IsoContents>,
    verdicts: Vec<BootVerdict>,
    logs: Vec<PathBuf>,
}

impl<'a> Run<'a> {
    fn new(
        plan: &'a BuildPlan,
        host: &'a Host,
        ctx: &'a BuildContext,
        overtime: CancellationToken,
        limit: Duration,
    ) -> Self {
        let recorder = Arc::new(Recorder::default());
        ctx.events.add_sink(recorder.clone());
        Self {
            staging: Local::new(&plan.paths.staging),
            plan,
            host,
            ctx,
            recorder,
            started: Timestamp::now(),
            clock: Instant::now(),
            overtime,
            limit,
            built: None,
            contents: None,
            verdicts: Vec::new(),
            logs: Vec::new(),
        }
    }

    async fn run(mut self) -> Result<BuildReport, BuildFailure> {
        let events = &self.ctx.events;
        events.emit(EventKind::JobStarted {
            job: self.plan.job.clone(),
            title: self.plan.title.clone(),
        });
        let check = preflight::check(self.plan, self.host, &self.staging, self.ctx);
        if let Err(error) = self.ctx.stage(Stage::Check, check).await {
            return Err(self.fail_before_work(error.into()));
        }
        let mut work = match WorkDir::create(&self.plan.paths.work) {
            Ok(work) => work,
            Err(source) => {
                let path = self.plan.paths.work.clone();
                return Err(self.fail_before_work(ImageBuilderError::WorkDir { path, source }));
            }
        };
        let log = match self.open_log() {
            Ok(log) => log,
            Err(error) => return Err(self.fail_before_work(error)),
        };
        let result = self
            .stages()
            .await
            .map_err(|error| self.name_the_cause(error));
        let delivered = self.finish(result, &log).await;
        if matches!(&delivered, Err(failure) if matches!(failure.error, ImageBuilderError::Transfer { .. }))
        {
            work.keep();
        }
        let removed = tokio::task::spawn_blocking(move || drop(work)).await;
        debug_assert!(removed.is_ok());
        delivered
    }

    /// Build, verify, boot.
    async fn stages(&mut self) -> Result<(), ImageBuilderError> {
        let builder = bootiso(&self.plan.backend)?;
        let built = builder
            .build(self.plan, self.ctx)
            .await
            .map_err(|mut error| {
                self.logs.append(&mut error.logs);
                error
            })?;
        self.logs.extend(built.logs.iter().cloned());
        let iso = built.iso.clone();
        let options = InspectOptions {
            work_dir: Some(self.plan.paths.work.clone()),
            ..InspectOptions::default()
        };
        self.built = Some(built);
        let native = self.plan.backend.name == Backend::Native;
        let read_back = async {
            let contents = verify::inspect(self.ctx, &iso, &options).await?;
            // Other tools may leave these out; of ours it is known that they are there.
            match flaw(&contents).filter(|_| native) {
                Some(flaw) => Err(ImageBuilderError::Flaw(flaw)),
                None => Ok(contents),
            }
        };
        self.contents = Some(self.ctx.stage(Stage::Verify, read_back).await?);
        self.boot_tests(&iso).await
    }

    async fn boot_tests(&mut self, iso: &std::path::Path) -> Result<(), ImageBuilderError> {
        let firmwares: &[Firmware] = match self.plan.boot_test {
            Wanted::None => return Ok(()),
            Wanted::Bios => &[Firmware::Bios],
            Wanted::Uefi => &[Firmware::Uefi],
            Wanted::Both => &[Firmware::Bios, Firmware::Uefi],
        };
        let output_dir = self.plan.paths.work.join("boot-test");
        let (ctx, verdicts) = (self.ctx, &mut self.verdicts);
        // The planner lets no other architecture come this far.
        let arch = GuestArch::of(self.plan.arch).unwrap_or(GuestArch::X86_64);
        ctx.stage(Stage::BootTest, async {
            for &firmware in firmwares {
                let test = BootTest {
                    arch,
                    ..BootTest::new(iso, firmware, &output_dir)
                };
                let verdict = test.run(ctx).await?;
                verdicts.push(verdict.clone());
                if !verdict.passed {
                    let reason = verdict.failure.map(|failure| failure.summary());
                    let reason = reason.unwrap_or_default();
                    return Err(ImageBuilderError::DoesNotBoot { firmware, reason });
                }
            }
            Ok(())
        })
        .await
    }

    /// Delivers what there is and says how the build ended, whatever that is.
    async fn finish(
        &mut self,
        result: Result<(), ImageBuilderError>,
        log: &JobLog,
    ) -> Result<BuildReport, BuildFailure> {
        let mut report = self.report();
        let delivered = self
            .ctx
            .stage(Stage::Transfer, self.deliver(&mut report))
            .await;
        let result = match (result, delivered) {
            (Ok(()), delivered) => delivered,
            // The first error is the one to tell; the log has the other.
            (Err(error), Err(later)) => {
                self.ctx.events.error(later.to_string());
                Err(error)
            }
            (Err(error), Ok(())) => Err(error),
        };
        if let Err(error) = &result {
            self.ctx.events.error(error.to_string());
            report.error = Some(error.record());
        }
        report.outcome = outcome(&result);
        self.ctx.events.emit(EventKind::JobFinished {
            outcome: report.outcome,
            seconds: seconds(self.clock.elapsed()),
        });
        self.complete(&mut report);
        let last = delivery::log_and_report(&self.staging, &report, log).await;
        let kept = self.plan.paths.work.clone();
        let result = match (result, last) {
            (Ok(()), Err(source)) => Err(ImageBuilderError::Transfer { source, kept }),
            (result, _) => result,
        };
        match result {
            Ok(()) => Ok(report),
            Err(error) => Err(BuildFailure {
                error,
                report: Some(Box::new(report)),
            }),
        }
    }

    /// The image, its tree and the logs of tools; not yet the job's own log and report.
    async fn deliver(&self, report: &mut BuildReport) -> Result<(), ImageBuilderError> {
        let kept = self.plan.paths.work.clone();
        let refused = |source| ImageBuilderError::Transfer {
            source,
            kept: kept.clone(),
        };
        let folder = self
            .staging
            .reserve(&self.plan.name)
            .await
            .map_err(refused)?;
        report.delivered_to = Some(folder.clone());
        // An image that was not read back whole is none.
        let iso = self.built.as_ref().filter(|_| self.contents.is_some());
        let files = delivery::files(self.plan, iso, &self.verdicts, &self.logs);
        for delivery in &files {
            let to = self.staging.put(&folder, delivery).await.map_err(refused)?;
            let record = delivery::record(delivery, iso).await;
            if let Some(record) = record {
                self.ctx.events.emit(EventKind::Artifact {
                    path: to,
                    size: record.size,
                    sha256: record.sha256.clone(),
                });
                report.files.push(record);
            }
        }
        if let (Some(built), Some(outdir)) = (iso, &self.plan.paths.tree) {
            outdir::install(&built.tree, outdir, &self.plan.job)?;
            report.tree = Some(outdir.clone());
        }
        Ok(())
    }

    fn open_log(&self) -> Result<Arc<JobLog>, ImageBuilderError> {
        let path = self
            .plan
            .paths
            .work
            .join(JobLog::file_name(self.plan.created));
        let log = JobLog::create(&path)
            .map(Arc::new)
            .map_err(|source| ImageBuilderError::WorkDir { path, source })?;
        self.ctx.events.add_sink(log.clone());
        let plan = self.plan;
        let events = &self.ctx.events;
        events.info(format!(
            "Registered a new Image Build request from {}",
            requester(self.host)
        ));
        events.info(format!("Image type:: {}", plan.image_type));
        events.info(format!("Release:: {}", plan.release));
        events.info(format!("Architecture:: {}", plan.arch));
        events.info(format!("Job:: {}", plan.job));
        events.info(format!(
            "Backend:: {} ({})",
            plan.backend.name, plan.backend.reason
        ));
        events.info(format!("Packages:: {}", plan.packages.join(" ")));
        events.info(format!("Staging:: {}", plan.paths.staging.display()));
        for note in &plan.notes {
            events.info(format!("Note:: {note}"));
        }
        Ok(log)
    }

    /// A program that was stopped does not know who stopped it.
    fn name_the_cause(&self, error: ImageBuilderError) -> ImageBuilderError {
        if !self.ctx.cancel.is_cancelled() {
            error
        } else if self.overtime.is_cancelled() {
            ImageBuilderError::TimedOut(self.limit)
        } else {
            ImageBuilderError::Cancelled
        }
    }

    fn fail_before_work(&self, error: ImageBuilderError) -> BuildFailure {
        let error = self.name_the_cause(error);
        self.ctx.events.error(error.to_string());
        self.ctx.events.emit(EventKind::JobFinished {
            outcome: outcome(&Err::<(), _>(&error)),
            seconds: seconds(self.clock.elapsed()),
        });
        error.into()
    }

    fn report(&self) -> BuildReport {
        let plan = self.plan;
        let packages = self
            .contents
            .iter()
            .flat_map(|contents| contents.packages.packages());
        BuildReport {
            version: report::VERSION,
            generator: concat!("image_builder ", env!("CARGO_PKG_VERSION")).to_owned(),
            job: plan.job.clone(),
            title: plan.title.clone(),
            outcome: Outcome::Failed,
            error: None,
            started: self.started,
            finished: self.started,
            host: format!("{} ({})", self.host.name, self.host.system),
            backend: report::BackendRecord {
                name: plan.backend.name.to_string(),
                reason: plan.backend.reason.clone(),
            },
            spec: hidden_in(serde_json::to_value(&plan.spec).unwrap_or_default()),
            notes: plan.notes.clone(),
            requested: plan.packages.clone(),
            stages: Vec::new(),
            commands: Vec::new(),
            time: report::TimeRecord::default(),
            memory: report::MemoryRecord::default(),
            image: self.contents.clone(),
            packages: packages.map(verify::Package::nevra).collect(),
            boot_tests: self.verdicts.clone(),
            delivered_to: None,
            tree: None,
            log: JobLog::file_name(plan.created),
            files: Vec::new(),
        }
    }

    /// What is known only at the end.
    fn complete(&self, report: &mut BuildReport) {
        let recorded = self.recorder.recorded();
        let command_seconds = recorded
            .commands
            .iter()
            .map(|command| command.seconds)
            .sum();
        report.stages = recorded.stages;
        report.commands = recorded.commands;
        report.finished = Timestamp::now();
        report.time = report::TimeRecord {
            total_seconds: seconds(self.clock.elapsed()),
            command_seconds,
        };
        report.memory = report::memory();
    }
}

/// What a finished image lacks, although the tools that were to put it in ended well.
fn flaw(contents: &IsoContents) -> Option<String> {
    match &contents.packages {
        PackageList::Unavailable { reason } => {
            return Some(format!("no packages are found in the image: {reason}"));
        }
        PackageList::Listed { packages, .. } if packages.is_empty() => {
            return Some("the image's package database is empty".to_owned());
        }
        PackageList::Listed { .. } => {}
    }
    match contents.implanted_md5 {
        ImplantedMd5::Absent => Some("the image has no implanted checksum".to_owned()),
        ImplantedMd5::Mismatch { .. } => {
            Some("the image does not match its implanted checksum".to_owned())
        }
        ImplantedMd5::Intact { .. } | ImplantedMd5::Unchecked { .. } => None,
    }
}

fn outcome<T, E: std::borrow::Borrow<ImageBuilderError>>(result: &Result<T, E>) -> Outcome {
    match result {
        Ok(_) => Outcome::Succeeded,
        Err(error) if error.borrow().kind() == ErrorKind::Cancelled => Outcome::Cancelled,
        Err(_) => Outcome::Failed,
    }
}

/// Who asked: in local mode the user and the host.
fn requester(host: &Host) -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid())
        .ok()
        .flatten();
    format!(
        "{}@{}",
        user.map_or_else(|| "root".to_owned(), |user| user.name),
        host.name
    )
}
