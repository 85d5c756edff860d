//! Jobs whose result is an image.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::leftovers;
use super::{ClaimedJob, JobContext, JobRunner, RunEnd};
use crate::build_monitor::JobLogs;
use crate::error::{ErrorKind, StageError};
use crate::events::{BuildEvent, EventKind, Events, Outcome};
use crate::host::free_bytes;
use crate::imagebuilder::{BuildFailure, Gate, ImageBuilder, ImageBuilderError};
use crate::job_log::JobLog;
use crate::jobs::{JobEnding, Payload, PrepareError, untrusted};
use crate::kickstart::Kickstart;
use crate::notification::Notifier;
use crate::plan::PlanOptions;
use crate::preflight::PreflightError;
use crate::quantity::ByteSize;
use crate::report::BuildReport;
use crate::spec::{BuildSpec, Format, ImageType, Override, SpecError, Trust};
use crate::transfer::StagingSettings;

/// The largest reason for a failure that is entered in the ledger, in characters: the log has the rest.
const LONGEST_ERROR: usize = 4096;

/// The kickstart of a job, in its folder.
const KICKSTART: &str = "flattened.ks";

/// Where a job is built, in its folder.
const WORK: &str = "work";

/// Stands in the folder of a job that holds what could not be delivered.
const KEPT: &str = "kept";

/// Builds images below a folder of the worker's own.
#[derive(Debug)]
pub struct ImageRunner {
    folder: PathBuf,
    logs: JobLogs,
    options: PlanOptions,
    settings: Vec<StagingSettings>,
    staging: Vec<String>,
    own_place: Option<PathBuf>,
    notifier: Notifier,
    min_free: u64,
}

impl ImageRunner {
    /// One that keeps everything below `folder`, which it makes: `jobs/`, where jobs are built, and `logs/`. What
    /// builds of an earlier life have left in `jobs/` is removed.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn new(folder: &Path, options: PlanOptions) -> io::Result<Self> {
        let jobs = folder.join("jobs");
        fs::create_dir_all(&jobs)?;
        leftovers::clear(&jobs, KEPT)?;
        Ok(Self {
            logs: JobLogs::new(&folder.join("logs"))?,
            folder: folder.to_owned(),
            options,
            settings: Vec::new(),
            staging: Vec::new(),
            own_place: None,
            notifier: Notifier::default(),
            min_free: 0,
        })
    }

    /// Where images go whose spec says nothing of it, and what staging places need beside their addresses.
    #[must_use]
    pub fn with_staging(mut self, places: Vec<String>, settings: Vec<StagingSettings>) -> Self {
        self.staging = places;
        self.settings = settings;
        self
    }

    /// Delivers each job also into a folder of its own below `folder`, wherever else its images go.
    #[must_use]
    pub fn with_own_place(mut self, folder: PathBuf) -> Self {
        self.own_place = Some(folder);
        self
    }

    /// Who is told when a build begins and ends.
    #[must_use]
    pub fn with_notifier(mut self, notifier: Notifier) -> Self {
        self.notifier = notifier;
        self
    }

    /// Takes no job while fewer bytes than these are free.
    #[must_use]
    pub fn with_min_free(mut self, bytes: u64) -> Self {
        self.min_free = bytes;
        self
    }

    /// The logs of its jobs.
    #[must_use]
    pub fn logs(&self) -> &JobLogs {
        &self.logs
    }

    async fn build(&self, job: &ClaimedJob, ctx: &JobContext) -> Result<BuildReport, RunEnd> {
        let folder = self.folder.join("jobs").join(job.id.as_str());
        let own = OwnFolder::new(&folder).map_err(|error| here_only(&folder, &error))?;
        let payload = job.request.payload.clone().unwrap_or_default();
        if let Some(kickstart) = &payload.kickstart {
            let parsed = Kickstart::parse(kickstart, KICKSTART);
            let parsed = parsed.map_err(|error| ended(&error, Outcome::Failed))?;
            let untrusted = untrusted(&parsed);
            if !untrusted.is_empty() {
                return Err(ended(&PrepareError::Untrusted(untrusted), Outcome::Failed));
            }
            let file = own.path().join(KICKSTART);
            fs::write(&file, kickstart).map_err(|error| here_only(&file, &error))?;
        }
        let spec = self
            .spec(job, &payload, own.path())
            .map_err(|error| ended(&error, Outcome::Failed))?;
        let events = Events::new();
        let _growing = self.logs.begin(&job.id);
        let log = self.logs.path(&job.id);
        let log = JobLog::create(&log).map_err(|error| here_only(&log, &error))?;
        events.add_sink(Arc::new(log));
        let stages = ctx.clone();
        events.add_sink(Arc::new(move |event: &BuildEvent| {
            if let EventKind::StageStarted { stage } = event.kind {
                stages.stage(stage);
            }
        }));
        let options = PlanOptions {
            now: jiff::Timestamp::now(),
            job: Some(job.id.clone()),
            current_dir: own.path().to_owned(),
            ..self.options.clone()
        };
        let builder = ImageBuilder::new(spec)
            .with_options(options)
            .with_staging(self.settings.clone())
            .with_notifier(self.notifier.clone())
            .with_cancel(ctx.cancel.clone())
            .with_gate(Arc::new(ctx.clone()))
            .with_events(events.clone());
        let plan = match builder.plan().await {
            Ok(plan) => plan,
            Err(error) => {
                events.error(error.to_string());
                return Err(match error.kind() {
                    // Another worker may have what this one lacks.
                    ErrorKind::Host => RunEnd::HandBack {
                        reason: error.to_string(),
                        refused: true,
                    },
                    _ => ended(&error, Outcome::Failed),
                });
            }
        };
        builder.build(&plan).await.map_err(|failure| {
            let BuildFailure { error, report, .. } = failure;
            let elsewhere = matches!(
                error,
                ImageBuilderError::Preflight(
                    PreflightError::Space { .. } | PreflightError::Missing { .. }
                )
            );
            if elsewhere {
                return RunEnd::HandBack {
                    reason: error.to_string(),
                    refused: true,
                };
            }
            let outcome = match error.kind() {
                ErrorKind::Cancelled => Outcome::Cancelled,
                _ => Outcome::Failed,
            };
            match ended(&error, outcome) {
                RunEnd::Ended(mut ending) => {
                    ending.places = report.as_deref().map(places).unwrap_or_default();
                    RunEnd::Ended(ending)
                }
                other => other,
            }
        })
    }

    /// What is to be built, in folders of this worker.
    fn spec(
        &self,
        job: &ClaimedJob,
        payload: &Payload,
        folder: &Path,
    ) -> Result<BuildSpec, SpecError> {
        let origin = format!("job {}", job.id);
        let sent = BuildSpec::parse(&payload.spec, Format::Ini, &origin)?;
        sent.check_trust(Trust::Remote)?;
        let work = match sent.image_type() {
            ImageType::Live => "tmpdir",
            ImageType::Boot | ImageType::Dvd => "workdir",
        };
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let mut own = vec![Override::new(work, path(WORK))];
        if sent.image_type() == ImageType::Dvd {
            own.push(Override::new("destdir", path("dvd")));
        }
        let mut staging: Vec<String> = match sent.common.staging.as_slice() {
            [] => self.staging.clone(),
            named => named.iter().map(ToString::to_string).collect(),
        };
        staging.extend(self.own_place.as_ref().map(|own| {
            let own = own.join(job.id.as_str());
            own.to_string_lossy().into_owned()
        }));
        if sent.common.staging.is_empty() || self.own_place.is_some() {
            own.push(Override::new("staging", staging.join(";")));
        }
        if payload.kickstart.is_some() {
            own.push(Override::new("config", path(KICKSTART)));
        }
        BuildSpec::parse_with(&payload.spec, Format::Ini, &origin, &own)
    }
}

#[async_trait]
impl JobRunner for ImageRunner {
    async fn run(&self, job: &ClaimedJob, ctx: &JobContext) -> RunEnd {
        match self.build(job, ctx).await {
            Ok(report) => RunEnd::Ended(JobEnding {
                outcome: report.outcome,
                error: None,
                exit_code: 0,
                places: places(&report),
                seconds: report.time.total_seconds,
            }),
            Err(end) => end,
        }
    }

    fn cannot(&self) -> Option<String> {
        let free = free_bytes(&self.folder).ok()?;
        (free < self.min_free).then(|| {
            format!(
                "{} has {} free, and {} are wanted",
                self.folder.display(),
                ByteSize(free),
                ByteSize(self.min_free)
            )
        })
    }
}

#[async_trait]
impl Gate for JobContext {
    async fn open(&self) -> bool {
        self.delivering().await.is_ok()
    }
}

fn places(report: &BuildReport) -> Vec<String> {
    let whole = report.deliveries.iter().filter(|one| one.error.is_none());
    whole
        .filter_map(|one| one.link.clone().or_else(|| one.folder.clone()))
        .collect()
}

fn ended(error: &impl StageError, outcome: Outcome) -> RunEnd {
    let mut text = error.to_string();
    if let Some(hint) = error.hint() {
        text = format!("{text} ({hint})");
    }
    if let Some((end, _)) = text.char_indices().nth(LONGEST_ERROR) {
        text.truncate(end);
    }
    RunEnd::Ended(JobEnding {
        outcome,
        error: Some(text),
        exit_code: error.kind().exit_code(),
        places: Vec::new(),
        seconds: 0.0,
    })
}

/// The worker's own disk is no fault of the job.
fn here_only(path: &Path, error: &io::Error) -> RunEnd {
    RunEnd::HandBack {
        reason: format!("{}: {error}", path.display()),
        refused: true,
    }
}

/// The folder of a job, gone when it is done.
#[derive(Debug)]
struct OwnFolder(PathBuf);

impl OwnFolder {
    fn new(path: &Path) -> io::Result<Self> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(path)?;
        Ok(Self(path.to_owned()))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        let work = self.0.join(WORK).read_dir();
        // What could not be delivered stays, and the report says where.
        let kept = work.is_ok_and(|mut entries| entries.next().is_some());
        let done = match kept {
            true => fs::write(self.0.join(KEPT), "undelivered\n"),
            false => fs::remove_dir_all(&self.0),
        };
        if let Err(error) = done {
            tracing::warn!("{}: {error}", self.0.display());
        }
    }
}
