//! `fbs status`.

use std::time::Duration;

use image_builder::jobs::{Job, JobState};
use image_builder::worker::{roll_call, why_waiting};

use super::{find, read};
use crate::args::Status;
use crate::exit::{self, Exit};
use crate::output;

/// How long workers are given to say that they are there.
const PATIENCE: Duration = Duration::from_millis(700);

pub(crate) async fn run(args: &Status) -> Exit {
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
        true => match roll_call(&*queue, PATIENCE).await {
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
        if let Some(reason) = &reason {
            value["waits"] = serde_json::json!({
                "before": overview.waiting(&job.id).map(|waiting| waiting.before),
                "reason": reason,
            });
        }
        output::json_pretty(&value);
        return Exit::Done;
    }
    show(job, reason.as_deref());
    Exit::Done
}

fn show(job: &Job, reason: Option<&str>) {
    let mut text = format!(
        "{}\n{}, for {}\n",
        job.id, job.request.title, job.request.requester
    );
    let mut line = |text_of: String| {
        text.push_str(&text_of);
        text.push('\n');
    };
    match reason {
        Some(reason) => line(format!("{}: {reason}", job.state)),
        None => line(job.state.to_string()),
    }
    for place in job.ending.iter().flat_map(|ending| &ending.places) {
        line(format!("delivered to {place}"));
    }
    line(String::new());
    for step in &job.history {
        line(format!(
            "{}  {:<11}{}",
            step.time.strftime("%Y-%m-%d %H:%M:%S"),
            step.state.name(),
            step.cause
        ));
    }
    output::text(&text);
}
