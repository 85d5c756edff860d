//! `fbs status`.

use image_builder::jobs::JobState;
use image_builder::redact;
use image_builder::worker::{roll_call, why_waiting};

use super::{ANSWERS, Listed, find, read, service};
use crate::args::Status;
use crate::commands::server;
use crate::exit::{self, Exit};
use crate::output;

pub(crate) async fn run(args: &Status) -> Exit {
    match service(&args.queue) {
        Ok(Some(client)) => return server::status(&client, args).await,
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
    let waits = job.state == JobState::Queued;
    let reason = match waits {
        true => match roll_call(&*queue, ANSWERS).await {
            Ok(workers) => {
                let before = overview.waiting(&job.id).map(|waiting| waiting.before);
                Some(why_waiting(job, before.unwrap_or_default(), &workers))
            }
            Err(error) => return exit::error(&error),
        },
        false => None,
    };
    if args.json {
        let mut value = serde_json::to_value(job).unwrap_or_default();
        redact::json(&mut value);
        if let Some(reason) = &reason {
            value["waits"] = serde_json::json!({
                "before": overview.waiting(&job.id).map(|waiting| waiting.before),
                "reason": reason,
            });
        }
        output::json_pretty(&value);
        return Exit::Done;
    }
    output::text(&Listed::from(job).status(reason.as_deref()));
    Exit::Done
}
