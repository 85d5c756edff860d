//! `fbs cache`.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use image_builder::cache::{self, Kind, Usage};
use image_builder::quantity::ByteSize;
use serde_json::json;

use super::service;
use crate::args::CacheCommand;
use crate::exit::{self, Exit};
use crate::output::{self, tell};

pub(crate) async fn run(command: &CacheCommand) -> Exit {
    let options = match service::options() {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let folder = options.current_dir.join(options.cache_dir);
    let result = match command {
        CacheCommand::Ls { json } => list(&folder, *json),
        CacheCommand::Gc { max_size, max_age } => {
            let max_bytes = max_size.map_or(options.cache_max_bytes, |size| size.0);
            prune(&folder, max_bytes, max_age.0)
        }
        CacheCommand::Clear => prune(&folder, 0, Duration::ZERO),
    };
    match result {
        Ok(()) => Exit::Done,
        Err(error) => {
            exit::say(format!("{}: {error}", folder.display()));
            Exit::Failed
        }
    }
}

/// How long ago the oldest entry was used, in days.
fn days(usage: &Usage) -> Option<u64> {
    let age = SystemTime::now().duration_since(usage.oldest?).ok()?;
    Some(age.as_secs() / 86_400)
}

fn list(folder: &Path, as_json: bool) -> io::Result<()> {
    let kinds = cache::usage(folder)?;
    if as_json {
        let mut value = json!({ "folder": folder.to_string_lossy() });
        for usage in &kinds {
            value[usage.kind.name()] = json!({
                "entries": usage.entries, "bytes": usage.bytes, "oldest_days": days(usage),
            });
        }
        output::json_pretty(&value);
        return Ok(());
    }
    let mut text = format!("{}\n", folder.display());
    for usage in &kinds {
        let age = match days(usage) {
            Some(days) => format!(", the oldest not used for {}", count(days, "day")),
            None => String::new(),
        };
        text.push_str(&format!(
            "{:<10} {}, {}{age}\n",
            usage.kind.name(),
            count(usage.entries, usage.kind.noun()),
            ByteSize(usage.bytes)
        ));
    }
    output::text(&text);
    Ok(())
}

fn prune(folder: &Path, max_bytes: u64, max_age: Duration) -> io::Result<()> {
    cache::clear_leftovers(folder)?;
    let pruned = cache::prune(folder, &Kind::ALL, max_bytes, max_age)?;
    tell!(
        "{} removed, {}; {} left",
        match pruned.entries {
            1 => "1 entry".to_owned(),
            entries => format!("{entries} entries"),
        },
        ByteSize(pruned.bytes),
        ByteSize(pruned.left)
    );
    Ok(())
}

fn count(number: u64, noun: &str) -> String {
    // "lists of files", "packed roots".
    match (number, noun.split_once(' ')) {
        (1, _) => format!("1 {noun}"),
        (_, Some((first, rest))) if rest.starts_with("of ") => format!("{number} {first}s {rest}"),
        (_, _) if noun == "initramfs" => format!("{number} {noun}"),
        _ => format!("{number} {noun}s"),
    }
}
