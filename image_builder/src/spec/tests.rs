//! Tests of the spec as a whole, over `tests/specs/` and `docs/spec-reference.md`.

mod formats;
mod ini;
mod mistakes;
mod reference;
mod rules;
mod samples;

use std::path::{Path, PathBuf};

use super::{BuildSpec, Format};

/// A path in the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The files of a folder of `tests/specs` with one of these extensions, sorted.
fn specs(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(repository("tests/specs").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            extensions
                .iter()
                .any(|e| path.extension().is_some_and(|found| found == *e))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Whether expectations are to be rewritten.
fn updating() -> bool {
    std::env::var_os("UPDATE_EXPECTED").is_some()
}

fn ini(text: &str) -> BuildSpec {
    BuildSpec::parse(text, Format::Ini, "x.conf").unwrap()
}

fn mistakes(text: &str) -> String {
    BuildSpec::parse(text, Format::Ini, "x.conf")
        .unwrap_err()
        .to_string()
}
