//! Commands that ask a service over HTTP (`--server`), instead of a queue.

use std::io::Write;
use std::time::Duration;

use image_builder::client::{Client, ClientError, LogEvent, Order, RemoteJob};
use image_builder::error::StageError;
use image_builder::jobs::{JobId, JobRequest};
use image_builder::secret::{Secret, SecretPlace};
use tokio::time::Instant;

use super::cancelled_by_signals;
use super::queue::{
    LOG, Listed, ListedWorker, WaitLog, end_of, exit_of, goes_on, same_place, summary,
};
use super::watched::{Watched, write_log};
use crate::args::{Cancel, Jobs, Retry, ServiceArgs, Status, Submit, Workers};
use crate::exit::{self, Exit};
use crate::output::{self, tell};

/// A build that does not end in this time is told of, and not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is asked whether it has.
const PAUSE: Duration = Duration::from_millis(300);

/// The service that is meant, if it is one: by `--server`, or by `FBS_SERVER` where no queue is named.
pub(super) fn named(args: &ServiceArgs, queue_is_named: bool) -> Result<Option<Client>, Exit> {
    let environment = || {
        let server = std::env::var("FBS_SERVER").ok();
        server.filter(|url| !url.is_empty() && !queue_is_named)
    };
    let Some(address) = args.server.clone().or_else(environment) else {
        return Ok(None);
    };
    let client = Client::new(&address).map_err(|error| exit::error(&error))?;
    Ok(Some(match token()? {
        Some(token) => client.with_token(token),
        None => client,
    }))
}

/// The token of `FBS_TOKEN`, or of the file that `FBS_TOKEN_FILE` names.
fn token() -> Result<Option<Secret>, Exit> {
    let given = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty());
    let place = match (given("FBS_TOKEN"), given("FBS_TOKEN_FILE")) {
        (Some(_), _) => SecretPlace::Environment("FBS_TOKEN".to_owned()),
        (None, Some(path)) => SecretPlace::File(path.into()),
        (None, None) => return Ok(None),
    };
    if let Some(exposed) = place.exposure() {
        tell!("warning: {exposed}");
    }
    place.read().map(Some).map_err(|reason| {
        exit::say(format_args!("the token: {reason}"));
        Exit::Usage
    })
}

pub(super) async fn submit(
    client: &Client,
    args: &Submit,
    requests: Vec<JobRequest>,
    log: Option<WaitLog>,
) -> Exit {
    if args.spool {
        exit::say("--spool keeps jobs for a broker, and none for a service");
        return Exit::Usage;
    }
    let mut jobs = Vec::new();
    for request in requests {
        let payload = request.payload.unwrap_or_default();
        let order = Order {
            spec: payload.spec,
            kickstart: payload.kickstart,
            priority: args.priority,
            deadline: args.deadline.map(|age| format!("{}s", age.0.as_secs())),
            private: args.private,
        };
        match client.submit(&order).await {
            Ok(job) => {
                let title = &request.title;
                if args.json {
                    output::json_line(&serde_json::json!({
                        "job": job, "title": title, "state": "submitted",
                        "arch": request.arch, "release": request.release,
                    }));
                } else {
                    output::text(&format!("{job}\n"));
                }
                tell!("submitted: {title}, job {job}");
                jobs.push(job);
            }
            Err(error) => return exit::error(&error),
        }
    }
    match log {
        Some(log) => to_the_end(client, &jobs, log, &same_place(args)).await,
        None => Exit::Done,
    }
}

/// Follows the logs of jobs until they have ended; the exit code is that of the first that did not succeed.
async fn to_the_end(client: &Client, jobs: &[JobId], mut log: WaitLog, place: &str) -> Exit {
    let file = log.begin();
    let mut worst = Exit::Done;
    let cancel = cancelled_by_signals();
    for job in jobs {
        let following =
            async |watched: &mut Watched| follow(client, job.as_str(), file, Some(watched)).await;
        match Watched::while_followed(job, jobs.len(), &cancel, following).await {
            None => return goes_on(job, place),
            Some(Ok(job)) => {
                summary(&job.title, job.state, job.ending.as_ref());
                if worst == Exit::Done {
                    worst = exit_of(job.ending.as_ref());
                }
            }
            Some(Err(error)) => return exit::error(&error),
        }
    }
    tell!("{:<12}{LOG}", "log");
    worst
}

/// Writes the log of a job into `out` while it grows, and `watched` shows the job; gives the job when it has ended.
async fn follow(
    client: &Client,
    id: &str,
    out: &mut (dyn Write + Send),
    mut watched: Option<&mut Watched>,
) -> Result<RemoteJob, ClientError> {
    let mut log = client.follow(id);
    let mut last = 0;
    let why = async || match client.job(id).await {
        Ok(job) => Ok(job.waits.map(|waits| waits.reason)),
        Err(error) if error.is_transient() => Ok(None),
        Err(error) => Err(error),
    };
    loop {
        let next = tokio::select! {
            next = log.next() => next?,
            error = Watched::say_why(watched.as_deref_mut(), why), if last == 0 => return Err(error),
        };
        let Some(event) = next else { break };
        match event {
            LogEvent::Run { run, worker } => {
                if let Some(watched) = &mut watched
                    && run != last
                {
                    watched.runs(run, &worker);
                }
                if last != 0 && run != last {
                    let _ = writeln!(out, "== run {run} at {worker} ==");
                }
                last = run;
            }
            LogEvent::Lines(text) => {
                if !write_log(out, &text, watched.as_deref_mut()) {
                    break;
                }
            }
            LogEvent::Progress(progress) => {
                if let Some(watched) = &watched {
                    watched.progress(progress);
                }
            }
        }
    }
    client.job(id).await
}

pub(super) async fn logs(
    client: &Client,
    job: &str,
    to_the_end: bool,
    out: &mut (dyn Write + Send),
) -> Exit {
    if to_the_end {
        return match follow(client, job, out, None).await {
            Ok(_) => Exit::Done,
            Err(error) => exit::error(&error),
        };
    }
    let shown = async {
        let mut log = client.log(job).await?;
        while let Some(chunk) = log.chunk().await? {
            output::wrote(out.write_all(&chunk));
        }
        output::wrote(out.flush());
        Ok::<(), ClientError>(())
    };
    match shown.await {
        Ok(()) => Exit::Done,
        Err(error) => exit::error(&error),
    }
}

pub(super) async fn status(client: &Client, args: &Status) -> Exit {
    let job = match client.job(&args.job).await {
        Ok(job) => job,
        Err(error) => return exit::error(&error),
    };
    if args.json {
        output::json_pretty(&serde_json::to_value(&job).unwrap_or_default());
        return Exit::Done;
    }
    let listed = Listed {
        id: &job.id,
        title: &job.title,
        requester: &job.requester,
        state: job.state,
        worker: job.worker.as_deref(),
        ending: job.ending.as_ref(),
        history: &job.history,
    };
    let reason = job.waits.as_ref().map(|waits| waits.reason.as_str());
    output::text(&listed.status(reason));
    Exit::Done
}

pub(super) async fn jobs(client: &Client, args: &Jobs) -> Exit {
    let open = ["queued", "running", "delivering"];
    let states = if args.open { &open[..] } else { &[] };
    let jobs = match client.jobs(states, args.limit).await {
        Ok(jobs) => jobs,
        Err(error) => return exit::error(&error),
    };
    for job in &jobs {
        if args.json {
            output::json_line(&serde_json::to_value(job).unwrap_or_default());
            continue;
        }
        let listed = Listed {
            id: &job.id,
            title: &job.title,
            requester: &job.requester,
            state: job.state,
            worker: job.worker.as_deref(),
            ending: None,
            history: &[],
        };
        output::text(&listed.line());
    }
    if !args.json && jobs.is_empty() {
        tell!("no jobs at {}", client.name());
    }
    Exit::Done
}

pub(super) async fn cancel(client: &Client, args: &Cancel) -> Exit {
    let mut job = match client.cancel(&args.job, args.reason.as_deref()).await {
        Ok(job) => job,
        Err(error) => return exit::error(&error),
    };
    let until = Instant::now() + PATIENCE;
    while !job.state.is_final() && Instant::now() < until {
        tokio::time::sleep(PAUSE).await;
        job = match client.job(&args.job).await {
            Ok(job) => job,
            Err(error) => return exit::error(&error),
        };
    }
    end_of(&job.id, job.state);
    Exit::Done
}

pub(super) async fn retry(client: &Client, args: &Retry) -> Exit {
    match client.retry(&args.job).await {
        Ok(job) => {
            output::text(&format!("{job}\n"));
            tell!("submitted: job {} once more, job {job}", args.job);
            Exit::Done
        }
        Err(error) => exit::error(&error),
    }
}

pub(super) async fn workers(client: &Client, args: &Workers) -> Exit {
    let workers = match client.workers().await {
        Ok(workers) => workers,
        Err(error) => return exit::error(&error),
    };
    for worker in &workers {
        if args.json {
            output::json_line(&serde_json::to_value(worker).unwrap_or_default());
            continue;
        }
        output::text(&ListedWorker::from(worker).lines());
    }
    if !args.json && workers.is_empty() {
        tell!("no workers at {}", client.name());
    }
    Exit::Done
}
