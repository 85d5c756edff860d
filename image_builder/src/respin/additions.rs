//! Files and folders that are added: where each goes, and what it would overwrite.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::RespinError;
use super::medium::Medium;
use super::plan::Map;

/// The longest name of a file on an image, in bytes.
const LONGEST_NAME: usize = 253;

/// What is added, looked at.
#[derive(Debug, Default)]
pub(super) struct Additions {
    /// What goes where.
    pub(super) maps: Vec<Map>,
    /// The names that were given, as they are on the image.
    pub(super) names: Vec<String>,
    /// Files of the image that are replaced, relative to its root.
    pub(super) replaced: Vec<String>,
    /// Bytes in all.
    pub(super) size: u64,
}

impl Additions {
    /// Looks at `paths`, each of which goes to the root of the image under its own name. A folder
    /// that is on the image already is filled, not replaced. `reserved` is what something else of
    /// the same respin puts there.
    pub(super) fn of(
        paths: &[PathBuf],
        medium: &Medium,
        reserved: &[&str],
    ) -> Result<Self, RespinError> {
        let mut additions = Self::default();
        let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
        for path in paths {
            let wrong = |problem: String| RespinError::Add {
                path: path.clone(),
                problem,
            };
            // A link that is named is followed, but keeps its name.
            let source = path
                .canonicalize()
                .map_err(|error| wrong(error.to_string()))?;
            let name = path.file_name().or_else(|| source.file_name());
            let name = name
                .and_then(|name| name.to_str())
                .ok_or_else(|| wrong("it has no name that could be one on the image".to_owned()))?;
            if let Some(other) = seen.insert(name.to_owned(), path) {
                return Err(wrong(format!(
                    "{} has the same name, which would be /{name} on the image",
                    other.display()
                )));
            }
            additions.names.push(name.to_owned());
            additions.add(path, &source, name, medium, reserved)?;
        }
        Ok(additions)
    }

    /// Adds what is at `source` at the place `to`; `named` is what the user wrote.
    fn add(
        &mut self,
        named: &Path,
        source: &Path,
        to: &str,
        medium: &Medium,
        reserved: &[&str],
    ) -> Result<(), RespinError> {
        let wrong = |problem: String| RespinError::Add {
            path: named.to_owned(),
            problem,
        };
        let metadata = source.symlink_metadata().map_err(RespinError::io(source))?;
        let name = to.rsplit('/').next().unwrap_or(to);
        if name.len() > LONGEST_NAME || name.contains(char::is_control) {
            return Err(wrong(format!("{name:?} cannot be a name on an image")));
        }
        if reserved.contains(&to) {
            return Err(wrong(format!("this respin puts another file at /{to}")));
        }
        if medium.boots_from(to) {
            return Err(RespinError::BootFile {
                path: named.to_owned(),
                on_image: to.to_owned(),
            });
        }
        let is_folder = metadata.is_dir();
        let kind = metadata.file_type();
        if !is_folder && !kind.is_file() && !kind.is_symlink() {
            return Err(wrong(format!(
                "{} is neither a file nor a folder nor a link",
                source.display()
            )));
        }
        let there = medium.has(to);
        let folder_there = medium.has_folder(to);
        if there && folder_there != is_folder {
            let what = ["a file", "a folder"][usize::from(folder_there)];
            return Err(wrong(format!("/{to} is {what} on the image")));
        }
        if there && !is_folder {
            self.replaced.push(to.to_owned());
        }
        if is_folder {
            let mut entries = Vec::new();
            for entry in source.read_dir().map_err(RespinError::io(source))? {
                entries.push(entry.map_err(RespinError::io(source))?);
            }
            entries.sort_by_key(std::fs::DirEntry::file_name);
            let before = self.maps.len();
            for entry in entries {
                let name = entry.file_name();
                let name = name.to_str().ok_or_else(|| {
                    wrong(format!(
                        "the name of {} is not UTF-8",
                        entry.path().display()
                    ))
                })?;
                let below = format!("{to}/{name}");
                self.add(named, &entry.path(), &below, medium, reserved)?;
            }
            if folder_there {
                return Ok(());
            }
            // One map for the whole of a new folder.
            self.maps.truncate(before);
        } else {
            self.size += metadata.len();
        }
        self.maps.push(Map {
            from: source.to_owned(),
            to: to.to_owned(),
            replaces: there && !is_folder,
        });
        Ok(())
    }
}
