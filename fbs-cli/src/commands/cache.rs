//! `fbs cache`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use image_builder::repo_create::{CacheUsage, RepoError, RpmCache};
use serde_json::json;

use super::service;
use crate::args::CacheCommand;
use crate::exit::{self, Exit};
use crate::output;
use crate::quantity::ByteSize;

pub(crate) async fn run(command: &CacheCommand) -> Exit {
    let options = match service::options() {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let folder = options.current_dir.join(options.cache_dir);
    let result = match command {
        CacheCommand::Ls { json } => list(folder, *json),
        CacheCommand::Gc { max_size, max_age } => prune(folder, max_size.0, max_age.0),
        CacheCommand::Clear => prune(folder, 0, Duration::ZERO),
    };
    match result {
        Ok(()) => Exit::Done,
        Err(error) => exit::error(&error),
    }
}

fn list(folder: PathBuf, as_json: bool) -> Result<(), RepoError> {
    let CacheUsage {
        entries,
        bytes,
        oldest,
    } = RpmCache::open(&folder)?.usage()?;
    let days = oldest
        .and_then(|used| SystemTime::now().duration_since(used).ok())
        .map(|age| age.as_secs() / 86_400);
    if as_json {
        output::json_pretty(&json!({
            "folder": folder,
            "rpms": { "entries": entries, "bytes": bytes, "oldest_days": days },
        }));
        return Ok(());
    }
    let age = days.map_or_else(String::new, |days| {
        let days = usize::try_from(days).unwrap_or(usize::MAX);
        format!(", the oldest not used for {}", output::count(days, "day"))
    });
    output::text(&format!(
        "{}\nrpms: {}, {}{age}\n",
        folder.display(),
        output::count(usize::try_from(entries).unwrap_or(usize::MAX), "package"),
        ByteSize(bytes)
    ));
    Ok(())
}

fn prune(folder: PathBuf, max_bytes: u64, max_age: Duration) -> Result<(), RepoError> {
    let pruned = RpmCache::open(&folder)?.prune(max_bytes, max_age)?;
    eprintln!(
        "{} removed, {}; {} left",
        output::count(
            usize::try_from(pruned.entries).unwrap_or(usize::MAX),
            "package"
        ),
        ByteSize(pruned.bytes),
        ByteSize(pruned.left)
    );
    Ok(())
}
