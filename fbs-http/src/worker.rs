//! The worker in this process: what makes the service of one machine whole.

use std::net::SocketAddr;
use std::sync::Arc;

use image_builder::host;
use image_builder::notification::Notifier;
use image_builder::plan::PlanOptions;
use image_builder::queue::{JobQueue, QueueError};
use image_builder::spec::Arch;
use image_builder::worker::{
    FolderLock, ImageRunner, JobRunner, LOST_AFTER, Served, Worker, WorkerSettings, plain_name,
};
use nix::sys::stat::{Mode, umask};
use tokio_util::sync::CancellationToken;

use crate::app::OwnWorker;
use crate::config::{Settings, WorkerPlan};
use crate::server::ServeError;

/// What a build of the largest images takes.
const MIN_FREE: u64 = 2 << 30;

/// The worker in this process, before it serves.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) own: OwnWorker,
    runner: Arc<dyn JobRunner>,
    settings: WorkerSettings,
    _lock: FolderLock,
}

impl Local {
    /// Makes its folders. Mails say that builds can be watched at `address`, or at the public one.
    pub(crate) fn new(
        settings: &Settings,
        plan: &WorkerPlan,
        address: SocketAddr,
    ) -> Result<Self, ServeError> {
        let folder = settings.folder.join("worker");
        let failed = |error: std::io::Error| ServeError::Folder(folder.clone(), error);
        let lock = FolderLock::take(&folder).map_err(failed)?;
        umask(Mode::from_bits_truncate(0o022));
        let service = &settings.service;
        let runner = ImageRunner::new(&folder, PlanOptions::of(service)).map_err(failed)?;
        let min_free = service.worker.min_free.map_or(MIN_FREE, |size| size.0);
        let runner = runner
            .with_staging(service.worker.staging.clone(), service.staging.clone())
            .with_own_place(settings.folder.join("images"))
            .with_notifier(Notifier::configured(service).map_err(ServeError::Notifier)?)
            .with_min_free(min_free)
            .with_watch(settings.url(address))
            .with_pages(Some(&settings.url(address)))
            .with_logs_kept(service.worker.keep_logs.map(|age| age.0));
        let arch = Arch::host().unwrap_or(Arch::X86_64);
        // Another worker of this host may have the host's name.
        let name = format!("{}-http", plain_name(&host::name()));
        Ok(Self {
            own: OwnWorker {
                name: name.clone(),
                logs: runner.logs().clone(),
            },
            runner: Arc::new(runner),
            settings: WorkerSettings {
                name,
                arch: arch.to_string(),
                releases: plan.releases.clone(),
                slots: plan.slots.into(),
                lost_after: LOST_AFTER,
            },
            _lock: lock,
        })
    }

    pub(crate) fn lines(&self) -> String {
        let lines = self.settings.lines();
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        lines.join(", ")
    }

    pub(crate) fn arch(&self) -> &str {
        &self.settings.arch
    }

    /// Serves until it is told to take no more jobs and has made those it has, or to stop.
    pub(crate) async fn serve(
        self,
        queue: Arc<dyn JobQueue>,
        drain: CancellationToken,
        stop: CancellationToken,
    ) -> Result<Served, QueueError> {
        let done = CancellationToken::new();
        let logs = {
            let (logs, queue, done) = (self.own.logs.clone(), queue.clone(), done.clone());
            let name = self.own.name.clone();
            tokio::spawn(async move { logs.serve(queue, &name, done).await })
        };
        let worker = Worker::new(queue, self.runner, self.settings)
            .with_drain(drain)
            .with_stop(stop);
        let served = worker.serve().await;
        done.cancel();
        // It ends at once, and what went wrong in it has been said.
        let _ = logs.await;
        served
    }
}
