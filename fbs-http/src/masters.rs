//! The queues, and who keeps records of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use image_builder::build_monitor::state_dir;
use image_builder::jobs::{Job, JobStore};
use image_builder::master::{KnownWorker, Master};
use image_builder::queue::{Amqp, AmqpBroker, JobQueue, Local, QueueError};
use image_builder::worker::Presence;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;

/// As many changes are kept for somebody who listens and is slow.
const CHANGES: usize = 1024;

/// The queues of the configured brokers, each once, by its address. There are none where this machine's queue is
/// meant. Nothing is connected yet.
pub(crate) fn brokers(
    settings: &Settings,
) -> Result<BTreeMap<String, Arc<dyn JobQueue>>, QueueError> {
    let section = &settings.service.broker;
    let urls: BTreeSet<&String> = match &settings.broker {
        Some(url) => [url].into(),
        None => section.arch.values().chain(&section.url).collect(),
    };
    let queue = |url: &String| {
        let queue = Amqp::new(&AmqpBroker::configured(url, section)?)?;
        Ok((url.clone(), Arc::new(queue) as Arc<dyn JobQueue>))
    };
    urls.into_iter().map(queue).collect()
}

/// The masters of all queues, over one store.
#[derive(Debug)]
pub(crate) struct Masters {
    /// For an architecture that is not named.
    default: Option<Arc<Master>>,
    by_arch: BTreeMap<String, Arc<Master>>,
    /// Each once.
    all: Vec<Arc<Master>>,
    changes: broadcast::Sender<Arc<Job>>,
    /// How many changes there were.
    version: Arc<AtomicU64>,
}

impl Masters {
    /// That of one queue for everything.
    pub(crate) fn of_one(queue: Arc<dyn JobQueue>, store: Arc<dyn JobStore>) -> Self {
        let master = Arc::new(Master::new(queue, store));
        Self {
            default: Some(master.clone()),
            by_arch: BTreeMap::new(),
            all: vec![master],
            changes: broadcast::Sender::new(CHANGES),
            version: Arc::default(),
        }
    }

    /// Those of the configured brokers, or of this machine's queue.
    pub(crate) async fn open(
        settings: &Settings,
        store: Arc<dyn JobStore>,
    ) -> Result<Self, QueueError> {
        let section = &settings.service.broker;
        let queues = brokers(settings)?;
        if queues.is_empty() {
            let queue = Local::open(&state_dir().join(Local::FILE)).await?;
            return Ok(Self::of_one(Arc::new(queue), store));
        }
        if let Some(url) = &settings.broker {
            return Ok(Self::of_one(queues[url].clone(), store));
        }
        let master = |(url, queue): (String, Arc<dyn JobQueue>)| {
            (url, Arc::new(Master::new(queue, store.clone())))
        };
        let by_url: BTreeMap<String, Arc<Master>> = queues.into_iter().map(master).collect();
        let named = section.arch.iter();
        Ok(Self {
            default: section.url.as_ref().map(|url| by_url[url].clone()),
            by_arch: named
                .map(|(arch, url)| (arch.clone(), by_url[url].clone()))
                .collect(),
            all: by_url.into_values().collect(),
            changes: broadcast::Sender::new(CHANGES),
            version: Arc::default(),
        })
    }

    /// The one whose queue has the jobs of an architecture.
    pub(crate) fn of(&self, arch: &str) -> Option<&Arc<Master>> {
        self.by_arch.get(arch).or(self.default.as_ref())
    }

    pub(crate) fn all(&self) -> &[Arc<Master>] {
        &self.all
    }

    /// Each job that becomes another from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Arc<Job>> {
        self.changes.subscribe()
    }

    pub(crate) fn workers(&self) -> Vec<KnownWorker> {
        let mut workers: Vec<KnownWorker> = self
            .all
            .iter()
            .flat_map(|master| master.workers())
            .collect();
        workers.sort_by(|a, b| a.worker.cmp(&b.worker));
        workers
    }

    pub(crate) fn present(&self) -> Vec<Presence> {
        self.all
            .iter()
            .flat_map(|master| master.present())
            .collect()
    }

    /// Another number whenever a job has become another.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whoever has changed something sees it at once.
    pub(crate) fn changed(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Why it cannot be asked yet, if it cannot.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.all.iter().find_map(|master| {
            let standing = master.standing().borrow().clone();
            // Where the file of this machine is, is nobody's business.
            let name = Some(master.queue().name()).filter(|name| !name.starts_with("sqlite:"));
            let waits = || match name {
                Some(name) => format!("{name} is being read"),
                None => "the queue is being read".to_owned(),
            };
            (!standing.is_ready()).then(|| standing.trouble.unwrap_or_else(waits))
        })
    }

    /// Keeps records until `drain` says otherwise.
    pub(crate) async fn run(self: Arc<Self>, drain: CancellationToken) {
        let mut tasks = JoinSet::new();
        for master in &self.all {
            let (running, token) = (master.clone(), drain.clone());
            tasks.spawn(async move { running.run(token).await });
            let (mut changes, sender) = (master.changes(), self.changes.clone());
            let (token, version) = (drain.clone(), self.version.clone());
            tasks.spawn(async move {
                let hand_on = async {
                    loop {
                        let change = changes.recv().await;
                        version.fetch_add(1, Ordering::AcqRel);
                        match change {
                            // Nobody listens.
                            Ok(job) => drop(sender.send(job)),
                            Err(broadcast::error::RecvError::Lagged(_)) => {}
                            Err(broadcast::error::RecvError::Closed) => return,
                        }
                    }
                };
                tokio::select! {
                    () = token.cancelled() => {}
                    () = hand_on => {}
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }
}
