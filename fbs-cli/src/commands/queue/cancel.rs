//! `fbs cancel`.

use std::time::Duration;

use image_builder::jobs::{Entry, JobEventKind};

use super::{end_of, event, find, read, service};
use crate::args::Cancel;
use crate::commands::server;
use crate::exit::{self, Exit};

/// A build that does not end in this time is told of, and not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(args: &Cancel) -> Exit {
    match service(&args.queue) {
        Ok(Some(client)) => return server::cancel(&client, args).await,
        Ok(None) => {}
        Err(exit) => return exit,
    }
    let (queue, mut overview, mut items) = match read(&args.queue).await {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let job = match find(&overview, &args.job) {
        Ok(job) => job,
        Err(exit) => return exit,
    };
    if job.state.is_final() {
        exit::say(format_args!(
            "job {} has ended already: {}",
            job.id, job.state
        ));
        return Exit::Failed;
    }
    let (id, state_then) = (job.id.clone(), job.state);
    let reason = args.reason.clone();
    let entry = Entry::Job(event(id.clone(), JobEventKind::CancelRequested { reason }));
    if let Err(error) = queue.append(&[entry.into()]).await {
        return exit::error(&error);
    }
    let ended = async {
        loop {
            if let Some(job) = overview.jobs.get(&id)
                && job.state.is_final()
            {
                return job.state;
            }
            if overview.next(&mut items).await.is_none() {
                std::future::pending().await
            }
        }
    };
    let state = tokio::time::timeout(PATIENCE, ended).await;
    end_of(&id, state.unwrap_or(state_then));
    Exit::Done
}
