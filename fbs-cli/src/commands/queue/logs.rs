//! `fbs logs` of a job that is built elsewhere.

use std::io::Write;
use std::time::Duration;

use image_builder::build_monitor::RemoteLog;
use image_builder::jobs::JobId;
use image_builder::queue::QueueError;

use super::{find, follow, read};
use crate::args::QueueArgs;
use crate::exit::{self, Exit};
use crate::output::{self, tell};

/// Shows the log of a job of a queue.
pub(crate) async fn show(
    args: &QueueArgs,
    job: &str,
    to_the_end: bool,
    out: &mut (dyn Write + Send),
) -> Exit {
    let (queue, overview, _) = match read(args).await {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let (id, worker) = match find(&overview, job) {
        Ok(job) => (job.id.clone(), job.claim.clone()),
        Err(exit) => return exit,
    };
    if to_the_end {
        return match follow::follow(queue, id, out, None).await {
            Ok(_) => Exit::Done,
            Err(error) => exit::error(&error),
        };
    }
    let Some(claim) = worker else {
        exit::say(format_args!(
            "job {id} has no log yet: nobody has begun with it"
        ));
        return Exit::Failed;
    };
    match so_far(&*queue, id, &claim.worker, out).await {
        Ok(true) => Exit::Done,
        Ok(false) => {
            exit::say(format_args!(
                "worker {} does not answer, and has the log",
                claim.worker
            ));
            tell!("hint: `fbs status {job}` says where the log was delivered");
            Exit::Network
        }
        Err(error) => exit::error(&error),
    }
}

/// What there is of a log; `false` if its worker does not answer.
async fn so_far(
    queue: &dyn image_builder::queue::JobQueue,
    job: JobId,
    worker: &str,
    out: &mut (dyn Write + Send),
) -> Result<bool, QueueError> {
    let mut log = RemoteLog::new(queue, job).await?;
    loop {
        let Some(piece) = log.next(queue, worker, Duration::ZERO).await? else {
            return Ok(false);
        };
        output::wrote(out.write_all(piece.text.as_bytes()));
        if piece.ended || piece.text.is_empty() {
            output::wrote(out.flush());
            return Ok(true);
        }
    }
}
