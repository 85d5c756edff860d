//! Putting a stage's results in the place of those of an earlier run.

use std::io;
use std::path::{Path, PathBuf};

use crate::compose::files::{make_folder, remove};
use crate::compose::{ComposeError, DvdError};

/// A file or folder that will stand at a place: beside it until it is whole, and gone if it is not
/// installed.
#[derive(Debug)]
pub(super) struct Fresh {
    fresh: PathBuf,
    place: PathBuf,
}

impl Fresh {
    /// For `place`, on the same disk. What a killed run of ours left there goes; the caller has
    /// the folder to itself.
    pub(super) fn of(place: &Path) -> Result<Self, ComposeError> {
        make_folder(place.parent().unwrap_or(Path::new("/")))?;
        let new = Self {
            fresh: Self::path_for(place),
            place: place.to_owned(),
        };
        for stray in [new.fresh.clone(), beside(place, "old")] {
            remove(&stray).map_err(at(&stray))?;
        }
        Ok(new)
    }

    /// Where the one for `place` is made.
    pub(super) fn path_for(place: &Path) -> PathBuf {
        beside(place, "new")
    }

    /// Where it is made.
    pub(super) fn path(&self) -> &Path {
        &self.fresh
    }

    /// Puts it in place. What was there is gone when the new one stands.
    pub(super) fn install(self) -> Result<(), ComposeError> {
        let old = beside(&self.place, "old");
        let moved = match std::fs::rename(&self.place, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        let installed = moved.and_then(|()| std::fs::rename(&self.fresh, &self.place));
        if installed.is_err() {
            let _ = std::fs::rename(&old, &self.place);
        }
        installed
            .and_then(|()| remove(&old))
            .map_err(at(&self.place))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // After its installation nothing is there.
        let _ = remove(&self.fresh);
    }
}

/// `.Packages.new` beside `Packages`: what begins with a dot belongs to no repository.
fn beside(place: &Path, what: &str) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_start_matches('.');
    place.with_file_name(format!(".{name}.{what}"))
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> ComposeError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ComposeError::NoSpace { path },
        io::ErrorKind::Interrupted => DvdError::Cancelled.into(),
        _ => ComposeError::Io { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_goes_when_the_new_stands() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("os/Packages");
        for content in ["one", "two"] {
            let fresh = Fresh::of(&place).unwrap();
            std::fs::create_dir(fresh.path()).unwrap();
            std::fs::write(fresh.path().join("a"), content).unwrap();
            fresh.install().unwrap();
            assert_eq!(std::fs::read_to_string(place.join("a")).unwrap(), content);
        }
        // One that is not installed leaves all as it was.
        let fresh = Fresh::of(&place).unwrap();
        std::fs::create_dir(fresh.path()).unwrap();
        drop(fresh);
        assert_eq!(std::fs::read_to_string(place.join("a")).unwrap(), "two");
        assert_eq!(dir.path().join("os").read_dir().unwrap().count(), 1);
    }
}
