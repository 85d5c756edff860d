//! `fbs logs`.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use image_builder::build_monitor::{Follower, JobState, MonitorError, Registry};

use super::{queue, server};
use crate::args::Logs;
use crate::exit::{self, Exit};
use crate::terminal::Harmless;

/// How often a log is looked at that grows.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn run(args: &Logs) -> Exit {
    // A job that this host has not built was built by a worker.
    let service = match queue::service(&args.queue) {
        Ok(service) => service,
        Err(exit) => return exit,
    };
    let asked = args.queue.service.server.is_some();
    let elsewhere = asked || args.queue.place.broker.is_some() || args.queue.place.local;
    if let Some(job) = &args.job
        && (elsewhere
            || matches!(
                Registry::of_host().job(job),
                Err(MonitorError::Unknown { .. } | MonitorError::NoJobs)
            ))
        && (elsewhere || service.is_some() || queue::is_configured(&args.queue))
    {
        if let Some(client) = &service {
            return server::logs(client, job, args.follow, &mut *out()).await;
        }
        return queue::logs::show(&args.queue, job, args.follow, &mut *out()).await;
    }
    match show(args).await {
        Ok(exit) => exit,
        // A reader that has gone (`fbs logs | head`) is no error.
        Err(MonitorError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => exit::error(&error),
    }
}

fn out() -> Box<dyn Write + Send> {
    match io::stdout().is_terminal() {
        true => Box::new(Harmless::new(io::stdout())),
        false => Box::new(io::stdout()),
    }
}

async fn show(args: &Logs) -> Result<Exit, MonitorError> {
    let registry = Registry::of_host();
    let job = match &args.job {
        Some(id) => registry.job(id)?,
        None => registry.newest()?,
    };
    let mut follower = Follower::new(registry, &job);
    let mut out = out();
    loop {
        match follower.step(&mut *out)? {
            JobState::Running if args.follow => tokio::time::sleep(PAUSE).await,
            JobState::Running | JobState::Ended(_) => return Ok(Exit::Done),
            JobState::Gone => {
                exit::say(format_args!(
                    "the process that built job {} is gone: its log has no end",
                    job.id
                ));
                return Ok(Exit::Failed);
            }
        }
    }
}
