//! Packages that are not the same, and which package a file belongs to.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::packages::Package;

/// A package that both images have, and not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackagePair {
    /// Its name.
    pub name: String,
    /// In the first image, as name-epoch:version-release.arch.
    pub old: String,
    /// In the second image. The same text means that it was built again.
    pub new: String,
}

/// Which packages are not the same, each list sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PackageChanges {
    /// Those with another version, release or build.
    pub changed: Vec<PackagePair>,
    /// Those that only the second image has.
    pub added: Vec<String>,
    /// Those that only the first image has.
    pub removed: Vec<String>,
}

impl PackageChanges {
    /// Whether all packages are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changed.len() + self.added.len() + self.removed.len()
    }

    /// Where two lists differ that have name-epoch:version-release.arch alone, such as those of two
    /// [reports](crate::report::BuildReport::packages). What is no such text is passed over.
    #[must_use]
    pub fn between(old: &[String], new: &[String]) -> Self {
        let read = |list: &[String]| -> Vec<Package> {
            list.iter()
                .filter_map(|text| Package::parse_nevra(text))
                .collect()
        };
        Self::of(&read(old), &read(new))
    }

    /// Where two lists differ. Of a package of which an image has several, as of the kernel, the
    /// versions that only one of them has are a pair when each has one such.
    pub(super) fn of(old: &[Package], new: &[Package]) -> Self {
        let mut names: BTreeMap<(&str, &str), [Vec<&Package>; 2]> = BTreeMap::new();
        for (side, packages) in [old, new].into_iter().enumerate() {
            for package in packages {
                let key = (package.name.as_str(), package.arch.as_str());
                names.entry(key).or_default()[side].push(package);
            }
        }
        let mut changes = Self::default();
        for ((name, _), [old, new]) in names {
            let olds: BTreeSet<String> = old.iter().map(|one| one.nevra()).collect();
            let news: BTreeSet<String> = new.iter().map(|one| one.nevra()).collect();
            let pair = |old: &str, new: &str| PackagePair {
                name: name.to_owned(),
                old: old.to_owned(),
                new: new.to_owned(),
            };
            let removed: Vec<&String> = olds.difference(&news).collect();
            let added: Vec<&String> = news.difference(&olds).collect();
            match (removed.as_slice(), added.as_slice()) {
                ([old], [new]) => changes.changed.push(pair(old, new)),
                (removed, added) => {
                    changes.removed.extend(removed.iter().copied().cloned());
                    changes.added.extend(added.iter().copied().cloned());
                }
            }
            for (old, new) in old
                .iter()
                .flat_map(|old| new.iter().map(move |new| (old, new)))
            {
                // A list without checksums says nothing of builds.
                let both = old.sha256_header.as_ref().zip(new.sha256_header.as_ref());
                if old.nevra() == new.nevra() && both.is_some_and(|(old, new)| old != new) {
                    changes.changed.push(pair(&old.nevra(), &new.nevra()));
                }
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, header: &str) -> Package {
        Package {
            name: name.to_owned(),
            epoch: 0,
            version: version.to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
            sha256_header: Some(header.to_owned()),
            sigmd5: None,
        }
    }

    #[test]
    fn lists_of_reports_are_compared() {
        let list = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let old = list(&[
            "bash-0:5.2-1.fc43.x86_64",
            "gone-2:1-1.noarch",
            "same-a-0:1-1.noarch",
            "junk",
        ]);
        let new = list(&[
            "bash-0:5.3-1.fc43.x86_64",
            "new-0:1-1.noarch",
            "same-a-0:1-1.noarch",
        ]);
        let changes = PackageChanges::between(&old, &new);
        assert_eq!(changes.changed[0].name, "bash");
        assert_eq!(changes.changed[0].new, "bash-5.3-1.fc43.x86_64");
        assert_eq!(
            (changes.added, changes.removed),
            (list(&["new-1-1.noarch"]), list(&["gone-2:1-1.noarch"]))
        );
        assert!(PackageChanges::between(&old, &old).is_empty());
    }

    #[test]
    fn versions_are_paired_by_name() {
        let old = [
            package("bash", "1", "a"),
            package("gone", "1", "b"),
            package("kernel", "1", "c"),
            package("kernel", "2", "d"),
            package("rebuilt", "1", "e"),
            package("same", "1", "f"),
        ];
        let new = [
            package("bash", "2", "g"),
            package("kernel", "2", "d"),
            package("kernel", "3", "h"),
            package("new", "1", "i"),
            package("rebuilt", "1", "j"),
            package("same", "1", "f"),
        ];
        let changes = PackageChanges::of(&old, &new);
        let pairs = changes
            .changed
            .iter()
            .map(|pair| format!("{} {}", pair.old, pair.new));
        assert_eq!(
            pairs.collect::<Vec<_>>(),
            [
                "bash-1-1.noarch bash-2-1.noarch",
                "kernel-1-1.noarch kernel-3-1.noarch",
                "rebuilt-1-1.noarch rebuilt-1-1.noarch",
            ]
        );
        assert_eq!(changes.added, ["new-1-1.noarch"]);
        assert_eq!(changes.removed, ["gone-1-1.noarch"]);
        assert_eq!(changes.len(), 5);
        assert!(PackageChanges::of(&old, &old).is_empty());
    }
}
