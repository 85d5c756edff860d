//! `fbs worker`.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use image_builder::host;
use image_builder::notification::Notifier;
use image_builder::plan::PlanOptions;
use image_builder::process::{Ending, drain_then_stop};
use image_builder::spec::Arch;
use image_builder::worker::{
    FolderLock, ImageRunner, JobRunner, Worker, WorkerSettings, plain_name,
};
use nix::sys::stat::{Mode, umask};
use tokio_util::sync::CancellationToken;

use super::monitor::Monitor;
use super::open;
use crate::args::Worker as Args;
use crate::commands::service;
use crate::exit::{self, Exit};
use crate::output::tell;
use crate::terminal::Journal;

/// Who reads a log when the worker ends has so long for what was sent.
const LAST_READERS: Duration = Duration::from_secs(2);

/// What a build of the largest images takes.
const MIN_FREE: u64 = 2 << 30;

pub(crate) async fn run(args: &Args) -> Exit {
    let config = match service::load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let arch = args.arch.or(Arch::host()).unwrap_or(Arch::X86_64);
    let queue = match open(&args.place, arch, &config).await {
        Ok(queue) => queue,
        Err(exit) => return exit,
    };
    let name = args.name.clone().unwrap_or_else(host::name);
    let name = plain_name(&name);
    // Builds have folders of their own as the current one.
    let workdir = match std::path::absolute(&args.workdir) {
        Ok(workdir) => workdir,
        Err(error) => {
            exit::say(format_args!("{}: {error}", args.workdir.display()));
            tell!("hint: name another folder with --workdir");
            return Exit::Usage;
        }
    };
    let _lock = match only_one(&workdir) {
        Ok(lock) => lock,
        Err(exit) => return exit,
    };
    // A worker that nobody watches says in its journal what happens to it.
    tracing_subscriber::fmt()
        .with_writer(|| Journal(std::io::stderr()))
        // It would panic where nobody reads the journal any more.
        .log_internal_errors(false)
        .with_target(false)
        .without_time()
        .with_max_level(tracing::Level::INFO)
        .init();
    umask(Mode::from_bits_truncate(0o022));
    let runner = ImageRunner::new(&workdir, PlanOptions::of(&config));
    let runner = match runner {
        Ok(runner) => runner,
        Err(error) => {
            exit::say(format_args!("{}: {error}", workdir.display()));
            tell!("hint: name another folder with --workdir");
            return Exit::Host;
        }
    };
    let notifier = match Notifier::configured(&config) {
        Ok(notifier) => notifier,
        Err(error) => return exit::error(&error),
    };
    let monitor = match args.monitor.or(config.worker.monitor) {
        Some(address) => match Monitor::bind(address).await {
            Ok(monitor) => Some(monitor),
            Err(error) => {
                exit::say(format_args!("{address}: {error}"));
                tell!("hint: name another address with --monitor");
                return Exit::Host;
            }
        },
        None => None,
    };
    let min_free = config.worker.min_free.map_or(MIN_FREE, |size| size.0);
    let runner = runner
        .with_staging(config.worker.staging.clone(), config.staging.clone())
        .with_notifier(notifier)
        .with_min_free(min_free)
        .with_pages(config.http.public_url.as_deref())
        .with_logs_kept(config.worker.keep_logs.map(|age| age.0));
    let watch = monitor.as_ref().map(|monitor| {
        let url = config.worker.monitor_url.clone();
        let url = url.unwrap_or_else(|| monitor.url());
        url.trim_end_matches('/').to_owned()
    });
    let logs = runner.logs().clone();
    let runner: Arc<dyn JobRunner> = match &watch {
        Some(url) => Arc::new(runner.with_watch(url)),
        None => Arc::new(runner),
    };
    let settings = WorkerSettings {
        name: name.clone(),
        arch: arch.to_string(),
        releases: args.release.iter().map(ToString::to_string).collect(),
        slots: args.slots.get().into(),
        lost_after: args.lost_after.0,
    };
    let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
    signals(drain.clone(), stop.clone());
    let done = CancellationToken::new();
    let serving = {
        let (queue, name, done) = (queue.clone(), name.clone(), done.clone());
        let logs = logs.clone();
        tokio::spawn(async move { logs.serve(queue, &name, done).await })
    };
    let monitoring = monitor.map(|monitor| tokio::spawn(monitor.serve(logs, done.clone())));
    tell!(
        "worker {name} serves {} at {}, {} at a time",
        settings
            .lines()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        queue.name(),
        args.slots
    );
    if let Some(url) = watch {
        tell!("logs of its jobs: {url}/jobs/JOB/log");
    }
    let worker = Worker::new(queue, runner, settings)
        .with_drain(drain)
        .with_stop(stop);
    let served = worker.serve().await;
    done.cancel();
    // It ends at once, and what went wrong in it has been said.
    let _ = serving.await;
    if let Some(monitoring) = monitoring
        && let Ok(Ok(Err(error))) = tokio::time::timeout(LAST_READERS, monitoring).await
    {
        tell!("warning: the logs were not served: {error}");
    }
    match served {
        Ok(served) => {
            tell!(
                "{} finished, {} handed back",
                served.finished,
                served.handed_back
            );
            Exit::Done
        }
        Err(error) => exit::error(&error),
    }
}

/// The folder of the worker, taken.
fn only_one(folder: &Path) -> Result<FolderLock, Exit> {
    FolderLock::take(folder).map_err(|error| {
        if error.kind() == io::ErrorKind::ResourceBusy {
            exit::say(format_args!(
                "another worker builds in {}",
                folder.display()
            ));
            tell!("hint: give each a folder of its own with --workdir");
        } else {
            exit::say(format_args!("{}: {error}", folder.display()));
        }
        Exit::Host
    })
}

/// The first signal ends it when its builds are made, the second at once.
fn signals(drain: CancellationToken, stop: CancellationToken) {
    let caught = drain_then_stop(drain, stop, |ending| match ending {
        Ending::Drain => {
            tell!("no more jobs are taken; once more hands back those that are built");
        }
        Ending::Stop => tell!("the builds are stopped and handed back"),
    });
    if let Err(error) = caught {
        tell!("warning: signals cannot be caught: {error}");
    }
}
