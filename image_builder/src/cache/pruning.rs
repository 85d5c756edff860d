//! Keeping the cache within its bounds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::lock::LOCK;
use super::store::{self, FRESH, NOTE, discard, folders, gone};
use super::{EntryLock, Kind, repositories};
use crate::host::free_bytes;

/// What [`prune`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Entries removed.
    pub entries: u64,
    /// Bytes that they had.
    pub bytes: u64,
    /// Bytes that are left.
    pub left: u64,
}

/// What is in the cache of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The kind.
    pub kind: Kind,
    /// Entries.
    pub entries: u64,
    /// Bytes that they have.
    pub bytes: u64,
    /// When the one was used that was not used for longest.
    pub oldest: Option<SystemTime>,
}

/// Removes the entries of `kinds` that were not used for `max_age`, and then those that were not used
/// for longest, until all have at most `max_bytes`. Entries that a build uses stay. Blocks.
///
/// # Errors
///
/// The operating system's.
pub fn prune(
    cache: &Path,
    kinds: &[Kind],
    max_bytes: u64,
    max_age: Duration,
) -> io::Result<Pruned> {
    let now = SystemTime::now();
    remove_until(cache, kinds, |entry, left| {
        let age = now.duration_since(entry.used).unwrap_or_default();
        Ok(age <= max_age && left <= max_bytes)
    })
}

/// Removes what was not used for longest until the file system of the cache has `bytes` of free space, or all is gone that
/// no build uses and that was not used since `then`. Blocks.
///
/// # Errors
///
/// The operating system's.
pub fn make_room(cache: &Path, bytes: u64, then: SystemTime) -> io::Result<Pruned> {
    match free_bytes(cache)? >= bytes {
        true => Ok(Pruned::default()),
        false => remove_until(cache, &Kind::ALL, |entry, _| {
            Ok(entry.used >= then || free_bytes(cache)? >= bytes)
        }),
    }
}

/// Removes the entries of `kinds`, those first that were not used for longest, until `is_enough` says so of the next one
/// and of the bytes that are left.
fn remove_until(
    cache: &Path,
    kinds: &[Kind],
    is_enough: impl Fn(&Found, u64) -> io::Result<bool>,
) -> io::Result<Pruned> {
    let mut entries = Vec::new();
    for &kind in kinds {
        entries.extend(entries_of(cache, kind)?);
    }
    entries.sort_by_key(|entry| entry.used);
    let mut pruned = Pruned {
        left: entries.iter().map(|entry| entry.bytes).sum(),
        ..Pruned::default()
    };
    for entry in entries {
        if is_enough(&entry, pruned.left)? {
            break;
        }
        let removed = match &entry.place {
            Place::Entry(folder) => remove(folder),
            Place::Dnf(part) => part.remove(cache),
        };
        let removed = match removed {
            // A lock has no room on a full disk, until something else is gone.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => false,
            removed => removed?,
        };
        if removed {
            pruned.entries += 1;
            pruned.bytes += entry.bytes;
            pruned.left -= entry.bytes;
        }
    }
    Ok(pruned)
}

/// How much is in the cache, a kind each. Blocks.
///
/// # Errors
///
/// The operating system's.
pub fn usage(cache: &Path) -> io::Result<Vec<Usage>> {
    let of = |kind| {
        let entries = entries_of(cache, kind)?;
        Ok(Usage {
            kind,
            entries: entries.len() as u64,
            bytes: entries.iter().map(|entry| entry.bytes).sum(),
            oldest: entries.iter().map(|entry| entry.used).min(),
        })
    };
    Kind::ALL.into_iter().map(of).collect()
}

/// Removes what builds that were killed left of entries they were making. Blocks.
///
/// # Errors
///
/// The operating system's.
pub fn clear_leftovers(cache: &Path) -> io::Result<()> {
    for kind in Kind::ALL {
        let folders = match cache.join(kind.name()).join(FRESH).read_dir() {
            Err(error) if gone(&error) => continue,
            other => other?,
        };
        for folder in folders {
            let folder = folder?.path();
            if let Some(_lock) = EntryLock::exclusive(&folder)? {
                discard(&folder)?;
            }
        }
    }
    Ok(())
}

struct Found {
    place: Place,
    bytes: u64,
    used: SystemTime,
}

enum Place {
    /// An entry's folder.
    Entry(PathBuf),
    Dnf(repositories::Part),
}

fn entries_of(cache: &Path, kind: Kind) -> io::Result<Vec<Found>> {
    if kind == Kind::Dnf {
        let parts = repositories::parts(&cache.join(kind.name()))?.into_iter();
        let found = parts.map(|part| Found {
            bytes: part.bytes,
            used: part.used,
            place: Place::Dnf(part),
        });
        return Ok(found.collect());
    }
    let mut entries = Vec::new();
    for folder in folders(&cache.join(kind.name()))? {
        let bytes = match store::settled_size(&folder) {
            Some(bytes) => bytes,
            None => match size(&folder)? {
                Some(bytes) => bytes,
                None => continue,
            },
        };
        entries.push(Found {
            bytes,
            used: match kind {
                // Their notes carry the time.
                Kind::Rpms => newest(&folder)?,
                _ => store::used(&folder),
            },
            place: Place::Entry(folder),
        });
    }
    Ok(entries)
}

/// What is in a folder and those below it, in bytes; `None` if it has just gone.
pub(super) fn size(folder: &Path) -> io::Result<Option<u64>> {
    let mut total = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        let entries = match at.read_dir() {
            Err(error) if gone(&error) && at == folder => return Ok(None),
            Err(error) if gone(&error) => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Err(error) if gone(&error) => {}
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                meta => total += meta?.len(),
            }
        }
    }
    Ok(Some(total))
}

fn newest(folder: &Path) -> io::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for file in folder.read_dir()? {
        match file?.metadata() {
            Err(error) if gone(&error) => {}
            meta => newest = newest.max(meta?.modified()?),
        }
    }
    Ok(newest)
}

/// Removes an entry, unless somebody uses it.
pub(super) fn remove(folder: &Path) -> io::Result<bool> {
    let Some(lock) = EntryLock::exclusive(folder)? else {
        return Ok(false);
    };
    // First what says that it is whole, and the lock last: until then nobody can fill the entry.
    discard(&folder.join(NOTE))?;
    for file in folder.read_dir()? {
        let file = file?;
        if file.file_name() != LOCK {
            discard(&file.path())?;
        }
    }
    fs::remove_file(folder.join(LOCK))?;
    drop(lock);
    // Somebody may already be filling it anew.
    let _ = fs::remove_dir(folder);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::store::USED;
    use crate::cache::{Key, Store};
    use crate::compose::mounts::{Memory, apart};
    use std::fs::File;

    fn put(dir: &Path, kind: Kind, name: &str, days: u64) -> crate::cache::Entry<()> {
        let store = Store::new(dir, kind);
        let fresh = store.fresh().unwrap();
        fs::create_dir(fresh.data()).unwrap();
        fs::write(fresh.data().join("file"), vec![0; 10_000]).unwrap();
        let entry = store.put(&Key::of(&name), &fresh, ()).unwrap();
        let then = SystemTime::now() - Duration::from_secs(days * 86_400);
        let used = entry.data().with_file_name(USED);
        File::options()
            .write(true)
            .open(used)
            .unwrap()
            .set_modified(then)
            .unwrap();
        entry
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_old_and_then_the_longest_unused_go_and_what_is_in_use_stays() {
        let dir = tempfile::tempdir().unwrap();
        drop(put(dir.path(), Kind::Root, "old", 40));
        drop(put(dir.path(), Kind::Image, "middle", 5));
        drop(put(dir.path(), Kind::Root, "new", 1));
        let held = put(dir.path(), Kind::Initramfs, "held", 60);
        let pruned = prune(dir.path(), &Kind::ALL, u64::MAX, DAY * 30).unwrap();
        assert_eq!((pruned.entries, pruned.bytes / 10_000), (1, 1));
        let pruned = prune(dir.path(), &Kind::ALL, 25_000, DAY * 30).unwrap();
        assert_eq!(pruned.entries, 1);
        let left: Vec<_> = usage(dir.path())
            .unwrap()
            .into_iter()
            .filter(|usage| usage.entries > 0)
            .map(|usage| usage.kind)
            .collect();
        assert_eq!(left, [Kind::Root, Kind::Initramfs]);
        drop(held);
        assert_eq!(
            prune(dir.path(), &Kind::ALL, 0, Duration::ZERO)
                .unwrap()
                .entries,
            2
        );
    }

    #[tokio::test]
    async fn room_is_made_at_the_cost_of_what_was_not_used_for_longest() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("disk");
        let done = apart(move || async move {
            const MIB: u64 = 1 << 20;
            let disk = Memory::mount(&at, 4 * MIB).unwrap();
            let cache = disk.path();
            for (name, days) in [("new", 1), ("old", 40), ("middle", 5)] {
                let entry = put(cache, Kind::Image, name, days);
                fs::write(entry.data().join("more"), vec![0; MIB as usize]).unwrap();
            }
            let now = SystemTime::now();
            let make_room = |bytes| make_room(cache, bytes, now);
            assert_eq!(make_room(MIB / 2).unwrap().entries, 0);
            let then = now - DAY * 60;
            assert_eq!(super::make_room(cache, 2 * MIB, then).unwrap().entries, 0);
            assert_eq!(make_room(2 * MIB).unwrap().entries, 2);
            let store = Store::new(cache, Kind::Image);
            let left = store.notes::<()>().unwrap();
            assert_eq!(left, [(Key::of(&"new"), ())]);
            // More than there is: all goes that can.
            let held = store.get::<()>(&Key::of(&"new")).unwrap();
            assert_eq!(make_room(5 * MIB).unwrap().entries, 0);
            drop(held);
            let now = SystemTime::now();
            let pruned = super::make_room(cache, 5 * MIB, now);
            assert_eq!(pruned.unwrap().entries, 1);
        });
        done.await.unwrap();
    }

    #[test]
    fn only_leftovers_of_the_dead_are_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Kind::Root);
        let live = store.fresh().unwrap();
        let dead = dir.path().join("root/new/.tmpdead");
        fs::create_dir_all(dead.join("data/etc")).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        clear_leftovers(dir.path()).unwrap();
        assert!(!dead.exists());
        assert!(live.data().parent().unwrap().exists());
    }
}
