//! `fbs submit`.

use std::collections::BTreeMap;
use std::sync::Arc;

use image_builder::error::StageError;
use image_builder::jobs::{Entry, JobEvent, JobEventKind, JobId, JobRequest, Priority};
use image_builder::kickstart::Reader;
use image_builder::queue::{JobQueue, NewEntry, QueueError};
use image_builder::spec::{Arch, Trust};
use jiff::Timestamp;

use super::follow::{self, Followed, WaitLog};
use super::{event, open, requester, spool};
use crate::args::Submit;
use crate::commands::{server, service, spec};
use crate::exit::{self, Exit};
use crate::output::{self, count, tell};

pub(crate) async fn run(args: &Submit) -> Exit {
    let config = match service::load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if args.flush {
        return spool::flush(&args.place, &config).await;
    }
    // All mistakes of all specs come first: half of a night's jobs is no night's work.
    let mut requests = Vec::new();
    let mut wrong = None;
    for conf in &args.confs {
        match request(args, conf).await {
            Ok(request) => requests.push(request),
            Err(exit) => wrong = wrong.or(Some(exit)),
        }
    }
    if let Some(exit) = wrong {
        return exit;
    }
    let log = match args.wait.then(WaitLog::open).transpose() {
        Ok(log) => log,
        Err(exit) => return exit,
    };
    match server::named(&args.service, args.place.is_named()) {
        Ok(Some(client)) => return server::submit(&client, args, requests, log).await,
        Ok(None) => {}
        Err(exit) => return exit,
    }
    let mut queues: BTreeMap<String, Arc<dyn JobQueue>> = BTreeMap::new();
    for request in &requests {
        if !queues.contains_key(&request.arch) {
            let arch: Arch = match request.arch.parse() {
                Ok(arch) => arch,
                Err(_) => Arch::X86_64,
            };
            match open(&args.place, arch, &config).await {
                Ok(queue) => queues.insert(request.arch.clone(), queue),
                Err(exit) => return exit,
            };
        }
    }
    let (mut jobs, mut kept) = (Vec::new(), 0);
    for (arch, queue) in &queues {
        let events: Vec<JobEvent> = requests
            .iter()
            .filter(|request| request.arch == *arch)
            .map(|request| {
                let request = Box::new(request.clone());
                event(
                    JobId::new(Timestamp::now()),
                    JobEventKind::Queued { request },
                )
            })
            .collect();
        match submit(&**queue, &events).await {
            Ok(()) => announce(args, &events, "submitted"),
            Err(error) if args.spool && error.is_transient() => {
                exit::say(&error);
                if let Err(exit) = spool::keep(&events) {
                    return exit;
                }
                announce(args, &events, "kept on this host");
                tell!("hint: `fbs submit --flush` sends what is kept");
                kept += events.len();
                continue;
            }
            Err(error) => return exit::error(&error),
        }
        jobs.extend(events.into_iter().map(|event| Followed {
            queue: queue.clone(),
            job: event.job,
            place: follow::same_queue(args, arch),
        }));
    }
    let Some(log) = log else {
        return Exit::Done;
    };
    let end = match jobs.is_empty() {
        true => Exit::Done,
        false => follow::to_the_end(&jobs, log).await,
    };
    // They cannot have ended well.
    if kept > 0 {
        tell!("{} not sent yet, and not waited for", count(kept, "job"));
    }
    match (end, kept) {
        (Exit::Done, 1..) => Exit::Network,
        (end, _) => end,
    }
}

async fn request(args: &Submit, conf: &std::path::Path) -> Result<JobRequest, Exit> {
    let spec = spec::load(conf, &args.overrides).map_err(|error| spec::report(conf, &error))?;
    let mut reader = Reader::new(Trust::Local);
    if let Some(proxy) = &spec.shared().proxy {
        reader = reader.with_proxy(proxy.as_written());
    }
    let prepared = JobRequest::prepare(&spec, &reader, &requester()).await;
    let mut request = prepared.map_err(|error| match error {
        image_builder::jobs::PrepareError::Spec(error) => spec::report(conf, &error),
        error => exit::error(&error),
    })?;
    request.priority = Priority(args.priority);
    request.private = args.private;
    let deadline = args.deadline.map(|age| Timestamp::now().checked_add(age.0));
    request.deadline = deadline.transpose().map_err(|_| {
        exit::say("--deadline: that is after the end of time");
        Exit::Usage
    })?;
    Ok(request)
}

/// Adds jobs to a queue: when this returns, they are on its disk.
pub(super) async fn submit(queue: &dyn JobQueue, events: &[JobEvent]) -> Result<(), QueueError> {
    let entries: Vec<NewEntry> = events
        .iter()
        .map(|event| match &event.kind {
            JobEventKind::Queued { request } => NewEntry::of_job(event.clone(), &request.line()),
            _ => Entry::Job(event.clone()).into(),
        })
        .collect();
    queue.append(&entries).await
}

fn announce(args: &Submit, events: &[JobEvent], what: &str) {
    for event in events {
        let JobEventKind::Queued { request } = &event.kind else {
            continue;
        };
        if args.json {
            let value = serde_json::json!({
                "job": event.job, "title": request.title, "state": what,
                "arch": request.arch, "release": request.release,
            });
            output::json_line(&value);
        } else {
            output::text(&format!("{}\n", event.job));
        }
        tell!("{what}: {}, job {}", request.title, event.job);
    }
}
