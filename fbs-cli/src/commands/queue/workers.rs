//! `fbs workers`.

use std::collections::BTreeSet;
use std::time::Duration;

use image_builder::jobs::WorkerEventKind;
use image_builder::worker::roll_call;

use super::{ListedWorker, read, service};
use crate::args::Workers;
use crate::commands::server;
use crate::exit::{self, Exit};
use crate::output::{self, tell};
use crate::terminal::one_line;

/// How long workers are given to say that they are there.
const PATIENCE: Duration = Duration::from_millis(1500);

pub(crate) async fn run(args: &Workers) -> Exit {
    match service(&args.queue) {
        Ok(Some(client)) => return server::workers(&client, args).await,
        Ok(None) => {}
        Err(exit) => return exit,
    }
    let (queue, overview, _) = match read(&args.queue).await {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let present = match roll_call(&*queue, PATIENCE).await {
        Ok(present) => present,
        Err(error) => return exit::error(&error),
    };
    let mut seen = BTreeSet::new();
    for worker in &present {
        seen.insert(worker.worker.clone());
        if args.json {
            let mut value = serde_json::to_value(worker).unwrap_or_default();
            value["state"] = if worker.draining {
                "draining"
            } else {
                "present"
            }
            .into();
            output::json_line(&value);
            continue;
        }
        output::text(&ListedWorker::from(worker).lines());
    }
    let gone = overview.workers.values().filter(|event| {
        !seen.contains(&event.worker) && matches!(event.kind, WorkerEventKind::WorkerStarted { .. })
    });
    let mut count = present.len();
    for event in gone {
        count += 1;
        if args.json {
            let value = serde_json::json!({
                "worker": event.worker, "session": event.session, "state": "gone", "since": event.time,
            });
            output::json_line(&value);
        } else {
            output::text(&format!(
                "{}  gone: it does not answer; it began at {}\n",
                one_line(&event.worker),
                event.time.strftime("%Y-%m-%d %H:%M:%S")
            ));
        }
    }
    if !args.json && count == 0 {
        tell!("no workers at {}", queue.name());
    }
    Exit::Done
}
