//! Reading the spec that a command line names.

use std::path::{Component, Path, PathBuf};

use image_builder::spec::{BuildSpec, ImageType, Override, SpecError};

use crate::args::Overrides;
use crate::exit::{self, Exit};
use crate::output::tell;

/// The spec with what the command line sets.
pub(crate) fn load(conf: &Path, overrides: &Overrides) -> Result<BuildSpec, SpecError> {
    let spec = BuildSpec::load_with(conf, &given(overrides, ImageType::Boot))?;
    match spec.image_type() {
        ImageType::Boot => Ok(spec),
        // Only now it is known how the folders are called in it.
        image => BuildSpec::load_with(conf, &given(overrides, image)),
    }
}

/// Prints what is wrong with a spec, every mistake on a line of its own.
pub(crate) fn report(conf: &Path, error: &SpecError) -> Exit {
    match error.mistakes() {
        [] => exit::say(error),
        mistakes => {
            let count = match mistakes.len() {
                1 => "a mistake".to_owned(),
                n => format!("{n} mistakes"),
            };
            exit::say(format_args!("{} has {count}:", conf.display()));
            for mistake in mistakes {
                tell!("  {mistake}");
            }
        }
    }
    Exit::Usage
}

fn given(args: &Overrides, image: ImageType) -> Vec<Override> {
    let tree = match image {
        ImageType::Dvd => "destdir",
        ImageType::Boot | ImageType::Live => "outdir",
    };
    let work = match image {
        ImageType::Live => "tmpdir",
        ImageType::Boot | ImageType::Dvd => "workdir",
    };
    let words = [
        ("release", args.release.clone()),
        ("backend", args.backend.clone()),
        ("boot_test", args.boot_test.clone()),
        ("staging", staging(&args.staging)),
        (tree, args.outdir.as_deref().map(absolute)),
        (work, args.workdir.as_deref().map(absolute)),
        ("koji_hub", args.koji.koji_hub.clone()),
        ("koji_files", args.koji.koji_files.clone()),
    ];
    let given = words
        .into_iter()
        .filter_map(|(key, value)| Some(Override::new(key, value?)));
    args.set.iter().cloned().chain(given).collect()
}

fn staging(places: &[PathBuf]) -> Option<String> {
    let places: Vec<String> = places.iter().map(|place| address(place)).collect();
    (!places.is_empty()).then(|| places.join(";"))
}

/// A staging place of the command line as it stands in a spec: what is no URL is a folder.
pub(super) fn address(place: &Path) -> String {
    match place.to_str() {
        Some(url) if url.contains("://") => url.to_owned(),
        _ => absolute(place),
    }
}

/// On the command line a path counts from the current folder; in a spec, from the spec's. What
/// climbs out of the current folder is resolved here: a spec may not do that.
fn absolute(path: &Path) -> String {
    let mut resolved = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    for part in path.components() {
        match part {
            Component::ParentDir => {
                resolved = resolved.canonicalize().unwrap_or(resolved);
                resolved.pop();
            }
            Component::CurDir => {}
            // An absolute path starts anew.
            part => resolved.push(part),
        }
    }
    resolved.to_string_lossy().into_owned()
}
