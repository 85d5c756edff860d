//! One run of a plan, from its checks to the delivered report.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::limits::Limits;
use super::notices::Notices;
use super::{BuildFailure, Gate, ImageBuilderError, builder_of, side};
use crate::builders::Built;
use crate::cache;
use crate::context::BuildContext;
use crate::delivery::{self, Outbox};
use crate::destdir::Destdir;
use crate::error::{ErrorKind, StageError};
use crate::events::{EventKind, Outcome, Stage, seconds};
use crate::host::Host;
use crate::job_log::JobLog;
use crate::outdir::{self, OutdirError};
use crate::plan::{BuildPlan, ImagePlan};
use crate::preflight::{self, PreflightError};
use crate::quantity::ByteSize;
use crate::repo_create::SideRepository;
use crate::report::{self, BuildReport, Recorder};
use crate::spec::{Backend, BootTest as Wanted};
use crate::transfer::{Courier, Delivery, DeliveryRecord, StagingSettings, TransferError};
use crate::verify::{
    self, BootTest, BootVerdict, BuildProof, Firmware, GuestArch, ImplantedMd5, InspectOptions,
    IsoContents, PackageList,
};
use crate::workdir::WorkDir;

/// One run of a plan: what its stages have left so far.
pub(super) struct Run<'a> {
    plan: &'a BuildPlan,
    host: &'a Host,
    ctx: &'a BuildContext,
    settings: &'a [StagingSettings],
    recorder: Arc<Recorder>,
    started: Timestamp,
    clock: Instant,
    limits: Limits,
    side: Option<SideRepository>,
    built: Option<Built>,
    kickstart: Option<report::KickstartRecord>,
    contents: Option<IsoContents>,
    verdicts: Vec<BootVerdict>,
    logs: Vec<PathBuf>,
    /// What a delivery that was stopped was to bring.
    stopped: Vec<String>,
    notices: Notices<'a>,
    gate: Option<&'a dyn Gate>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        plan: &'a BuildPlan,
        host: &'a Host,
        ctx: &'a BuildContext,
        settings: &'a [StagingSettings],
        notices: Notices<'a>,
        limits: Limits,
    ) -> Self {
        let recorder = Arc::new(Recorder::default());
        ctx.events.add_sink(recorder.clone());
        Self {
            settings,
            plan,
            host,
            ctx,
            recorder,
            started: Timestamp::now(),
            clock: Instant::now(),
            limits,
            side: None,
            built: None,
            kickstart: None,
            contents: None,
            verdicts: Vec::new(),
            logs: Vec::new(),
            stopped: Vec::new(),
            notices,
            gate: None,
        }
    }

    pub(super) fn with_gate(mut self, gate: Option<&'a dyn Gate>) -> Self {
        self.gate = gate;
        self
    }

    pub(super) async fn run(mut self) -> Result<BuildReport, BuildFailure> {
        let events = &self.ctx.events;
        events.emit(EventKind::JobStarted {
            job: self.plan.job.clone(),
            title: self.plan.title.clone(),
        });
        let courier = match Courier::new(&self.plan.paths.staging, self.settings) {
            Ok(courier) => courier,
            Err(error) => {
                let error = PreflightError::from(error).into();
                return Err(self.fail_before_work(error).await);
            }
        };
        let check = preflight::check(self.plan, self.host, &courier, self.ctx);
        let checked = match self.ctx.stage(Stage::Check, check).await {
            // The log and the report say more than who asked is told, and can be delivered.
            Err(error) if !error.is_after_staging() => {
                return Err(self.fail_before_work(error.into()).await);
            }
            checked => checked,
        };
        let work = match WorkDir::create(&self.plan.paths.work) {
            Ok(work) => work,
            Err(source) => {
                let path = self.plan.paths.work.clone();
                let error = ImageBuilderError::WorkDir { path, source };
                return Err(self.fail_before_work(error).await);
            }
        };
        let log = match self.open_log() {
            Ok(log) => log,
            Err(error) => return Err(self.fail_before_work(error).await),
        };
        let result = match checked {
            Ok(()) => {
                self.notices.begin();
                self.stages().await
            }
            Err(error) => Err(error.into()),
        };
        let result = result.map_err(|error| self.name_the_cause(error));
        self.finish(result, courier, &log, work).await
    }

    /// Fetch the builds, build, verify, boot.
    async fn stages(&mut self) -> Result<(), ImageBuilderError> {
        if let Some(wanted) = &self.plan.side {
            let work = side::make(self.plan, wanted, self.ctx);
            self.side = Some(self.ctx.stage(Stage::SideRepository, work).await?);
        }
        let builder = builder_of(self.plan)?;
        let built = builder
            .build(self.plan, self.ctx)
            .await
            .map_err(|mut error| {
                self.logs.append(&mut error.logs);
                self.kickstart = error.kickstart.take().map(|record| *record);
                error
            })?;
        self.logs.extend(built.logs.iter().cloned());
        self.kickstart.clone_from(&built.kickstart);
        let (iso, sha256) = (built.iso.clone(), built.iso_sha256.clone());
        let media_md5 = built.media_md5.clone();
        let packages = built.packages.clone();
        self.built = Some(built);
        let Some(iso) = iso else {
            return Ok(());
        };
        let options = InspectOptions {
            work_dir: Some(self.plan.paths.work.clone()),
            sha256,
            media_md5,
            ..InspectOptions::default()
        };
        let read_back = async {
            let contents = verify::inspect(self.ctx, &iso, &options).await?;
            let flaw =
                flaw(&contents, &self.plan.backend.name).or_else(|| lacks(&contents, &packages));
            match flaw {
                Some(flaw) => Err(ImageBuilderError::Flaw(flaw)),
                None => Ok(contents),
            }
        };
        self.contents = Some(self.ctx.stage(Stage::Verify, read_back).await?);
        self.check_landed()?;
        self.boot_tests(&iso).await
    }

    /// What of the builds that were asked for is in the image.
    fn proofs(&self) -> Vec<BuildProof> {
        let image = self.contents.as_ref();
        let packages = image.map_or(&[][..], IsoContents::delivered_packages);
        self.side.as_ref().map_or_else(Vec::new, |side| {
            verify::prove(
                &side.choice.builds,
                &side.choice.rpms,
                &side.headers,
                packages,
            )
        })
    }

    /// The image holds the builds that it must hold.
    fn check_landed(&self) -> Result<(), ImageBuilderError> {
        let Some(wanted) = &self.plan.side else {
            return Ok(());
        };
        let proofs = self.proofs();
        for proof in &proofs {
            self.ctx.events.info(format!(
                "Landed:: {} of {} packages of {}",
                proof.landed.len(),
                proof.landed.len() + proof.missing.len(),
                proof.nvr
            ));
        }
        match verify::not_landed(&proofs, wanted.require_landed) {
            lines if lines.is_empty() => Ok(()),
            lines => Err(ImageBuilderError::NotLanded(lines)),
        }
    }

    async fn boot_tests(&mut self, iso: &std::path::Path) -> Result<(), ImageBuilderError> {
        let firmwares: &[Firmware] = match self.plan.boot_test {
            Wanted::None => return Ok(()),
            Wanted::Bios => &[Firmware::Bios],
            Wanted::Uefi => &[Firmware::Uefi],
            Wanted::Both => &[Firmware::Bios, Firmware::Uefi],
        };
        let output_dir = self.plan.paths.work.join("boot-test");
        // The planner lets no other architecture come this far.
        let arch = GuestArch::of(self.plan.arch).unwrap_or(GuestArch::X86_64);
        let tests: Vec<BootTest> = firmwares
            .iter()
            .map(|&firmware| BootTest {
                arch,
                ..BootTest::new(iso, firmware, &output_dir)
            })
            .collect();
        let (ctx, verdicts) = (self.ctx, &mut self.verdicts);
        let tested = ctx
            .stage(Stage::BootTest, async {
                *verdicts = verify::boot_each(ctx, &tests, self.plan.processors).await?;
                let failed = verdicts.iter().find_map(|verdict| {
                    let failure = verdict.failure.as_ref()?;
                    Some((verdict.firmware, failure.summary()))
                });
                match failed {
                    Some((firmware, reason)) => {
                        Err(ImageBuilderError::DoesNotBoot { firmware, reason })
                    }
                    None => Ok(()),
                }
            })
            .await;
        if verdicts.is_empty() {
            // A test without a verdict leaves its console all the same.
            let entries = output_dir
                .read_dir()
                .into_iter()
                .flatten()
                .filter_map(Result::ok);
            let files = entries.map(|entry| entry.path());
            self.logs
                .extend(files.filter(|file| file.extension().is_some_and(|end| end == "log")));
        }
        tested
    }

    /// Delivers what there is, clears the rest away and says how the build ended, whatever that is.
    async fn finish(
        &mut self,
        result: Result<(), ImageBuilderError>,
        mut courier: Courier,
        log: &JobLog,
        mut work: WorkDir,
    ) -> Result<BuildReport, BuildFailure> {
        if !self.is_wanted(result.as_ref().err()).await {
            let error = result.err().unwrap_or(ImageBuilderError::Superseded);
            self.ctx.events.error(error.to_string());
            self.clear(&work, &[]).await;
            return Err(error.into());
        }
        let mut report = self.report();
        let stopped = matches!(
            result,
            Err(ImageBuilderError::Cancelled
                | ImageBuilderError::TimedOut(_)
                | ImageBuilderError::Overdue)
        );
        let outbox = Outbox::of(work.path());
        let ctx = self.ctx;
        let deliver = self.deliver(&mut report, &mut courier, &outbox, stopped);
        let delivered = ctx.stage(Stage::Transfer, deliver).await;
        let result = match (result, delivered) {
            (Ok(()), delivered) => delivered,
            // The first error is the one to tell.
            (Err(error), Err(later)) => {
                self.ctx.events.warn(later.to_string());
                Err(error)
            }
            (Err(error), Ok(())) => Err(error),
        };
        if matches!(result, Err(ImageBuilderError::Cancelled)) && self.is_withdrawn() {
            let error = ImageBuilderError::Cancelled;
            self.ctx.events.error(error.to_string());
            self.clear(&work, &[]).await;
            return Err(error.into());
        }
        self.notices.take_screenshots(&self.verdicts);
        self.clear(&work, &[log.path(), outbox.folder()]).await;
        self.prune_cache().await;
        if let Err(error) = &result {
            self.ctx.events.error(error.to_string());
            report.error = Some(error.record());
        }
        // There may be room again to say it there as well.
        self.tell_of_gaps(log, &mut report);
        self.copy_log(log);
        report.outcome = outcome(&result);
        self.ctx.events.emit(EventKind::JobFinished {
            outcome: report.outcome,
            seconds: seconds(self.clock.elapsed()),
        });
        self.tell_of_gaps(log, &mut report);
        self.complete(&mut report);
        let last = self
            .deliver_last(&mut report, &mut courier, &outbox, log)
            .await;
        if report.kept_in.is_some() {
            // The log is in it by now.
            let cleared = work.clear(&[outbox.folder()]).await;
            if let Err(error) = cleared {
                let path = work.path().display();
                self.ctx.events.warn(format!("{path}: {error}"));
            }
            work.keep();
        }
        let result = result.and(last);
        if let Err(error) = &result {
            // The last files may have failed what had succeeded until then.
            report.outcome = outcome(&result);
            report.error.get_or_insert_with(|| error.record());
        }
        // What is kept has the log, and nothing else has it then.
        let kept = report.kept_in.as_ref().map(|kept| kept.join(&report.log));
        let log = kept.as_deref().unwrap_or(log.path());
        self.notices.end(&report, Some(log)).await;
        match result {
            Ok(()) => Ok(report),
            Err(error) => Err(BuildFailure {
                error,
                kept: report.kept_in.clone(),
                report: Some(Box::new(report)),
            }),
        }
    }

    /// The log and the report. Where a place lacks anything, the outbox stays, and has them too.
    async fn deliver_last(
        &self,
        report: &mut BuildReport,
        courier: &mut Courier,
        outbox: &Outbox,
        log: &JobLog,
    ) -> Result<(), ImageBuilderError> {
        let kept = outbox.folder().to_owned();
        let undelivered = |source| ImageBuilderError::Transfer {
            source,
            kept: kept.clone(),
        };
        let lacking = |courier: &Courier| {
            let lacking = courier.records().iter().any(|one| one.error.is_some());
            lacking.then(|| kept.clone())
        };
        report.kept_in = lacking(courier);
        let last = delivery::log_and_report(outbox, report, log.path()).map_err(undelivered)?;
        // They come last whatever happened.
        let cancel = match self.ctx.cancel.is_cancelled() {
            true => last_moments(),
            false => CancellationToken::new(),
        };
        let sent = courier.put(&self.plan.name, &last, &self.ctx.events, &cancel);
        let sent = sent.await;
        report.deliveries = self.records(courier);
        if report.kept_in.is_none() {
            report.kept_in = match sent {
                Ok(()) => lacking(courier),
                Err(_) => {
                    let names = [report.log.as_str(), delivery::REPORT];
                    let deliveries = report.deliveries.iter_mut();
                    deliveries.for_each(|one| one.mark_stopped(&names));
                    Some(kept.clone())
                }
            };
        }
        if report.kept_in.is_some() {
            delivery::log_and_report(outbox, report, log.path()).map_err(undelivered)?;
        }
        match courier.take_error() {
            Some(error) => Err(undelivered(error)),
            None => sent.map_err(undelivered),
        }
    }

    /// The image, if it is to be handed over. One that was not read back whole is none; one whose
    /// boot test was cut short is not proven. One that does not boot is worth looking at.
    fn deliverable(&self, stopped: bool) -> Option<&Built> {
        let whole = |built: &&Built| self.contents.is_some() || built.iso.is_none();
        let built = self.built.as_ref().filter(whole)?;
        if stopped {
            self.ctx
                .events
                .warn("the image is not delivered: its boot test did not come to an end");
        }
        (!stopped).then_some(built)
    }

    /// The image, its tree and the logs of tools; not yet the job's own log and report.
    async fn deliver(
        &mut self,
        report: &mut BuildReport,
        courier: &mut Courier,
        outbox: &Outbox,
        stopped: bool,
    ) -> Result<(), ImageBuilderError> {
        let kept = outbox.folder().to_owned();
        let cancel = match stopped {
            true => last_moments(),
            false => self.ctx.cancel.clone(),
        };
        let filled = self.fill(report, outbox, self.deliverable(stopped)).await;
        let files = filled.map_err(|error| self.refused(error, &kept))?;
        let sent = courier.put(&self.plan.name, &files, &self.ctx.events, &cancel);
        let sent = sent.await;
        if sent.is_err() {
            self.stopped = files.into_iter().map(|file| file.name).collect();
        }
        report.deliveries = self.records(courier);
        if sent.is_err() {
            // What was stopped is not begun again: the report lists what is there.
            let there =
                |name: &String| report.deliveries.iter().any(|one| one.files.contains(name));
            report.files.retain(|file| there(&file.name));
        }
        sent.map_err(|error| self.refused(error, &kept))?;
        if let (ImagePlan::Dvd(dvd), Some(_)) = (&self.plan.image, &self.built)
            && dvd.keep
        {
            report.tree = Some(Destdir::of(self.plan, dvd).arch());
        }
        let finished = self.built.as_ref().filter(|_| self.contents.is_some());
        let tree = finished.and_then(|built| built.tree.clone());
        if let (Some(tree), Some(outdir)) = (tree, &self.plan.paths.tree) {
            let (to, job) = (outdir.clone(), self.plan.job.clone());
            let install = move || outdir::install(&tree, &to, &job, &cancel);
            let installed = tokio::task::spawn_blocking(install).await;
            match installed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
                Ok(()) => report.tree = Some(outdir.clone()),
                Err(OutdirError::Cancelled) => {
                    return Err(self.name_the_cause(ImageBuilderError::Cancelled));
                }
                Err(error) => return Err(error.into()),
            }
        }
        // The tree is there whatever became of the image.
        courier
            .take_error()
            .map_or(Ok(()), |error| Err(self.refused(error, &kept)))
    }

    fn refused(&self, error: TransferError, kept: &std::path::Path) -> ImageBuilderError {
        match error {
            TransferError::Cancelled => self.name_the_cause(ImageBuilderError::Cancelled),
            source => ImageBuilderError::Transfer {
                source,
                kept: kept.to_owned(),
            },
        }
    }

    /// What became of each place. One that lacks what the build was to bring when it was stopped has an error, though its
    /// log may still come there.
    fn records(&self, courier: &Courier) -> Vec<DeliveryRecord> {
        let names: Vec<&str> = self.stopped.iter().map(String::as_str).collect();
        let mut records = courier.records();
        records.iter_mut().for_each(|one| one.mark_stopped(&names));
        records
    }

    /// The outbox with all but the job's own log and report, each file with its line in the report.
    async fn fill(
        &self,
        report: &mut BuildReport,
        outbox: &Outbox,
        iso: Option<&Built>,
    ) -> Result<Vec<Delivery>, TransferError> {
        // The image was hashed when it was read back.
        let sha256 = self.contents.as_ref().map(|one| one.sha256.as_str());
        let (verdicts, logs) = (&self.verdicts, &self.logs);
        let mut files = delivery::files(outbox, self.plan, iso, sha256, verdicts, logs).await?;
        report.files = delivery::records(&files).collect();
        if let (Some(_), Some(contents)) = (iso, &self.contents) {
            let lists = delivery::lists(outbox, self.plan, contents, &report.files).await?;
            report.files.extend(delivery::records(&lists));
            files.extend(lists);
        }
        Ok(files)
    }

    /// Removes what is not needed any more; what is left is a warning, and no fault of the image.
    async fn clear(&self, work: &WorkDir, kept: &[&std::path::Path]) {
        let cleared = self
            .ctx
            .stage(Stage::Clear, async {
                work.clear(kept)
                    .await
                    .map_err(|source| ImageBuilderError::WorkDir {
                        path: self.plan.paths.work.clone(),
                        source,
                    })
            })
            .await;
        if let Err(error) = cleared {
            self.ctx.events.warn(format!("{error}; remove it yourself"));
        }
    }

    /// Keeps what builds keep for each other within its bounds.
    async fn prune_cache(&self) {
        let (folder, max_bytes) = (
            self.plan.paths.cache.clone(),
            self.plan.paths.cache_max_bytes,
        );
        let pruned = tokio::task::spawn_blocking(move || {
            cache::clear_leftovers(&folder)?;
            cache::prune(&folder, &cache::Kind::ALL, max_bytes, Duration::MAX)
        })
        .await
        .unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
        match pruned {
            Ok(pruned) if pruned.entries > 0 => self.ctx.events.info(format!(
                "Cache:: {} entries were too much and are removed, {}; {} left",
                pruned.entries,
                ByteSize(pruned.bytes),
                ByteSize(pruned.left)
            )),
            Ok(_) => {}
            Err(error) => self.ctx.events.warn(format!(
                "{}: {error}; `fbs cache gc` tries again",
                self.plan.paths.cache.display()
            )),
        }
    }

    /// Says that lines of the log were lost, once.
    fn tell_of_gaps(&self, log: &JobLog, report: &mut BuildReport) {
        if report.log_error.is_none()
            && let Some(error) = log.error()
        {
            let warning =
                format!("the log is not whole, lines of it could not be written: {error}");
            self.ctx.events.warn(warning);
            report.log_error = Some(error);
        }
    }

    /// The native engine's log of a live image goes where the spec wants a tool's.
    fn copy_log(&self, log: &JobLog) {
        let wanted = self.plan.image.live().and_then(|live| live.log.as_ref());
        let Some(to) = wanted.filter(|_| self.plan.backend.name == Backend::Native) else {
            return;
        };
        if let Err(error) = std::fs::copy(log.path(), to) {
            let to = to.display();
            self.ctx
                .events
                .warn(format!("the log was not written to {to}: {error}"));
        }
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
            self.notices.requester
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
        for staging in &plan.paths.staging {
            events.info(format!("Staging:: {staging}"));
        }
        for note in &plan.notes {
            events.info(format!("Note:: {note}"));
        }
        Ok(log)
    }

    /// A program that was stopped does not know who stopped it.
    fn name_the_cause(&self, error: ImageBuilderError) -> ImageBuilderError {
        match self.ctx.cancel.is_cancelled() {
            true => self.limits.cause(),
            false => error,
        }
    }

    async fn is_wanted(&self, failure: Option<&ImageBuilderError>) -> bool {
        match self.gate {
            Some(gate) => gate.open(failure).await,
            None => true,
        }
    }

    fn is_withdrawn(&self) -> bool {
        self.gate.is_some_and(Gate::is_withdrawn)
    }

    async fn fail_before_work(&mut self, error: ImageBuilderError) -> BuildFailure {
        let error = self.name_the_cause(error);
        if !self.is_wanted(Some(&error)).await {
            self.ctx.events.error(error.to_string());
            return error.into();
        }
        self.ctx.events.error(error.to_string());
        let mut report = self.report();
        report.outcome = outcome(&Err::<(), _>(&error));
        report.error = Some(error.record());
        self.ctx.events.emit(EventKind::JobFinished {
            outcome: report.outcome,
            seconds: seconds(self.clock.elapsed()),
        });
        self.complete(&mut report);
        self.notices.end(&report, None).await;
        error.into()
    }

    fn report(&self) -> BuildReport {
        let plan = self.plan;
        let packages = match (&self.contents, &self.built) {
            (Some(contents), _) => {
                let packages = contents.delivered_packages().iter();
                packages.map(verify::Package::nevra).collect()
            }
            // Of a DVD that is not finished, what was gathered for it.
            (None, Some(built)) if built.iso.is_none() => built.packages.clone(),
            (None, _) => Vec::new(),
        };
        BuildReport {
            version: report::VERSION,
            generator: concat!("image_builder ", env!("CARGO_PKG_VERSION")).to_owned(),
            job: plan.job.clone(),
            title: plan.title.clone(),
            name: plan.name.clone(),
            outcome: Outcome::Failed,
            error: None,
            started: self.started,
            finished: self.started,
            host: format!("{} ({})", self.host.name, self.host.system),
            backend: report::BackendRecord {
                name: plan.backend.name.to_string(),
                reason: plan.backend.reason.clone(),
            },
            source_date: match &self.built {
                Some(built) => built.source_date.clone(),
                None => plan.source_date.clone(),
            },
            spec: serde_json::to_value(&plan.spec).unwrap_or_default(),
            notes: plan.notes.clone(),
            requested: plan.packages.clone(),
            side_repository: self.side_record(),
            kickstart: self.kickstart.clone(),
            stages: Vec::new(),
            commands: Vec::new(),
            work: Vec::new(),
            time: report::TimeRecord::default(),
            memory: report::MemoryRecord::default(),
            image: self.contents.clone().map(|contents| IsoContents {
                path: PathBuf::from(plan.image_file()),
                ..contents
            }),
            packages,
            boot_tests: self.verdicts.iter().cloned().map(delivered_names).collect(),
            deliveries: Vec::new(),
            kept_in: None,
            tree: None,
            log: JobLog::file_name(plan.created),
            log_error: None,
            files: Vec::new(),
        }
    }

    fn side_record(&self) -> Option<report::SideRecord> {
        let side = self.side.as_ref()?;
        Some(report::SideRecord {
            koji: side.koji.clone(),
            packages: side.choice.rpms.len(),
            bytes: side.bytes,
            reused: side.reused,
            warnings: side
                .choice
                .warnings
                .iter()
                .map(ToString::to_string)
                .collect(),
            proved: self.contents.is_some(),
            builds: self.proofs(),
        })
    }

    /// What is known only at the end.
    fn complete(&self, report: &mut BuildReport) {
        let recorded = self.recorder.recorded();
        report.time = recorded.time(seconds(self.clock.elapsed()));
        report.stages = recorded.stages;
        report.commands = recorded.commands;
        report.work = recorded.work;
        report.finished = Timestamp::now();
        report.memory = report::memory();
    }
}

/// What a stopped build has to hand over is small, and is not stopped again; but a server that is
/// gone is not waited for.
fn last_moments() -> CancellationToken {
    const MOMENTS: Duration = Duration::from_secs(10);
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::time::sleep(MOMENTS).await;
        cancelled.cancel();
    });
    token
}

/// What a finished image lacks, although the tools that were to put it in ended well.
fn flaw(contents: &IsoContents, backend: &Backend) -> Option<String> {
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
        // lorax leaves it out where the host lacks the tool; of ours it is known to be there.
        ImplantedMd5::Absent if *backend == Backend::Native => {
            Some("the image has no implanted checksum".to_owned())
        }
        ImplantedMd5::Mismatch { .. } => {
            Some("the image does not match its implanted checksum".to_owned())
        }
        ImplantedMd5::Absent | ImplantedMd5::Intact { .. } | ImplantedMd5::Unchecked { .. } => None,
    }
}

/// What of the packages that were to lie on a DVD does not.
fn lacks(contents: &IsoContents, packages: &[String]) -> Option<String> {
    let there: BTreeSet<String> = contents
        .media_packages
        .iter()
        .map(verify::Package::nevra)
        .collect();
    let missing: Vec<&str> = packages
        .iter()
        .map(String::as_str)
        .filter(|name| !there.contains(*name))
        .collect();
    (!missing.is_empty()).then(|| format!("the image lacks packages: {}", missing.join(", ")))
}

fn outcome<T, E: std::borrow::Borrow<ImageBuilderError>>(result: &Result<T, E>) -> Outcome {
    match result {
        Ok(_) => Outcome::Succeeded,
        Err(error) if error.borrow().kind() == ErrorKind::Cancelled => Outcome::Cancelled,
        Err(_) => Outcome::Failed,
    }
}

/// Who asked: in local mode the user and the host.
pub(super) fn requester(host: &Host) -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid())
        .ok()
        .flatten();
    format!(
        "{}@{}",
        user.map_or_else(|| "root".to_owned(), |user| user.name),
        host.name
    )
}

/// The verdict with its files as they are called where they are delivered.
fn delivered_names(verdict: BootVerdict) -> BootVerdict {
    let name = |path: PathBuf| path.file_name().map_or(path.clone(), PathBuf::from);
    BootVerdict {
        serial_log: name(verdict.serial_log),
        screenshot: verdict.screenshot.map(name),
        ..verdict
    }
}
