//! Files with all that is known of each, and where two lists of them differ.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// What is known of a file; nothing where its place keeps no such thing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Facts {
    /// Kind and rights, as `st_mode` of [inode(7)](https://man7.org/linux/man-pages/man7/inode.7.html).
    pub(super) mode: Option<u32>,
    /// Numbers of user and group.
    pub(super) owner: Option<(u32, u32)>,
    /// Seconds since 1970.
    pub(super) mtime: Option<i64>,
    /// In bytes; of a file only.
    pub(super) size: Option<u64>,
    /// Where a symbolic link leads.
    pub(super) target: Option<String>,
    /// Major and minor number of a device file.
    pub(super) device: Option<(u64, u64)>,
    /// Extended attributes, capabilities among them, with their values in hex.
    pub(super) xattrs: Option<BTreeMap<String, String>>,
    /// SHA-256 of the content, in hex; of a file only.
    pub(super) sha256: Option<String>,
}

/// Files by their paths.
pub(super) type Listing = BTreeMap<String, Facts>;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Only the second image has it.
    Added,
    /// Only the first image has it.
    Removed,
    /// Both have it, and it is not the same.
    Changed,
}

/// Something that is not the same in both images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What: `mode`, `mtime`, `content`, `volume label`, ...
    pub what: String,
    /// In the first image; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// In the second image; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

impl Difference {
    /// `what`, if it is not the same.
    pub(super) fn of<T: PartialEq>(
        what: &str,
        old: Option<&T>,
        new: Option<&T>,
        show: impl Fn(&T) -> String,
    ) -> Option<Self> {
        (old != new).then(|| Self {
            what: what.to_owned(),
            old: old.map(&show),
            new: new.map(&show),
        })
    }
}

/// A file that is not the same in both images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Its path, without a slash in front.
    pub path: String,
    /// What became of it.
    pub fate: Fate,
    /// The package that owns it, as name-epoch:version-release.arch, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Of a changed file, in what it differs. A content is told by its SHA-256, an extended attribute
    /// in hex.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// Of a small text that describes the image, the lines that only one of them has, with `-` or `+`
    /// in front.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// Where two lists differ, by path. `owners` names the package of a path, in each of the images.
pub(super) fn compare(old: &Listing, new: &Listing, owners: [&Owners; 2]) -> Vec<FileChange> {
    let one_sided = |fate: Fate, path: &String| FileChange {
        path: path.clone(),
        fate,
        package: owners[usize::from(fate == Fate::Added)].get(path).cloned(),
        differences: Vec::new(),
        lines: Vec::new(),
    };
    let mut changes: Vec<FileChange> = old
        .iter()
        .filter_map(|(path, old)| match new.get(path) {
            None => Some(one_sided(Fate::Removed, path)),
            Some(new) => {
                let differences = differences(old, new);
                (!differences.is_empty()).then(|| FileChange {
                    differences,
                    package: owners[1].get(path).or_else(|| owners[0].get(path)).cloned(),
                    ..one_sided(Fate::Changed, path)
                })
            }
        })
        .collect();
    let added = new.keys().filter(|path| !old.contains_key(*path));
    changes.extend(added.map(|path| one_sided(Fate::Added, path)));
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

/// The package of each path.
pub(super) type Owners = HashMap<String, String>;

fn differences(old: &Facts, new: &Facts) -> Vec<Difference> {
    let kind = |facts: &Facts| facts.mode.map(|mode| kind(mode).to_owned());
    let rights = |facts: &Facts| facts.mode.map(|mode| mode & 0o7777);
    let pair = |(a, b): &(u32, u32)| format!("{a}:{b}");
    let text = |text: &String| text.clone();
    let mut found = vec![
        Difference::of("kind", kind(old).as_ref(), kind(new).as_ref(), text),
        Difference::of("mode", rights(old).as_ref(), rights(new).as_ref(), |mode| {
            format!("{mode:04o}")
        }),
        Difference::of("owner", old.owner.as_ref(), new.owner.as_ref(), pair),
        Difference::of("target", old.target.as_ref(), new.target.as_ref(), text),
        Difference::of(
            "device",
            old.device.as_ref(),
            new.device.as_ref(),
            |(a, b)| format!("{a}:{b}"),
        ),
        Difference::of("size", old.size.as_ref(), new.size.as_ref(), u64::to_string),
        Difference::of("content", old.sha256.as_ref(), new.sha256.as_ref(), text),
        Difference::of("mtime", old.mtime.as_ref(), new.mtime.as_ref(), |time| {
            instant(*time)
        }),
    ];
    if let (Some(old), Some(new)) = (&old.xattrs, &new.xattrs) {
        let names = old
            .keys()
            .chain(new.keys().filter(|name| !old.contains_key(*name)));
        found.extend(names.map(|name| Difference::of(name, old.get(name), new.get(name), text)));
    }
    found.into_iter().flatten().collect()
}

/// A time as people and programs read it.
pub(super) fn instant(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |t| t.to_string())
}

/// The kind of file that `mode` tells.
pub(super) fn kind(mode: u32) -> &'static str {
    match mode & 0o170_000 {
        0o100_000 => "file",
        0o040_000 => "folder",
        0o120_000 => "symbolic link",
        0o020_000 => "character device",
        0o060_000 => "block device",
        0o010_000 => "pipe",
        0o140_000 => "socket",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mode: u32, content: &str) -> Facts {
        Facts {
            mode: Some(0o100_000 | mode),
            mtime: Some(0),
            size: Some(content.len() as u64),
            sha256: Some(content.to_owned()),
            ..Facts::default()
        }
    }

    fn listing(files: &[(&str, Facts)]) -> Listing {
        let owned = |(path, facts): &(&str, Facts)| ((*path).to_owned(), facts.clone());
        files.iter().map(owned).collect()
    }

    #[test]
    fn files_are_told_with_what_differs_and_whose_they_are() {
        let link = |target: &str| Facts {
            mode: Some(0o120_777),
            target: Some(target.to_owned()),
            ..Facts::default()
        };
        let ping = |capability: &str| {
            let capability = ("security.capability".to_owned(), capability.to_owned());
            Facts {
                xattrs: Some([capability].into()),
                ..file(0o755, "ping")
            }
        };
        let old = listing(&[
            ("bin/bash", file(0o755, "bash 1")),
            ("bin/gone", file(0o755, "x")),
            ("bin/ping", ping("01")),
            ("bin/same", file(0o755, "x")),
            ("bin/sh", link("bash")),
        ]);
        let new = listing(&[
            ("bin/bash", file(0o4755, "bash 22")),
            ("bin/new", file(0o755, "x")),
            ("bin/ping", ping("02")),
            ("bin/same", file(0o755, "x")),
            ("bin/sh", link("dash")),
        ]);
        let owners = |version: &str| {
            let bash = ("bin/bash".to_owned(), format!("bash-{version}"));
            let gone = ("bin/gone".to_owned(), format!("gone-{version}"));
            Owners::from([bash, gone])
        };
        let changes = compare(&old, &new, [&owners("1"), &owners("2")]);
        let told: Vec<String> = changes
            .iter()
            .map(|change| {
                let what = change.differences.iter().map(|one| {
                    let side = |side: &Option<String>| side.clone().unwrap_or_default();
                    format!("{} {}>{}", one.what, side(&one.old), side(&one.new))
                });
                let what: Vec<String> = what.collect();
                let package = change.package.as_deref().unwrap_or("-");
                format!(
                    "{:?} {} {package} {}",
                    change.fate,
                    change.path,
                    what.join(", ")
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "Changed bin/bash bash-2 mode 0755>4755, size 6>7, content bash 1>bash 22",
                "Removed bin/gone gone-1 ",
                "Added bin/new - ",
                "Changed bin/ping - security.capability 01>02",
                "Changed bin/sh - target bash>dash",
            ]
        );
        assert_eq!(compare(&old, &old, [&owners("1"), &owners("1")]), []);
    }
}
