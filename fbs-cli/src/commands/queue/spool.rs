//! Jobs that wait on this host for a broker.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use image_builder::build_monitor::state_dir;
use image_builder::jobs::{Entry, JobEvent, JobEventKind};
use image_builder::queue::{decode, encode};
use image_builder::service_config::ServiceConfig;
use image_builder::spec::Arch;

use super::{open, submit::submit};
use crate::args::PlaceArgs;
use crate::exit::{self, Exit};
use crate::output::{self, tell};

fn folder() -> PathBuf {
    state_dir().join("spool")
}

fn fail(path: &Path, error: &io::Error) -> Exit {
    exit::say(format_args!("{}: {error}", path.display()));
    Exit::Host
}

/// Keeps jobs: each in a file of its own that is on the disk as a whole or not at all.
pub(super) fn keep(events: &[JobEvent]) -> Result<(), Exit> {
    let folder = folder();
    let keep = |event: &JobEvent| {
        let bytes = encode(&Entry::Job(event.clone())).map_err(io::Error::other)?;
        let path = folder.join(format!("{}.json", event.job));
        let part = path.with_extension("part");
        let mut file = File::create(&part)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(&folder)?.sync_all()
    };
    let made = fs::create_dir_all(&folder);
    made.and_then(|()| events.iter().try_for_each(keep))
        .map_err(|error| fail(&folder, &error))
}

/// Sends what is kept, the oldest first, and forgets what was sent.
pub(super) async fn flush(place: &PlaceArgs, config: &ServiceConfig) -> Exit {
    let folder = folder();
    let mut files: Vec<PathBuf> = match fs::read_dir(&folder) {
        Ok(entries) => entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return fail(&folder, &error),
    };
    files.sort();
    for path in &files {
        let event = match fs::read(path).map(|bytes| decode(&bytes)) {
            Ok(Ok(Entry::Job(event))) => event,
            Ok(_) => {
                exit::say(format_args!("{} holds no job; remove it", path.display()));
                return Exit::Failed;
            }
            Err(error) => return fail(path, &error),
        };
        let arch = match &event.kind {
            JobEventKind::Queued { request } => request.arch.parse().unwrap_or(Arch::X86_64),
            _ => Arch::X86_64,
        };
        let queue = match open(place, arch, config).await {
            Ok(queue) => queue,
            Err(exit) => return exit,
        };
        if let Err(error) = submit(&*queue, std::slice::from_ref(&event)).await {
            return exit::error(&error);
        }
        // Sent twice it would do no harm: it is the same job.
        if let Err(error) = fs::remove_file(path) {
            return fail(path, &error);
        }
        output::text(&format!("{}\n", event.job));
    }
    tell!("{} sent", output::count(files.len(), "job"));
    Exit::Done
}
