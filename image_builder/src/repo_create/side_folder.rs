//! The folder of a side repository: only one that we made is ever changed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::error::RepoError;

/// The file that marks a folder as one of ours, and names the RPMs that we put there.
const MARKER: &str = ".fbs-siderepo";

/// Whether a side repository may be made in `dir`: it is not there yet, is empty, or is one.
pub(super) fn check(dir: &Path) -> Result<(), RepoError> {
    let mut entries = match dir.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RepoError::io(dir)(error)),
    };
    if entries.next().is_some() && !dir.join(MARKER).is_file() {
        return Err(RepoError::InUse(dir.to_owned()));
    }
    Ok(())
}

/// Makes `dir` ready for the RPMs `wanted`: what we put there earlier and is not among them goes.
pub(super) fn prepare(dir: &Path, wanted: &BTreeSet<&str>) -> Result<(), RepoError> {
    check(dir)?;
    let fail = || RepoError::io(dir);
    fs::create_dir_all(dir).map_err(fail())?;
    let marker = dir.join(MARKER);
    let earlier = match fs::read_to_string(&marker) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(RepoError::io(&marker)(error)),
    };
    // All names are in it before the first file is here, so that a killed run can be cleared up.
    let mut names: BTreeSet<&str> = wanted.clone();
    names.extend(earlier.lines());
    write(&marker, &names)?;
    for name in earlier.lines().filter(|name| !wanted.contains(name)) {
        // The marker is a file like any other: it may not lead out of the folder.
        if name.contains('/') || !name.ends_with(".rpm") {
            continue;
        }
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail()(error)),
            _ => {}
        }
    }
    write(&marker, wanted)
}

fn write(marker: &Path, names: &BTreeSet<&str>) -> Result<(), RepoError> {
    let text: String = names.iter().map(|name| format!("{name}\n")).collect();
    fs::write(marker, text).map_err(RepoError::io(marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "x").unwrap();
        let error = prepare(dir.path(), &BTreeSet::from(["a-1-1.noarch.rpm"])).unwrap_err();
        assert!(matches!(error, RepoError::InUse(_)), "{error}");
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn only_rpms_that_we_put_there_go() {
        let dir = tempfile::tempdir().unwrap();
        let [old, kept, own] = ["old-1-1.noarch.rpm", "kept-1-1.noarch.rpm", "own.rpm"];
        prepare(dir.path(), &BTreeSet::from([old, kept])).unwrap();
        for name in [old, kept, own] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let outside = dir.path().with_extension("rpm");
        fs::write(&outside, "x").unwrap();
        let marker = dir.path().join(MARKER);
        let hostile = format!("../{}", outside.file_name().unwrap().to_str().unwrap());
        fs::write(&marker, format!("{old}\n{kept}\n{hostile}\n")).unwrap();
        prepare(dir.path(), &BTreeSet::from([kept])).unwrap();
        assert!(!dir.path().join(old).exists());
        assert!(dir.path().join(kept).exists() && dir.path().join(own).exists());
        assert!(outside.exists());
        fs::remove_file(outside).unwrap();
        assert_eq!(fs::read_to_string(marker).unwrap(), format!("{kept}\n"));
    }
}
