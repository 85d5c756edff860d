//! `fbs cancel`.

use std::time::Duration;

use image_builder::jobs::{Entry, JobEventKind};
use image_builder::queue::{LedgerItem, Overview};

use super::{event, find, of_args};
use crate::args::Cancel;
use crate::exit::{self, Exit};

/// A build that does not end in this time is told of, and not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(args: &Cancel) -> Exit {
    let queue = match of_args(&args.queue).await {
        Ok(queue) => queue,
        Err(exit) => return exit,
    };
    let (mut overview, mut items) = match Overview::read(&*queue).await {
        Ok(read) => read,
        Err(error) => return exit::error(&error),
    };
    let job = match find(&overview, &args.job) {
        Ok(job) => job,
        Err(exit) => return exit,
    };
    if job.state.is_final() {
        exit::say(format_args!("job {} has {} already", job.id, job.state));
        return Exit::Failed;
    }
    let id = job.id.clone();
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
            match items.recv().await {
                Some(LedgerItem::Entry { place, entry }) => {
                    overview.take(place, *entry);
                }
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    };
    match tokio::time::timeout(PATIENCE, ended).await {
        Ok(state) => eprintln!("job {id}: {state}"),
        Err(_) => eprintln!("job {id}: its worker is told; it has not ended yet"),
    }
    Exit::Done
}
