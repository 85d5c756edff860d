//! Jobs whose result is an image.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{ClaimedJob, JobContext, JobRunner, RunEnd};
use super::{destinations, leftovers};
use crate::build_monitor::JobLogs;
use crate::error::{ErrorKind, StageError};
use crate::events::{BuildEvent, EventKind, Events, Level, Outcome};
use crate::host::free_bytes;
use crate::imagebuilder::{BuildFailure, Gate, ImageBuilder, ImageBuilderError};
use crate::job_log::JobLog;
use crate::jobs::{Job, JobEnding, JobRequest, Moment, Payload, PrepareError, untrusted};
use crate::kickstart::Kickstart;
use crate::notification::{Notice, NoticeKind, Notifier};
use crate::plan::PlanOptions;
use crate::preflight::PreflightError;
use crate::quantity::ByteSize;
use crate::report::{BuildReport, ErrorRecord};
use crate::spec::{BuildSpec, Format, ImageType, Override, SpecError, Trust};
use crate::transfer::StagingSettings;

/// The largest reason for a failure that is entered in the ledger, in characters: the log has the rest.
const LONGEST_ERROR: usize = 4096;

/// So long logs are kept: 30 days.
const KEEP_LOGS: Duration = Duration::from_secs(30 * 86_400);

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
    watch: Option<String>,
    pages: Option<String>,
    keep_logs: Duration,
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
            watch: None,
            pages: None,
            keep_logs: KEEP_LOGS,
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

    /// With the address below which people read the logs of its jobs: `http://builder:8070`. Those who are told that a
    /// build begins get the link.
    #[must_use]
    pub fn with_watch(mut self, address: impl Into<String>) -> Self {
        self.watch = Some(address.into());
        self
    }

    /// With the address of the service that has a page of each job: `https://images.example.org`. Those who are told that
    /// a job waits get the link.
    #[must_use]
    pub fn with_pages(mut self, address: Option<&str>) -> Self {
        self.pages = address.map(|address| address.trim_end_matches('/').to_owned());
        self
    }

    /// Keeps the logs of jobs that have ended for so long, and no longer; 30 days without it.
    #[must_use]
    pub fn with_logs_kept(mut self, age: Option<Duration>) -> Self {
        self.keep_logs = age.unwrap_or(KEEP_LOGS);
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
        let events = Events::new();
        let growing = self.logs.begin(&job.id);
        if let Err(error) = self.logs.prune(self.keep_logs) {
            tracing::warn!("old logs are not removed: {error}");
        }
        let log = self.logs.path(&job.id);
        let log = JobLog::create(&log).map_err(|error| here_only(&log, &error))?;
        events.add_sink(Arc::new(log));
        events.add_sink(growing.sink());
        let stages = ctx.clone();
        events.add_sink(Arc::new(move |event: &BuildEvent| {
            if let EventKind::StageStarted { stage } = event.kind {
                stages.stage(stage);
            }
        }));
        let payload = job.request.payload.clone().unwrap_or_default();
        if let Some(kickstart) = &payload.kickstart {
            if let Err(error) = trusted(kickstart) {
                return Err(self.unbuilt(job, ctx, &events, &error).await);
            }
            let file = own.path().join(KICKSTART);
            fs::write(&file, kickstart).map_err(|error| here_only(&file, &error))?;
        }
        let spec = match self.spec(job, &payload, own.path()).await {
            Ok(spec) => spec,
            Err(error) => return Err(self.unbuilt(job, ctx, &events, &error).await),
        };
        let options = PlanOptions {
            now: jiff::Timestamp::now(),
            job: Some(job.id.clone()),
            current_dir: own.path().to_owned(),
            ..self.options.clone()
        };
        let mut builder = ImageBuilder::new(spec)
            .with_options(options)
            .with_staging(self.settings.clone())
            .with_notifier(self.notifier.clone())
            .with_requester(&job.request.requester)
            .with_cancel(ctx.cancel.clone())
            .with_deadline(job.request.deadline)
            .with_gate(Arc::new(ctx.clone()))
            .with_events(events.clone());
        if let Some(address) = &self.watch {
            builder = builder.with_watch(format!("{address}/jobs/{}/log", job.id));
        }
        let plan = match builder.plan().await {
            Ok(plan) => plan,
            // Another worker may have what this one lacks.
            Err(error) if error.kind() == ErrorKind::Host => {
                events.error(error.to_string());
                return Err(hand_back(&error));
            }
            Err(error) => return Err(self.unbuilt(job, ctx, &events, &error).await),
        };
        builder.build(&plan).await.map_err(|failure| {
            let BuildFailure { error, report, .. } = failure;
            if is_of_this_host(&error) {
                return hand_back(&error);
            }
            let mut ending = ending(&error);
            ending.places = report.as_deref().map(places).unwrap_or_default();
            RunEnd::Ended(ending)
        })
    }

    /// A job that came to no build: tells it, unless the job is somebody else's by now.
    async fn unbuilt(
        &self,
        job: &ClaimedJob,
        ctx: &JobContext,
        events: &Events,
        error: &impl StageError,
    ) -> RunEnd {
        events.error(error.to_string());
        if ctx.delivering(false).await.is_ok() {
            let kind = NoticeKind::Unbuilt {
                outcome: Outcome::Failed,
                error: Box::new(ErrorRecord::of(error)),
            };
            self.send(Notice::of_request(&job.id, &job.request, kind), events)
                .await;
        }
        RunEnd::Ended(ending(error))
    }

    async fn send(&self, notice: Notice, events: &Events) {
        let dispatch = self.notifier.open(events);
        dispatch.send(notice);
        dispatch
            .close(&CancellationToken::new(), Duration::MAX)
            .await;
    }

    /// What is to be built, in folders of this worker.
    async fn spec(
        &self,
        job: &ClaimedJob,
        payload: &Payload,
        folder: &Path,
    ) -> Result<BuildSpec, SpecError> {
        let origin = format!("job {}", job.id);
        let sent = BuildSpec::parse(&payload.spec, Format::Ini, &origin)?;
        sent.check_trust(Trust::Remote)?;
        destinations::check(&sent.common.staging, &self.settings).await?;
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
            named => named
                .iter()
                .map(|one| one.as_written().to_owned())
                .collect(),
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

    fn tells(&self) -> bool {
        !self.notifier.backends().is_empty()
    }

    async fn tell(&self, job: &Job, request: &JobRequest, moment: Moment) {
        let kind = match moment {
            Moment::Submitted => NoticeKind::Queued {
                watch: Some(match &self.pages {
                    Some(address) => format!("{address}/jobs/{}", job.id),
                    None => format!("fbs logs -f {}", job.id),
                }),
            },
            Moment::Ended => {
                let Some(ending) = &job.ending else {
                    return;
                };
                NoticeKind::Unbuilt {
                    outcome: ending.outcome,
                    error: Box::new(ErrorRecord {
                        stage: None,
                        kind: match ending.outcome {
                            Outcome::Cancelled => ErrorKind::Cancelled,
                            Outcome::Failed | Outcome::Succeeded => ErrorKind::Failed,
                        },
                        message: ending.error.clone().unwrap_or_default(),
                        hint: None,
                    }),
                }
            }
        };
        let events = Events::new();
        events.add_sink(Arc::new(|event: &BuildEvent| {
            if let EventKind::Log { level, message } = &event.kind
                && *level != Level::Info
            {
                tracing::warn!("{message}");
            }
        }));
        self.send(Notice::of_request(&job.id, request, kind), &events)
            .await;
    }

    fn free_bytes(&self) -> Option<u64> {
        free_bytes(&self.folder).ok()
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
    async fn open(&self, failure: Option<&ImageBuilderError>) -> bool {
        // What is handed back has not ended: the next worker tells how it does.
        !failure.is_some_and(is_of_this_host) && self.delivering(failure.is_none()).await.is_ok()
    }

    fn is_withdrawn(&self) -> bool {
        Self::is_withdrawn(self)
    }
}

/// Whether it is this host that is not fit for the job: a full disk, a tool that is missing.
fn is_of_this_host(error: &ImageBuilderError) -> bool {
    match error {
        ImageBuilderError::Preflight(error) => matches!(
            error,
            PreflightError::Space { .. } | PreflightError::Missing { .. }
        ),
        ImageBuilderError::WorkDir { source, .. } => source.kind() == io::ErrorKind::StorageFull,
        ImageBuilderError::SideRepository(_) | ImageBuilderError::Build(_) => {
            error.kind() == ErrorKind::Host
        }
        _ => false,
    }
}

fn trusted(kickstart: &str) -> Result<(), PrepareError> {
    let parsed = Kickstart::parse(kickstart, KICKSTART)?;
    match untrusted(&parsed) {
        refused if refused.is_empty() => Ok(()),
        refused => Err(PrepareError::Untrusted(refused)),
    }
}

fn places(report: &BuildReport) -> Vec<String> {
    let whole = report.deliveries.iter().filter(|one| one.error.is_none());
    whole
        .filter_map(|one| one.link.clone().or_else(|| one.folder.clone()))
        .collect()
}

fn ending(error: &impl StageError) -> JobEnding {
    let mut text = error.to_string();
    if let Some(hint) = error.hint() {
        text = format!("{text} ({hint})");
    }
    if let Some((end, _)) = text.char_indices().nth(LONGEST_ERROR) {
        text.truncate(end);
    }
    JobEnding {
        outcome: match error.kind() {
            ErrorKind::Cancelled => Outcome::Cancelled,
            _ => Outcome::Failed,
        },
        error: Some(text),
        exit_code: error.kind().exit_code(),
        places: Vec::new(),
        seconds: 0.0,
    }
}

fn hand_back(error: &impl StageError) -> RunEnd {
    RunEnd::HandBack {
        reason: error.to_string(),
        refused: true,
    }
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

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests {
    use super::*;
    use crate::jobs::{Entry, JobEvent, JobEventKind, JobId};
    use crate::notification::Memory;
    use crate::queue::{JobQueue, Local, NewEntry, Overview};
    use crate::worker::{LOST_AFTER, Worker, WorkerSettings};

    fn request(spec: &str, kickstart: Option<&str>) -> JobRequest {
        JobRequest {
            payload: Some(Payload {
                spec: spec.to_owned(),
                kickstart: kickstart.map(str::to_owned),
            }),
            ..crate::jobs::tests::request()
        }
    }

    /// What a worker tells of a job, and what its log says then.
    async fn told(request: JobRequest) -> (Vec<Notice>, String) {
        let folder = tempfile::tempdir().unwrap();
        let queue = Arc::new(
            Local::open(&folder.path().join("jobs.sqlite"))
                .await
                .unwrap(),
        );
        let memory = Arc::new(Memory::default());
        let runner = ImageRunner::new(folder.path(), PlanOptions::from_environment())
            .unwrap()
            .with_notifier(Notifier::default().with(memory.clone()));
        let logs = runner.logs().clone();
        let settings = WorkerSettings {
            name: "anna".to_owned(),
            arch: "x86_64".to_owned(),
            releases: vec!["43".to_owned()],
            slots: 1,
            lost_after: LOST_AFTER,
        };
        let id = JobId::new(jiff::Timestamp::now());
        let line = request.line();
        let event = JobEvent {
            job: id.clone(),
            time: jiff::Timestamp::now(),
            by: "qa@desk".to_owned(),
            kind: JobEventKind::Queued {
                request: Box::new(request),
            },
        };
        let told = JobEvent {
            kind: JobEventKind::Announced {
                moment: Moment::Submitted,
                session: "somebody".to_owned(),
            },
            ..event.clone()
        };
        let entries = [NewEntry::of_job(event, &line), Entry::Job(told).into()];
        queue.append(&entries).await.unwrap();
        let drain = CancellationToken::new();
        let worker = Worker::new(queue.clone(), Arc::new(runner), settings);
        let serving = tokio::spawn(worker.with_drain(drain.clone()).serve());
        let (mut overview, mut items) = Overview::read(&*queue).await.unwrap();
        while !overview.jobs[&id].state.is_final() {
            overview.next(&mut items).await.unwrap();
        }
        drain.cancel();
        serving.await.unwrap().unwrap();
        let log = std::fs::read_to_string(logs.path(&id)).unwrap();
        (memory.notices(), log)
    }

    #[tokio::test]
    async fn who_waits_is_sent_to_the_page_of_the_job_where_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let request = request(
            "[DEFAULT]\ntype=boot\nrelease=43\nemail=qa@example.test\n",
            None,
        );
        let event = JobEvent {
            job: JobId::new(jiff::Timestamp::now()),
            time: jiff::Timestamp::now(),
            by: "qa@desk".to_owned(),
            kind: JobEventKind::Queued {
                request: Box::new(request.clone()),
            },
        };
        let job = Job::new(&event).unwrap();
        for (pages, place) in [
            (None, "fbs logs -f "),
            (
                Some("https://images.example.org/"),
                "https://images.example.org/jobs/",
            ),
        ] {
            let memory = Arc::new(Memory::default());
            let runner = ImageRunner::new(folder.path(), PlanOptions::from_environment())
                .unwrap()
                .with_pages(pages)
                .with_notifier(Notifier::default().with(memory.clone()));
            runner.tell(&job, &request, Moment::Submitted).await;
            let expected = format!("{place}{}", job.id);
            let notices = memory.notices();
            let NoticeKind::Queued { watch } = &notices[0].kind else {
                panic!("{notices:?}");
            };
            assert_eq!(watch.as_deref(), Some(expected.as_str()));
        }
    }

    #[tokio::test]
    async fn a_job_that_comes_to_no_build_is_told_of_and_has_a_log() {
        let spec = "[DEFAULT]\ntype=live\nrelease=43\nemail=qa@example.test\n";
        let script = "%post --nochroot\nid\n%end\n";
        for (request, words, mail) in [
            (request("[DEFAULT]\ntype=boat\n", None), "boat", 0),
            (request(spec, Some(script)), "nochroot", 1),
        ] {
            let (notices, log) = told(request).await;
            assert_eq!(notices.len(), 1, "{notices:?}");
            let NoticeKind::Unbuilt { outcome, error } = &notices[0].kind else {
                panic!("{notices:?}");
            };
            assert_eq!((*outcome, error.kind), (Outcome::Failed, ErrorKind::Usage));
            assert!(error.message.contains(words), "{error:?}");
            assert!(log.contains(words), "{log}");
            assert_eq!(notices[0].requester, "qa@desk");
            assert_eq!(notices[0].recipients.len(), mail);
        }
    }
}
