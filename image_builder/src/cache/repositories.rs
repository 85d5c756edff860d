//! What dnf keeps of repositories: packages, metadata, and what it makes of them.
//!
//! ```text
//! <cache>/dnf/43-dd02bb7ffa725f78/packages/*.rpm    a part each
//!                                 repodata, ...     the metadata: one part
//!             43.solv, 43-filenames.solvx           dnf 4's: a part each
//!         locks/dnf-use/lock                        shared from dnf's choice to the end of its transaction
//!               dnf-fetch/lock                      shared while a dnf chooses and downloads
//! ```
//!
//! dnf does not know our locks, and fails where something goes that it has just seen. While one chooses and downloads, nothing
//! is removed. What it chose is then marked as used, so that what is long unused can be removed while builds
//! install; when none does, everything can.

use std::fs::{self, File, FileTimes, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::EntryLock;
use super::pruning::size;
use super::store::{discard, gone};

/// What a build does with dnf's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// What was chosen is needed until it is installed.
    Use,
    /// A dnf reads metadata, chooses, downloads; until what it chose is [marked](mark_used).
    Fetch,
}

impl Phase {
    fn folder(self, cache: &Path) -> PathBuf {
        cache.join("locks").join(match self {
            Self::Use => "dnf-use",
            Self::Fetch => "dnf-fetch",
        })
    }
}

/// What was used so lately may be of a build that has not installed it yet.
const LATELY: Duration = Duration::from_secs(6 * 3600);

/// Keeps dnf's folder below `cache` from being pruned as `phase` needs it, until what this gives is dropped. Waits for
/// one who is just removing something. Blocks.
pub(crate) fn hold(cache: &Path, phase: Phase) -> io::Result<EntryLock> {
    loop {
        match EntryLock::shared(&phase.folder(cache))? {
            Some(lock) => return Ok(lock),
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Notes that a file was used: in its time of access, since dnf takes one with another time of change for another file.
pub(crate) fn mark_used(file: &Path) -> io::Result<()> {
    let times = FileTimes::new().set_accessed(SystemTime::now());
    File::open(file)?.set_times(times)
}

/// Something that dnf keeps, and can fetch or make again.
#[derive(Debug)]
pub(super) struct Part {
    what: What,
    pub(super) bytes: u64,
    pub(super) used: SystemTime,
}

#[derive(Debug)]
enum What {
    File(PathBuf),
    /// Of the repository that has this folder.
    Metadata(PathBuf),
}

const PACKAGES: &str = "packages";

/// All that dnf keeps in `folder`.
pub(super) fn parts(folder: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for path in entries(folder)? {
        let Some(meta) = metadata(&path)? else {
            continue;
        };
        if meta.is_dir() {
            parts.extend(of_repository(&path)?);
        } else if has_ending(&path, &["solv", "solvx"]) {
            parts.push(Part::file(path, &meta));
        }
    }
    Ok(parts)
}

fn of_repository(folder: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for path in entries(&folder.join(PACKAGES))? {
        if let Some(meta) = metadata(&path)?.filter(Metadata::is_file) {
            parts.push(Part::file(path, &meta));
        }
    }
    let mut rest = Part {
        what: What::Metadata(folder.to_owned()),
        bytes: 0,
        used: last_use(folder)?,
    };
    let mut is_empty = true;
    for path in beside_packages(folder)? {
        if let Some(meta) = metadata(&path)? {
            is_empty = false;
            rest.bytes += match meta.is_dir() {
                true => size(&path)?.unwrap_or_default(),
                false => meta.len(),
            };
        }
    }
    if !is_empty {
        parts.push(rest);
    }
    Ok(parts)
}

/// When the metadata in `folder` was used by a build, or fetched.
fn last_use(folder: &Path) -> io::Result<SystemTime> {
    if let Some(meta) = metadata(&folder.join("repodata/repomd.xml"))? {
        return Ok(used(&meta));
    }
    let mut last = SystemTime::UNIX_EPOCH;
    for path in beside_packages(folder)? {
        let file = metadata(&path)?.filter(Metadata::is_file);
        last = file.map_or(last, |meta| last.max(used(&meta)));
    }
    Ok(last)
}

impl Part {
    fn file(path: PathBuf, meta: &Metadata) -> Self {
        Self {
            what: What::File(path),
            bytes: meta.len(),
            used: used(meta),
        }
    }

    /// Removes it from dnf's folder below `cache`, unless a build may need it.
    pub(super) fn remove(&self, cache: &Path) -> io::Result<bool> {
        let Some(_fetch) = EntryLock::exclusive(&Phase::Fetch.folder(cache))? else {
            return Ok(false);
        };
        let all = EntryLock::exclusive(&Phase::Use.folder(cache))?;
        let used = match &self.what {
            What::File(path) => metadata(path)?.map_or(self.used, |meta| used(&meta)),
            What::Metadata(folder) => last_use(folder)?,
        };
        let age = SystemTime::now().duration_since(used).unwrap_or_default();
        // Somebody used it since it was found, or is about to.
        if used > self.used || (all.is_none() && age < LATELY) {
            return Ok(false);
        }
        match &self.what {
            What::File(path) => {
                discard(path)?;
                if path
                    .parent()
                    .is_some_and(|folder| folder.ends_with(PACKAGES))
                {
                    remove_empty(path.ancestors().skip(1).take(2));
                }
            }
            What::Metadata(folder) => {
                // Without this one dnf looks at none of the others.
                discard(&folder.join("repodata/repomd.xml"))?;
                for path in beside_packages(folder)? {
                    discard(&path)?;
                }
                remove_empty([folder.join(PACKAGES).as_path(), folder]);
            }
        }
        Ok(true)
    }
}

fn remove_empty<'a>(folders: impl IntoIterator<Item = &'a Path>) {
    for folder in folders {
        // One that has something stays.
        let _ = fs::remove_dir(folder);
    }
}

fn beside_packages(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = entries(folder)?;
    paths.retain(|path| !path.ends_with(PACKAGES));
    Ok(paths)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match folder.read_dir() {
        Err(error) if gone(&error) => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match path.symlink_metadata() {
        Err(error) if gone(&error) => Ok(None),
        meta => meta.map(Some),
    }
}

fn used(meta: &Metadata) -> SystemTime {
    let times = [meta.accessed(), meta.modified()];
    let known = times.into_iter().filter_map(Result::ok);
    known.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().unwrap_or_default();
    endings.iter().any(|one| ending == *one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Kind, clear_leftovers, prune, usage};

    const DAY: Duration = Duration::from_secs(86_400);

    /// A file of 10,000 bytes that was not used for `days`.
    fn file(cache: &Path, name: &str, days: u32) -> PathBuf {
        let path = cache.join("dnf").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![0; 10_000]).unwrap();
        let then = SystemTime::now() - DAY * days;
        let times = FileTimes::new().set_accessed(then).set_modified(then);
        let opened = File::options().write(true).open(&path).unwrap();
        opened.set_times(times).unwrap();
        path
    }

    /// Of a repository: metadata, and packages that were not used for one, two and three days.
    fn filled(cache: &Path) -> [PathBuf; 5] {
        [
            file(cache, "43-dd02bb7ffa725f78/packages/a.rpm", 1),
            file(cache, "43-dd02bb7ffa725f78/packages/b.rpm", 2),
            file(cache, "43-dd02bb7ffa725f78/packages/c.rpm", 3),
            file(cache, "43.solv", 4),
            file(cache, "43-dd02bb7ffa725f78/repodata/repomd.xml", 5),
        ]
    }

    fn there(paths: &[PathBuf]) -> Vec<bool> {
        paths.iter().map(|path| path.exists()).collect()
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path();
        let paths = filled(cache);
        let primary = file(cache, "43-dd02bb7ffa725f78/repodata/primary.xml.gz", 5);
        fs::write(cache.join("dnf/metadata_lock.pid"), "1").unwrap();
        let all = usage(cache).unwrap();
        let dnf = all.iter().find(|usage| usage.kind == Kind::Dnf).unwrap();
        assert_eq!((dnf.entries, dnf.bytes), (5, 60_000));
        assert!(dnf.oldest.unwrap() < SystemTime::now() - DAY * 4);
        clear_leftovers(cache).unwrap();

        let pruned = prune(cache, &Kind::ALL, 35_000, Duration::MAX).unwrap();
        assert_eq!(
            (pruned.entries, pruned.bytes, pruned.left),
            (2, 30_000, 30_000)
        );
        assert_eq!(there(&paths), [true, true, true, false, false]);
        assert!(!primary.exists());
        mark_used(&paths[2]).unwrap();
        let pruned = prune(cache, &Kind::ALL, u64::MAX, DAY + DAY / 2).unwrap();
        assert_eq!(pruned.entries, 1);
        assert_eq!(there(&paths[..3]), [true, false, true]);
        // It is still the package that dnf knows.
        let modified = paths[2].metadata().unwrap().modified().unwrap();
        assert!(modified < SystemTime::now() - DAY * 2);
        prune(cache, &Kind::ALL, 0, Duration::ZERO).unwrap();
        let left: Vec<_> = entries(&cache.join("dnf")).unwrap();
        assert_eq!(left, [cache.join("dnf/metadata_lock.pid")]);
    }

    #[test]
    fn nothing_goes_while_a_dnf_chooses_and_nothing_that_it_chose_until_it_is_installed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path();
        let paths = filled(cache);
        let install = hold(cache, Phase::Use).unwrap();
        let choose = hold(cache, Phase::Fetch).unwrap();
        let clear = || prune(cache, &Kind::ALL, 0, Duration::ZERO).unwrap().entries;
        assert_eq!(clear(), 0);
        mark_used(&paths[0]).unwrap();
        mark_used(&paths[4]).unwrap();
        drop(choose);
        assert_eq!(clear(), 3);
        assert_eq!(there(&paths), [true, false, false, false, true]);
        drop(install);
        assert_eq!(clear(), 2);
    }

    #[test]
    fn what_was_used_since_it_was_found_stays() {
        let dir = tempfile::tempdir().unwrap();
        let paths = filled(dir.path());
        let found = parts(&dir.path().join("dnf")).unwrap();
        for path in &paths {
            mark_used(path).unwrap();
        }
        for part in found {
            assert!(!part.remove(dir.path()).unwrap(), "{part:?}");
        }
        assert_eq!(there(&paths), [true; 5]);
    }
}
