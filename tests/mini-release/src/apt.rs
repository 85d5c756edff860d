//! Fetching a closed set of Debian packages.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::deb::{Control, Deb};
use crate::recipe::{self, Architecture};
use crate::repack::each_in_parallel;
use crate::{Error, tool};

/// Where apt keeps what it knows of the mirrors.
const LISTS: &str = "/var/lib/apt/lists";

/// Fetches the packages of the recipe, with all that they require, into a folder that is kept.
///
/// Nothing is installed, and what this host has installed plays no part.
pub(crate) fn fetch(cache: &Path, arch: Architecture) -> Result<Vec<Deb>, Error> {
    let partial = cache.join("partial");
    fs::create_dir_all(&partial).map_err(Error::io(&partial))?;
    // apt's own lock would fail the second of two runs rather than let it wait.
    let lock = cache.join(".lock");
    let lock_file = File::create(&lock).map_err(Error::io(&lock))?;
    lock_file.lock().map_err(Error::io(&lock))?;

    let kernel = arch.kernel();
    let mut wanted = vec![kernel.as_str()];
    for list in [
        recipe::CORE,
        recipe::STANDARD,
        recipe::OTHERS,
        recipe::FETCHED_ONLY,
    ] {
        wanted.extend(list);
    }

    if !has_lists() {
        update()?;
    }
    let plan = match download(cache, &wanted) {
        Ok(plan) => plan,
        // The lists may be older than what the mirror still has.
        Err(_) => {
            update()?;
            download(cache, &wanted).map_err(as_fetch_failure)?
        }
    };
    let mut debs = each_in_parallel(&plan, |file| {
        let path = cache.join(file);
        Ok(Deb {
            control: Control::read(&path)?,
            path,
        })
    })?;
    debs.retain(|deb| !recipe::is_left_out(&deb.control.name) && deb.control.name != kernel);
    // Biggest first: the kernel alone would otherwise hold up the end.
    debs.sort_by_key(|deb| std::cmp::Reverse(fs::metadata(&deb.path).map_or(0, |meta| meta.len())));
    Ok(debs)
}

fn has_lists() -> bool {
    fs::read_dir(LISTS).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
    })
}

fn update() -> Result<(), Error> {
    tool::output("apt-get", &["--quiet", "--error-on=any", "update"])
        .map(drop)
        .map_err(as_fetch_failure)
}

fn as_fetch_failure(error: Error) -> Error {
    match error {
        Error::Command { stderr, .. } => Error::Fetch(stderr),
        other => other,
    }
}

/// Downloads what is not in the folder yet; gives the names of all files of the set.
fn download(cache: &Path, wanted: &[&str]) -> Result<Vec<PathBuf>, Error> {
    let archives = format!("Dir::Cache::archives={}", cache.display());
    let options = [
        "-o",
        "Dir::State::status=/dev/null", // a host with nothing installed
        "-o",
        "APT::Install-Recommends=false",
        "-o",
        "APT::Sandbox::User=root", // `_apt` may not write to our folder
        "-o",
        &archives,
    ];
    let simulated = [&options[..], &["--simulate", "install"], wanted].concat();
    let plan = parse_plan(&tool::output("apt-get", &simulated)?);
    let real = [
        &options[..],
        &["--yes", "--quiet", "--download-only", "install"],
        wanted,
    ]
    .concat();
    tool::output("apt-get", &real)?;
    Ok(plan)
}

/// The file names of the packages that `apt-get --simulate install` would install.
fn parse_plan(simulation: &str) -> Vec<PathBuf> {
    let mut files = BTreeMap::new();
    for line in simulation.lines() {
        // Inst libacl1 (2.3.1-3 Debian:12.12/oldstable [amd64]) [what is still broken]
        let Some((name, rest)) = line
            .strip_prefix("Inst ")
            .and_then(|rest| rest.split_once(" ("))
        else {
            continue;
        };
        let mut words = rest.split(')').next().unwrap_or_default().split(' ');
        let version = words.next().unwrap_or_default();
        let arch = words
            .next_back()
            .unwrap_or_default()
            .trim_matches(['[', ']']);
        // apt escapes what may not be in a file name.
        let version = version.replace(':', "%3a");
        files.insert(name, PathBuf::from(format!("{name}_{version}_{arch}.deb")));
    }
    files.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_names_the_files() {
        let simulation = "Reading package lists...\n\
            Inst libattr1 (1:2.5.1-4 Debian:12.12/oldstable [amd64])\n\
            Inst tzdata (2025b-0+deb12u2 Debian:12.12/oldstable, Debian:12-updates [all]) [systemd:amd64 ]\n\
            Conf libattr1 (1:2.5.1-4 Debian:12.12/oldstable [amd64])\n";
        assert_eq!(
            parse_plan(simulation),
            [
                PathBuf::from("libattr1_1%3a2.5.1-4_amd64.deb"),
                PathBuf::from("tzdata_2025b-0+deb12u2_all.deb"),
            ]
        );
    }
}
