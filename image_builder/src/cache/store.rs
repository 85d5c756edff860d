//! The entries of one kind.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{EntryLock, Key, Kind, pruning};

pub(super) const DATA: &str = "data";
pub(super) const NOTE: &str = "note.json";
pub(super) const USED: &str = "used";
/// The bytes that an entry has, and the end of a line, once it is on the disk; empty until then.
const SIZE: &str = "size";
/// Where entries are until they are whole.
pub(super) const FRESH: &str = "new";

/// The entries of one kind, below the folder that all builds of a host share. Everything here blocks.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// An entry in use: it stays at least as long as this value does.
#[derive(Debug)]
pub struct Entry<N> {
    /// Its name.
    pub key: Key,
    /// What is known of it.
    pub note: N,
    folder: PathBuf,
    _lock: EntryLock,
}

/// What an entry's note holds.
#[derive(Debug, Serialize, Deserialize)]
struct Noted<N> {
    /// The running kernel when it was written: while it runs, what was written can be read.
    boot: Option<String>,
    note: N,
}

impl<N> Entry<N> {
    /// The file or folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join(DATA)
    }
}

impl Store {
    /// The entries of `kind` below `cache`; the folder is made when the first entry comes.
    #[must_use]
    pub fn new(cache: &Path, kind: Kind) -> Self {
        Self {
            root: cache.join(kind.name()),
        }
    }

    fn folder(&self, key: &Key) -> PathBuf {
        self.root.join(&key.as_str()[..2]).join(key.as_str())
    }

    /// The entry `key`, marked as used now; `None` if there is none, or it is being removed, or its
    /// note cannot be read.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn get<N: DeserializeOwned>(&self, key: &Key) -> io::Result<Option<Entry<N>>> {
        let folder = self.folder(key);
        if !folder.join(NOTE).is_file() {
            return Ok(None);
        }
        let Some(lock) = EntryLock::shared(&folder)? else {
            return Ok(None);
        };
        let Some(note) = read_note(&folder)? else {
            return Ok(None);
        };
        // For pruning; a cache that cannot be written to is still good to read.
        let _ = touch(&folder);
        Ok(Some(Entry {
            key: key.clone(),
            note,
            folder,
            _lock: lock,
        }))
    }

    /// The notes of all entries, the last used first.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn notes<N: DeserializeOwned>(&self) -> io::Result<Vec<(Key, N)>> {
        let mut found = Vec::new();
        for folder in folders(&self.root)? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            if let Some(key) = Key::parse(&name)
                && let Some(note) = read_note(&folder)?
            {
                found.push((used(&folder), key, note));
            }
        }
        found.sort_by_key(|(used, ..)| std::cmp::Reverse(*used));
        Ok(found
            .into_iter()
            .map(|(_, key, note)| (key, note))
            .collect())
    }

    /// A place on the cache's file system for what will become an entry.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn fresh(&self) -> io::Result<Fresh> {
        let parent = self.root.join(FRESH);
        loop {
            fs::create_dir_all(&parent)?;
            let folder = tempfile::Builder::new().tempdir_in(&parent)?;
            // Whoever clears leftovers may have been faster.
            match EntryLock::exclusive(folder.path()) {
                Ok(Some(lock)) => {
                    return Ok(Fresh {
                        folder,
                        _lock: lock,
                    });
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes the entry `key`; `false` when somebody uses it.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn remove(&self, key: &Key) -> io::Result<bool> {
        pruning::remove(&self.folder(key))
    }

    /// Makes what is in `fresh` the entry `key`. Where there is one already, it is that: equal keys
    /// mean equal content. What is not taken is still in `fresh`.
    ///
    /// # Errors
    ///
    /// The operating system's; [`io::ErrorKind::ResourceBusy`] when somebody removes the entry again and
    /// again.
    pub fn put<N: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        fresh: &Fresh,
        note: N,
    ) -> io::Result<Entry<N>> {
        const TRIES: u32 = 500;
        let folder = self.folder(key);
        let noted = Noted {
            boot: boot_id(),
            note,
        };
        for _ in 0..TRIES {
            if let Some(lock) = EntryLock::exclusive(&folder)? {
                if read_note::<N>(&folder)?.is_none() && fresh.data().symlink_metadata().is_ok() {
                    fill(&folder, fresh, &noted)?;
                }
                drop(lock);
            }
            if let Some(entry) = self.get(key)? {
                return Ok(entry);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

fn fill<N: Serialize>(folder: &Path, fresh: &Fresh, noted: &Noted<N>) -> io::Result<()> {
    let data = folder.join(DATA);
    discard(&data)?;
    discard(&folder.join(SIZE))?;
    let size = File::create_new(folder.join(SIZE))?;
    fs::rename(fresh.data(), &data)?;
    if let Err(error) = touch(folder).and_then(|()| write_note(folder, noted)) {
        fs::rename(&data, fresh.data())?;
        return Err(error);
    }
    settle(folder.to_owned(), size);
    Ok(())
}

/// An entry on its way; gone with all that is in it when dropped.
#[derive(Debug)]
pub struct Fresh {
    folder: tempfile::TempDir,
    _lock: EntryLock,
}

impl Fresh {
    /// Where its file or folder belongs, which is not there yet.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join(DATA)
    }
}

fn write_note<N: Serialize>(folder: &Path, noted: &Noted<N>) -> io::Result<()> {
    let text = serde_json::to_vec(noted).map_err(io::Error::other)?;
    let part = folder.join("note.part");
    fs::write(&part, text)?;
    fs::rename(&part, folder.join(NOTE))
}

/// Once the file system has everything on the disk, the entry outlives a power cut. Nobody waits for
/// that: until then it counts for as long as this kernel runs.
///
/// It takes no lock, so that the entry can be removed meanwhile: `size` is then a file without a name.
fn settle(folder: PathBuf, mut size: File) {
    std::thread::spawn(move || {
        let done = nix::unistd::syncfs(&size)
            .map_err(io::Error::from)
            .and_then(|()| pruning::size(&folder))
            .and_then(|bytes| match bytes {
                Some(bytes) => size.write_all(format!("{bytes}\n").as_bytes()),
                None => Ok(()),
            });
        if let Err(error) = done {
            tracing::debug!("{}: {error}", folder.display());
        }
    });
}

/// The bytes of an entry that is on the disk: counting the files of a root takes longer than reading
/// this.
pub(super) fn settled_size(folder: &Path) -> Option<u64> {
    let text = fs::read_to_string(folder.join(SIZE)).ok()?;
    text.strip_suffix('\n')?.parse().ok()
}

/// Which boot of the machine this is
/// ([random(4)](https://man7.org/linux/man-pages/man4/random.4.html)).
fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

fn read_note<N: DeserializeOwned>(folder: &Path) -> io::Result<Option<N>> {
    let bytes = match fs::read(folder.join(NOTE)) {
        Err(error) if gone(&error) => return Ok(None),
        other => other?,
    };
    // Another version's note, or one that a power cut damaged.
    let Ok(noted) = serde_json::from_slice::<Noted<N>>(&bytes) else {
        return Ok(None);
    };
    let whole = noted.boot == boot_id() || settled_size(folder).is_some();
    Ok((whole && folder.join(DATA).symlink_metadata().is_ok()).then_some(noted.note))
}

fn touch(folder: &Path) -> io::Result<()> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(USED))?;
    file.set_modified(SystemTime::now())
}

/// When an entry was used.
pub(super) fn used(folder: &Path) -> SystemTime {
    fs::metadata(folder.join(USED))
        .and_then(|meta| meta.modified())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The folders of all entries below `root`.
pub(super) fn folders(root: &Path) -> io::Result<Vec<PathBuf>> {
    let groups = match root.read_dir() {
        Err(error) if gone(&error) => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for group in groups {
        let group = group?;
        if group.file_name().len() != 2 || !group.file_type()?.is_dir() {
            continue;
        }
        let entries = match group.path().read_dir() {
            Err(error) if gone(&error) => continue,
            other => other?,
        };
        for entry in entries {
            found.push(entry?.path());
        }
    }
    Ok(found)
}

pub(super) fn gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Removes a file or a folder; what is not there is gone already.
pub(super) fn discard(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if !gone(&error) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::of(&name)
    }

    fn put(store: &Store, name: &str, text: &str) -> Entry<String> {
        let fresh = store.fresh().unwrap();
        fs::write(fresh.data(), text).unwrap();
        store
            .put(&key(name), &fresh, format!("note of {name}"))
            .unwrap()
    }

    #[test]
    fn what_was_put_is_got_and_the_first_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Kind::Image);
        assert!(store.get::<String>(&key("a")).unwrap().is_none());
        let first = put(&store, "a", "first");
        assert_eq!(first.note, "note of a");
        let again = put(&store, "a", "second");
        assert_eq!(fs::read_to_string(again.data()).unwrap(), "first");
        put(&store, "b", "b");
        put(&store, "c", "c");
        assert!(store.remove(&key("c")).unwrap());
        assert!(store.get::<String>(&key("c")).unwrap().is_none());
        assert!(!store.remove(&key("a")).unwrap(), "it is in use");
        let mut notes = store.notes::<String>().unwrap();
        notes.sort_by(|a, b| a.1.cmp(&b.1));
        assert_eq!(notes.len(), 2);
        assert_eq!(notes[0], (key("a"), "note of a".to_owned()));
        let left = dir.path().join("image/new").read_dir().unwrap().count();
        assert_eq!(left, 0);
    }

    #[test]
    fn what_is_not_taken_is_still_its_makers() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Kind::Image);
        drop(put(&store, "a", "first"));
        let fresh = store.fresh().unwrap();
        fs::write(fresh.data(), "second").unwrap();
        let note = || "n".to_owned();
        store.put(&key("a"), &fresh, note()).unwrap();
        assert_eq!(fs::read_to_string(fresh.data()).unwrap(), "second");
        // No note can be written there.
        fs::create_dir_all(store.folder(&key("b")).join("note.part")).unwrap();
        store.put(&key("b"), &fresh, note()).unwrap_err();
        assert_eq!(fs::read_to_string(fresh.data()).unwrap(), "second");
        assert!(store.get::<String>(&key("b")).unwrap().is_none());
    }

    #[test]
    fn what_a_kill_left_does_not_count_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Kind::Image);
        let folder = store.folder(&key("a"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(DATA), "half").unwrap();
        fs::write(folder.join("note.part"), "{").unwrap();
        assert!(store.get::<String>(&key("a")).unwrap().is_none());
        assert_eq!(store.notes::<String>().unwrap(), []);
        let entry = put(&store, "a", "whole");
        assert_eq!(fs::read_to_string(entry.data()).unwrap(), "whole");
    }

    fn of_another_boot(folder: &Path) {
        let noted = Noted {
            boot: Some("of another boot".to_owned()),
            note: "n".to_owned(),
        };
        write_note(folder, &noted).unwrap();
    }

    #[test]
    fn what_was_not_on_the_disk_is_not_trusted_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Kind::Image);
        let folder = store.folder(&key("a"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(DATA), "a").unwrap();
        of_another_boot(&folder);
        for size in ["", "1"] {
            fs::write(folder.join(SIZE), size).unwrap();
            assert!(store.get::<String>(&key("a")).unwrap().is_none());
        }
        let entry = put(&store, "a", "again");
        assert_eq!(fs::read_to_string(entry.data()).unwrap(), "again");
    }

    #[test]
    fn an_entry_settles_and_then_outlives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Kind::Image);
        let folder = put(&store, "a", "a").folder.clone();
        // As long as the file system needs for all that others write.
        for _ in 0..1200 {
            if settled_size(&folder).is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        of_another_boot(&folder);
        assert_eq!(store.get::<String>(&key("a")).unwrap().unwrap().note, "n");
    }

    #[test]
    fn many_at_once_leave_one_whole_entry() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Kind::Root);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    for _ in 0..20 {
                        let fresh = store.fresh().unwrap();
                        fs::create_dir(fresh.data()).unwrap();
                        let text = format!("of {number}");
                        fs::write(fresh.data().join("a"), &text).unwrap();
                        fs::write(fresh.data().join("b"), &text).unwrap();
                        let entry = store.put(&key("x"), &fresh, number).unwrap();
                        let read = |name| fs::read_to_string(entry.data().join(name)).unwrap();
                        assert_eq!(read("a"), read("b"));
                    }
                });
            }
        });
        assert_eq!(store.notes::<i32>().unwrap().len(), 1);
    }
}
