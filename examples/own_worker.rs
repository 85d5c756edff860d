//! A worker whose jobs are made by a runner of one's own: here each job takes some milliseconds and leaves
//! two lines in a file. It shows what an embedding program writes, and serves the tests of the queue.
//!
//! ```console
//! $ own_worker amqp://guest@localhost/%2F NAME RELEASE SLOTS MILLISECONDS LOST_AFTER_SECONDS FILE
//! ```

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use image_builder::events::Outcome;
use image_builder::jobs::JobEnding;
use image_builder::process::drain_then_stop;
use image_builder::queue::{Amqp, AmqpBroker};
use image_builder::worker::{ClaimedJob, JobContext, JobRunner, RunEnd, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct Lines {
    name: String,
    length: Duration,
    file: PathBuf,
}

impl Lines {
    /// A line as a whole, whoever else writes.
    fn line(&self, what: &str, job: &ClaimedJob) {
        let line = format!("{what} {} {}\n", job.id, self.name);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.file);
        if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
            eprintln!("{}: {error}", self.file.display());
        }
    }
}

#[async_trait]
impl JobRunner for Lines {
    async fn run(&self, job: &ClaimedJob, ctx: &JobContext) -> RunEnd {
        self.line("begin", job);
        let outcome = tokio::select! {
            () = ctx.cancel.cancelled() => Outcome::Cancelled,
            () = tokio::time::sleep(self.length) => Outcome::Succeeded,
        };
        // From here on nobody else ends this job.
        if ctx.delivering(outcome == Outcome::Succeeded).await.is_err() {
            return RunEnd::HandBack {
                reason: "it was given to another worker".to_owned(),
                refused: false,
            };
        }
        self.line("end", job);
        RunEnd::Ended(JobEnding {
            outcome,
            error: None,
            exit_code: if outcome == Outcome::Succeeded {
                0
            } else {
                130
            },
            places: Vec::new(),
            seconds: 0.0,
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, name, release, slots, length, lost_after, file] = arguments.as_slice() else {
        return Err(
            "usage: own_worker URL NAME RELEASE SLOTS MILLISECONDS LOST_AFTER_SECONDS FILE".into(),
        );
    };
    let queue = Amqp::new(&AmqpBroker {
        url: url.clone(),
        ..AmqpBroker::default()
    })?;
    let runner = Lines {
        name: name.clone(),
        length: Duration::from_millis(length.parse()?),
        file: file.into(),
    };
    let settings = WorkerSettings {
        name: name.clone(),
        arch: "x86_64".to_owned(),
        releases: vec![release.clone()],
        slots: slots.parse()?,
        lost_after: Duration::from_secs(lost_after.parse()?),
    };
    let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
    drain_then_stop(drain.clone(), stop.clone(), |_| ())?;
    let worker = Worker::new(Arc::new(queue), Arc::new(runner), settings)
        .with_drain(drain)
        .with_stop(stop);
    let served = worker.serve().await?;
    println!("{} finished", served.finished);
    Ok(())
}
