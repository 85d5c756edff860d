//! `fbs jobs`.

use super::read;
use crate::args::Jobs;
use crate::exit::Exit;
use crate::output;

pub(crate) async fn run(args: &Jobs) -> Exit {
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
            output::json_line(&serde_json::to_value(job).unwrap_or_default());
            continue;
        }
        let worker = match &job.claim {
            Some(claim) if !job.state.is_final() => format!(" at {}", claim.worker),
            _ => String::new(),
        };
        output::text(&format!(
            "{}  {:<11}{}{worker}\n",
            job.id,
            job.state.name(),
            job.request.title
        ));
    }
    if !args.json && count == 0 {
        eprintln!("no jobs at {}", queue.name());
    }
    Exit::Done
}
