//! The commands that speak with a queue of jobs.

pub(super) mod cancel;
mod follow;
pub(super) mod jobs;
mod listed;
pub(super) mod logs;
mod monitor;
pub(super) mod retry;
mod spool;
pub(super) mod status;
pub(super) mod submit;
pub(super) mod worker;
pub(super) mod workers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use image_builder::build_monitor::state_dir;
use image_builder::client::Client;
use image_builder::host;
use image_builder::jobs::{Job, JobEvent, JobEventKind, JobId};
use image_builder::queue::{
    Amqp, AmqpBroker, JobQueue, LedgerItem, Local, NODES_CONF, Overview, broker_url,
};
use image_builder::service_config::{SERVICE_CONFIG, ServiceConfig};
use image_builder::spec::Arch;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::server;
use crate::args::{PlaceArgs, QueueArgs};
use crate::exit::{self, Exit};
use crate::output::tell;

pub(super) use follow::{LOG, WaitLog, goes_on, same_place};
pub(super) use listed::{Listed, ListedWorker, end_of, exit_of, summary};

/// How long workers are given to say that they are there.
const ANSWERS: Duration = Duration::from_millis(700);

/// The service that a command asks instead of a queue, if it does.
pub(super) fn service(args: &QueueArgs) -> Result<Option<Client>, Exit> {
    server::named(&args.service, args.place.is_named())
}

/// The queue of an architecture. A broker is not connected yet.
async fn open(
    place: &PlaceArgs,
    arch: Arch,
    config: &ServiceConfig,
) -> Result<Arc<dyn JobQueue>, Exit> {
    if place.local {
        return match Local::open(&state_dir().join(Local::FILE)).await {
            Ok(queue) => Ok(Arc::new(queue)),
            Err(error) => Err(exit::error(&error)),
        };
    }
    let url = address(place.broker.as_deref(), arch, config)?;
    let broker = AmqpBroker::configured(&url, &config.broker).and_then(|it| Amqp::new(&it));
    match broker {
        Ok(queue) => Ok(Arc::new(queue)),
        Err(error) => Err(exit::error(&error)),
    }
}

/// The queue of a command which names an architecture, or means this host's; all that its ledger tells by now, and
/// what comes.
async fn read(
    args: &QueueArgs,
) -> Result<(Arc<dyn JobQueue>, Overview, mpsc::Receiver<LedgerItem>), Exit> {
    let config = super::service::load()?;
    let arch = args.arch.or(Arch::host()).unwrap_or(Arch::X86_64);
    let queue = open(&args.place, arch, &config).await?;
    match Overview::read(&*queue).await {
        Ok((overview, items)) => Ok((queue, overview, items)),
        Err(error) => Err(exit::error(&error)),
    }
}

impl PlaceArgs {
    /// Whether a queue is named by who calls this program.
    pub(super) fn is_named(&self) -> bool {
        let in_environment = || std::env::var("FBS_BROKER").is_ok_and(|url| !url.is_empty());
        self.local || self.broker.is_some() || in_environment()
    }
}

/// Whether there is anything to ask for a job that this host does not know.
pub(super) fn is_configured(args: &QueueArgs) -> bool {
    let config = ServiceConfig::load().unwrap_or_default();
    let arch = args.arch.or(Arch::host()).unwrap_or(Arch::X86_64);
    args.place.is_named()
        || Path::new(NODES_CONF).exists()
        || config.broker.url(&arch.to_string()).is_some()
}

fn address(broker: Option<&str>, arch: Arch, config: &ServiceConfig) -> Result<String, Exit> {
    let environment = std::env::var("FBS_BROKER").ok();
    let named = broker.map(str::to_owned).or(environment);
    if let Some(url) = named.filter(|url| !url.is_empty()) {
        return Ok(url);
    }
    let nodes = Path::new(NODES_CONF);
    if nodes.exists() {
        let found = broker_url(nodes, &arch.to_string()).map_err(|error| {
            exit::say(error);
            Exit::Usage
        })?;
        if let Some(url) = found {
            return Ok(url);
        }
    }
    match config.broker.url(&arch.to_string()) {
        Some(url) => Ok(url.to_owned()),
        None => {
            exit::say(format_args!("no broker is named for {arch}"));
            tell!(
                "hint: name one with --broker or FBS_BROKER, in {NODES_CONF} ([{arch}] broker_url=...), or \
                 in {SERVICE_CONFIG} ([broker] url = ...)"
            );
            Err(Exit::Usage)
        }
    }
}

/// Who asks: `root@builder`.
fn requester() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let user = user
        .ok()
        .flatten()
        .map_or_else(|| nix::unistd::geteuid().to_string(), |user| user.name);
    format!("{user}@{}", host::name())
}

/// Something that happens to a job now, by who calls this program.
fn event(job: JobId, kind: JobEventKind) -> JobEvent {
    JobEvent {
        job,
        time: Timestamp::now(),
        by: requester(),
        kind,
    }
}

/// The job of this id, or what is there in its place.
fn find<'a>(overview: &'a Overview, id: &str) -> Result<&'a Job, Exit> {
    let job = JobId::parse(id).and_then(|id| overview.jobs.get(&id));
    job.ok_or_else(|| {
        exit::say(format_args!("no job {id:?} is known there"));
        let newest = overview.jobs.keys().next_back();
        match newest {
            Some(newest) => tell!("hint: the newest is {newest}; `fbs jobs` lists them"),
            None => tell!("hint: there are no jobs at all; is it the right broker?"),
        }
        Exit::Usage
    })
}
