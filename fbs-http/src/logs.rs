//! The logs of jobs, wherever they are.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use image_builder::build_monitor::{LogPiece, OwnLog, RemoteLog, SharedLog, WorkerLog, piece_of};
use image_builder::delivery::Delivered;
use image_builder::jobs::{Claim, Job, JobId};

use crate::app::App;
use crate::problem::Problem;

/// The largest log that is read from a worker at once.
const LARGEST: usize = 64 << 20;

/// A log as a whole, as far as there is one.
#[derive(Debug)]
pub(crate) enum WholeLog {
    /// A file of this machine.
    File(PathBuf),
    /// What a worker has sent.
    Text(String),
}

impl App {
    /// Whether the worker is the one in this process.
    fn is_own(&self, worker: &str) -> bool {
        self.own.as_ref().is_some_and(|own| own.name == worker)
    }

    fn own_log(&self, job: &JobId) -> Option<PathBuf> {
        let path = self.own.as_ref()?.logs.path(job);
        path.is_file().then_some(path)
    }

    /// The one that was delivered here with its images.
    async fn delivered_log(&self, job: &JobId) -> Option<PathBuf> {
        let delivered = Delivered::of(&self.images, job).await?;
        delivered.file(&delivered.report.log)
    }

    /// The log of a job on this machine: that of the worker here, or the one that was delivered here.
    pub(crate) async fn log_here(&self, job: &Job) -> Option<PathBuf> {
        let claim = job.claim.as_ref()?;
        if self.is_own(&claim.worker)
            && let Some(path) = self.own_log(&job.id)
        {
            return Some(path);
        }
        self.delivered_log(&job.id).await
    }

    /// The log of a job, as far as there is one.
    pub(crate) async fn whole_log(&self, job: &Job) -> Result<WholeLog, Problem> {
        let Some(claim) = &job.claim else {
            return Err(Problem::not_found(format!(
                "job {} has no log yet: nobody has begun with it",
                job.id
            )));
        };
        if let Some(path) = self.log_here(job).await {
            return Ok(WholeLog::File(path));
        }
        match self.ask_worker(job, claim).await? {
            Some(text) => Ok(WholeLog::Text(text)),
            None => {
                let places = job.ending.iter().flat_map(|ending| &ending.places);
                let places: Vec<&str> = places.map(String::as_str).collect();
                let problem = Problem::not_found(format!(
                    "worker {} has the log, and does not answer",
                    claim.worker
                ));
                Err(match places.as_slice() {
                    [] => problem,
                    places => {
                        problem.with_hint(format!("it was delivered to {}", places.join(", ")))
                    }
                })
            }
        }
    }

    async fn ask_worker(&self, job: &Job, claim: &Claim) -> Result<Option<String>, Problem> {
        let Some(master) = self.masters.of(&job.request.arch) else {
            return Ok(None);
        };
        let queue = &**master.queue();
        let mut log = RemoteLog::new(queue, job.id.clone()).await?;
        let mut text = String::new();
        loop {
            let Some(piece) = log.next(queue, &claim.worker, Duration::ZERO).await? else {
                return Ok(None);
            };
            if piece.missing {
                return Ok(None);
            }
            text.push_str(&piece.text);
            if piece.ended || piece.text.is_empty() || text.len() > LARGEST {
                return Ok(Some(text));
            }
        }
    }
}

/// Reads the log of one run of a job, piece by piece.
#[derive(Debug)]
pub(crate) enum LogReader {
    /// As it was delivered: the worker has forgotten it.
    Delivered(PathBuf, u64),
    /// Of a worker, together with all who follow it.
    Shared(Arc<SharedLog>, u64),
}

impl LogReader {
    /// From a byte on.
    pub(crate) async fn new(
        app: &App,
        job: &Job,
        claim: &Claim,
        from: u64,
    ) -> Result<Self, Problem> {
        if let Some(own) = app.own.as_ref().filter(|own| own.name == claim.worker) {
            if job.state.is_final()
                && app.own_log(&job.id).is_none()
                && let Some(path) = app.delivered_log(&job.id).await
            {
                return Ok(Self::Delivered(path, from));
            }
            let source = || OwnLog::new(own.logs.clone(), job.id.clone());
            return Ok(Self::Shared(app.logs.of(&job.id, claim.run, source), from));
        }
        let master = app.masters.of(&job.request.arch);
        let master = master.ok_or_else(|| Problem::not_found("no queue has such jobs"))?;
        let source = || {
            let queue = master.queue().clone();
            WorkerLog::new(queue, claim.worker.clone(), job.id.clone())
        };
        Ok(Self::Shared(app.logs.of(&job.id, claim.run, source), from))
    }

    /// The next piece, an empty one after a while; `None` if the worker does not answer.
    pub(crate) async fn next(&mut self) -> Option<Arc<LogPiece>> {
        match self {
            Self::Delivered(path, from) => {
                let (log, place) = (path.clone(), *from);
                let piece = tokio::task::spawn_blocking(move || piece_of(&log, place)).await;
                let piece = piece.ok()?.ok()?;
                *from = piece.next;
                Some(Arc::new(piece))
            }
            Self::Shared(log, from) => {
                let piece = log.piece(*from).await?;
                *from = piece.next;
                Some(piece)
            }
        }
    }
}
