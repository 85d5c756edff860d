//! Files and folders of a build, with errors that name the path.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::ComposeError;

/// What an error of the operating system at `path` means.
pub(crate) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> ComposeError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull => ComposeError::NoSpace { path },
        _ => ComposeError::Io { path, source },
    }
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), ComposeError> {
    std::fs::create_dir_all(path).map_err(at(path))
}

/// Makes a folder with nothing in it.
pub(crate) fn empty_folder(path: &Path) -> Result<(), ComposeError> {
    remove(path).map_err(at(path))?;
    make_folder(path)
}

fn make_parent(path: &Path) -> Result<(), ComposeError> {
    path.parent().map_or(Ok(()), make_folder)
}

/// Writes a file, and makes the folders above it.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), ComposeError> {
    make_parent(path)?;
    std::fs::write(path, text).map_err(at(path))
}

/// Writes a file that only its owner reads.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), ComposeError> {
    make_parent(path)?;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(at(path))
}

/// Writes a program that everybody may run, and makes the folders above it.
pub(crate) fn write_program(path: &Path, text: &str) -> Result<(), ComposeError> {
    write(path, text)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(at(path))
}

/// Puts a file into another place: as a second name where the file system allows it.
pub(crate) fn place(from: &Path, to: &Path) -> Result<(), ComposeError> {
    make_parent(to)?;
    std::fs::hard_link(from, to)
        .or_else(|_| std::fs::copy(from, to).map(|_| ()))
        .map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull => at(to)(error),
            _ => at(from)(error),
        })
}

/// What a program was to leave: a file with something in it.
pub(crate) fn require(path: &Path) -> Result<(), ComposeError> {
    match path.metadata() {
        Ok(metadata) if metadata.len() > 0 => Ok(()),
        _ => Err(ComposeError::MissingArtifact {
            path: path.to_owned(),
        }),
    }
}

/// Lets everybody read a file.
pub(crate) fn make_readable(path: &Path) -> Result<(), ComposeError> {
    std::fs::set_permissions(path, Permissions::from_mode(0o644)).map_err(at(path))
}

/// Removes a file or a folder with all that is in it, a symbolic link itself; what is not there is
/// gone already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
