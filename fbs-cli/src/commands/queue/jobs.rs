//! `fbs jobs`.

use image_builder::redact;

use super::{Listed, read, service};
use crate::args::Jobs;
use crate::commands::server;
use crate::exit::Exit;
use crate::output::{self, tell};

pub(crate) async fn run(args: &Jobs) -> Exit {
    match service(&args.queue) {
        Ok(Some(client)) => return server::jobs(&client, args).await,
        Ok(None) => {}
        Err(exit) => return exit,
    }
    let (queue, overview, _) = match read(&args.queue).await {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let wanted = overview
        .jobs
        .values()
        .rev()
        .filter(|job| !args.open || !job.state.is_final());
    let mut count = 0;
    for job in wanted.take(args.limit) {
        count += 1;
        if args.json {
            let mut value = serde_json::to_value(job).unwrap_or_default();
            redact::json(&mut value);
            output::json_line(&value);
            continue;
        }
        output::text(&Listed::from(job).line());
    }
    if !args.json && count == 0 {
        tell!("no jobs at {}", queue.name());
    }
    Exit::Done
}
