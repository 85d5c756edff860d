//! The folder that the user wants the tree in.
//!
//! The 2012 original deleted whatever folder the spec named, as root. Here a folder is replaced
//! only when it is empty or when an earlier build of ours made it, which a marker file in it says;
//! and only when the new tree is complete.

use std::io;
use std::path::{Path, PathBuf};

use crate::context::CancellationToken;
use crate::copy;
use crate::error::{ErrorKind, StageError};

/// The file that marks a tree as one of ours.
pub const MARKER: &str = ".fbs-build";

/// Why a tree cannot be put there.
#[derive(Debug, thiserror::Error)]
pub enum OutdirError {
    /// Something else is in the folder.
    #[error("outdir {} is not empty and was not made by a build; it is left as it is", .0.display())]
    InUse(PathBuf),
    /// It is no folder.
    #[error("outdir {} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// It is a folder that the system needs.
    #[error("outdir {} is a folder of the system", .0.display())]
    System(PathBuf),
    /// The build was cancelled.
    #[error("the build was cancelled")]
    Cancelled,
    /// It cannot be read or written.
    #[error("outdir {}: {source}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
}

impl StageError for OutdirError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } => ErrorKind::Host,
            Self::Cancelled => ErrorKind::Cancelled,
            _ => ErrorKind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io { .. } => "free some space, or name another folder with `outdir`".to_owned(),
            Self::Cancelled => return None,
            _ => "name a new or an empty folder with `outdir`".to_owned(),
        })
    }
}

/// Whether a tree may be put at `path`.
///
/// # Errors
///
/// [`OutdirError`] says why not.
pub fn check(path: &Path) -> Result<(), OutdirError> {
    let fail = |source| OutdirError::Io {
        path: path.to_owned(),
        source,
    };
    // The folder itself may be a link, and lead anywhere.
    let resolved = match path.canonicalize() {
        Ok(resolved) => resolved,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(fail(error)),
    };
    if resolved.components().count() <= 2 {
        return Err(OutdirError::System(resolved));
    }
    let mut entries = match path.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(OutdirError::NotAFolder(path.to_owned()));
        }
        Err(error) => return Err(fail(error)),
    };
    if entries.next().is_some() && !path.join(MARKER).is_file() {
        return Err(OutdirError::InUse(path.to_owned()));
    }
    Ok(())
}

/// Puts `tree` at `outdir`, with the marker of `job`; an older tree of ours is replaced when the
/// new one is in place. Takes as long as the disk does where the two are on different ones.
///
/// # Errors
///
/// [`OutdirError`]; the older tree is still there then.
pub fn install(
    tree: &Path,
    outdir: &Path,
    job: &str,
    cancel: &CancellationToken,
) -> Result<(), OutdirError> {
    check(outdir)?;
    let fail = |source| match cancel.is_cancelled() {
        true => OutdirError::Cancelled,
        false => OutdirError::Io {
            path: outdir.to_owned(),
            source,
        },
    };
    // Through a link the tree goes to where the link leads.
    let outdir = &outdir.canonicalize().unwrap_or_else(|_| outdir.to_owned());
    let parent = outdir.parent().unwrap_or(Path::new("/"));
    let name = outdir.file_name().unwrap_or_default().to_string_lossy();
    std::fs::create_dir_all(parent).map_err(fail)?;
    let fresh = parent.join(format!(".{name}.new-{job}"));
    let old = parent.join(format!(".{name}.old-{job}"));
    let result = move_or_copy(tree, &fresh, cancel)
        .and_then(|()| std::fs::write(fresh.join(MARKER), format!("{job}\n")))
        .and_then(|()| match std::fs::rename(outdir, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .and_then(|()| std::fs::rename(&fresh, outdir));
    if result.is_err() {
        // Ours alone: both names carry the job's id.
        let _ = std::fs::rename(&old, outdir);
        let _ = std::fs::remove_dir_all(&fresh);
    } else {
        let _ = std::fs::remove_dir_all(&old);
    }
    result.map_err(fail)
}

/// Moves a file or a folder, or copies it where the two places are on different disks.
///
/// # Errors
///
/// The operating system's.
pub(crate) fn move_or_copy(from: &Path, to: &Path, cancel: &CancellationToken) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => match from.is_dir() {
            true => copy_tree(from, to, cancel),
            false => copy::file(from, to, cancel),
        },
        other => other,
    }
}

fn copy_tree(from: &Path, to: &Path, cancel: &CancellationToken) -> io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target, cancel)?;
        } else {
            copy::file(&entry.path(), &target, cancel)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(dir: &Path, content: &str) -> PathBuf {
        let tree = dir.join(format!("tree-{content}"));
        std::fs::create_dir_all(tree.join("images")).unwrap();
        std::fs::write(tree.join("images/boot.iso"), content).unwrap();
        tree
    }

    #[test]
    fn a_tree_of_ours_is_replaced_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let outdir = dir.path().join("out/tree");
        for content in ["one", "two"] {
            let cancel = CancellationToken::new();
            install(&tree(dir.path(), content), &outdir, "job", &cancel).unwrap();
            assert_eq!(
                std::fs::read_to_string(outdir.join("images/boot.iso")).unwrap(),
                content
            );
        }
        assert_eq!(dir.path().join("out").read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let outdir = dir.path().join("mine");
        std::fs::create_dir(&outdir).unwrap();
        check(&outdir).unwrap();
        std::fs::write(outdir.join("thesis.tex"), "years").unwrap();
        let cancel = CancellationToken::new();
        let error = install(&tree(dir.path(), "x"), &outdir, "job", &cancel).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is not empty and was not made by a build"),
            "{error}"
        );
        assert_eq!(
            std::fs::read_to_string(outdir.join("thesis.tex")).unwrap(),
            "years"
        );
        let file = outdir.join("thesis.tex");
        assert!(matches!(check(&file), Err(OutdirError::NotAFolder(_))));
    }

    #[test]
    fn system_folders_are_refused_also_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/usr", &link).unwrap();
        for path in [
            Path::new("/"),
            Path::new("/home"),
            Path::new("/no-such-top"),
            &link,
        ] {
            assert!(
                matches!(check(path), Err(OutdirError::System(_))),
                "{}",
                path.display()
            );
        }
    }
}
