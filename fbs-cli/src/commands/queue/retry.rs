//! `fbs retry`.

use image_builder::jobs::{JobEventKind, JobId};
use jiff::Timestamp;

use super::{event, find, read, requester, service, submit};
use crate::args::Retry;
use crate::commands::server;
use crate::exit::{self, Exit};
use crate::output::{self, tell};

pub(crate) async fn run(args: &Retry) -> Exit {
    match service(&args.queue) {
        Ok(Some(client)) => return server::retry(&client, args).await,
        Ok(None) => {}
        Err(exit) => return exit,
    }
    let (queue, overview, _) = match read(&args.queue).await {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let job = match find(&overview, &args.job) {
        Ok(job) => job,
        Err(exit) => return exit,
    };
    if !job.state.is_final() {
        exit::say(format_args!(
            "job {} has not ended: it is {}",
            job.id, job.state
        ));
        tell!("hint: `fbs cancel {}` stops it", job.id);
        return Exit::Failed;
    }
    let place = overview.place(&job.id).unwrap_or_default();
    let mut request = match queue.request(place).await {
        Ok(request) => request,
        Err(error) => return exit::error(&error),
    };
    request.retry_of = Some(job.id.clone());
    request.requester = requester();
    request.submitted = Timestamp::now();
    // It was for the first time.
    request.deadline = None;
    let request = Box::new(request);
    let event = event(
        JobId::new(Timestamp::now()),
        JobEventKind::Queued { request },
    );
    if let Err(error) = submit::submit(&*queue, std::slice::from_ref(&event)).await {
        return exit::error(&error);
    }
    output::text(&format!("{}\n", event.job));
    tell!("submitted: {}, job {}", job.request.title, event.job);
    Exit::Done
}
