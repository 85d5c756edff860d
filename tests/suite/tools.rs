//! A PATH of the test's own.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The program that a name leads to in this process's PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Stubs before the host's own tools.
#[derive(Debug)]
pub struct Stubs {
    folder: PathBuf,
}

impl Stubs {
    /// None yet, below `top`.
    pub fn new(top: &Path) -> Self {
        let folder = top.join("stubs");
        fs::create_dir(&folder).expect("it is new");
        Self { folder }
    }

    /// A stub: a shell script. `{real}` in it is the host's own tool of this name.
    pub fn script(self, name: &str, script: &str) -> Self {
        let path = self.folder.join(name);
        let real = find(name).unwrap_or_default();
        let script = script.replace("{real}", &real.to_string_lossy());
        // Not through a path that could be written while another thread forks.
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the folder is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
        self
    }

    /// The value for PATH.
    pub fn path(&self) -> OsString {
        let mut path = OsString::from(&self.folder);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        path
    }
}

/// A folder below `top` with links to all of the host's programs but `missing`; a value for PATH.
pub fn path_without(top: &Path, missing: &[&str]) -> OsString {
    let folder = top.join("programs");
    fs::create_dir(&folder).expect("it is new");
    let path = std::env::var_os("PATH").unwrap_or_default();
    for dir in std::env::split_paths(&path) {
        for program in crate::folders::entries(&dir) {
            let name = program.file_name().unwrap_or_default();
            if !missing.iter().any(|missing| name == *missing) {
                // The first of a name wins, as in PATH.
                let _ = symlink(&program, folder.join(name));
            }
        }
    }
    folder.into()
}
