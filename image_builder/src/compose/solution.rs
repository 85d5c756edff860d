//! What dnf chose: read from the table that it prints, and found in its cache.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ComposeError;
use super::dnf_cache::{CachedRepository, rpms};
use crate::repo_create::RpmHeader;
use crate::source_date::SourceDate;

/// A package as dnf's table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    name: String,
    arch: String,
    /// `[epoch:]version-release`
    evr: String,
    repository: String,
}

/// A package of a solution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// `name-[epoch:]version-release.arch`
    pub(crate) nevra: String,
    /// The SHA-256 of its header, which stands for its content.
    pub(crate) header: String,
    /// When it was built, in seconds since 1970; 0 for one that does not say.
    pub(crate) built: u64,
}

/// The time of an image of `packages`: when the newest of them was built.
pub(crate) fn source_date(packages: &[Package]) -> Option<SourceDate> {
    let newest = packages.iter().max_by_key(|one| (one.built, &one.nevra))?;
    (newest.built > 0).then(|| SourceDate::of_package(newest.built, newest.nevra.clone()))
}

/// The headings in the table above packages that are installed; the last one is dnf 4's for members
/// of groups.
const HEADINGS: [&str; 4] = [
    "Installing:",
    "Installing dependencies:",
    "Installing weak dependencies:",
    "Installing group/module packages:",
];

const ARCHES: [&str; 12] = [
    "noarch",
    "x86_64",
    "i386",
    "i486",
    "i586",
    "i686",
    "aarch64",
    "ppc64le",
    "s390x",
    "x86_64_v2",
    "armv7hl",
    "riscv64",
];

/// The packages in the table that dnf prints for a transaction into an empty root; `None` when it is
/// not understood to the last line, as the total below the table tells.
pub(crate) fn parse(lines: &[String]) -> Option<Vec<Chosen>> {
    let start = lines
        .iter()
        .position(|line| HEADINGS.contains(&line.trim_end()))?;
    let mut chosen = Vec::new();
    let mut counts = false;
    let mut words: Vec<&str> = Vec::new();
    let mut rest = lines[start..].iter();
    for line in rest.by_ref() {
        if line.trim() == "Transaction Summary" || line.starts_with("Transaction Summary:") {
            break;
        }
        if !line.starts_with(' ') {
            // A heading, or an empty line.
            if !words.is_empty() {
                return None;
            }
            counts = HEADINGS.contains(&line.trim_end());
            continue;
        }
        if !counts {
            continue;
        }
        // A name that is too long for its column has a line of its own.
        words.extend(line.split_whitespace());
        if words.len() < 4 {
            continue;
        }
        if !ARCHES.contains(&words[1]) {
            return None;
        }
        chosen.push(Chosen {
            name: words[0].to_owned(),
            arch: words[1].to_owned(),
            evr: words[2].trim_start_matches("0:").to_owned(),
            repository: words[3].to_owned(),
        });
        words.clear();
    }
    // dnf 4: "Install  120 Packages"; dnf5: " Installing:       120 packages".
    let total = rest.find_map(|line| {
        let line = line.trim();
        let count = line
            .strip_prefix("Installing:")
            .or_else(|| line.strip_prefix("Install "))?;
        count.split_whitespace().next()?.parse::<usize>().ok()
    });
    (total == Some(chosen.len()) && words.is_empty()).then_some(chosen)
}

/// A package of a solution, and where it is on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) package: Package,
    pub(crate) path: PathBuf,
}

/// Finds `chosen` among what dnf has downloaded, by name. Sorted. Blocks: reads their headers.
///
/// `None` when one is not there under its usual name.
pub(crate) fn locate(
    repositories: &[CachedRepository<'_>],
    chosen: &[Chosen],
) -> Result<Option<Vec<Located>>, ComposeError> {
    let mut files: BTreeMap<&str, HashMap<String, PathBuf>> = BTreeMap::new();
    for repository in repositories {
        let known = files.entry(repository.id()).or_default();
        for folder in repository.package_folders() {
            for path in rpms(&folder)? {
                let name = path.file_name().unwrap_or_default();
                known.insert(name.to_string_lossy().into_owned(), path);
            }
        }
    }
    let mut found = Vec::with_capacity(chosen.len());
    for one in chosen {
        let nevra = format!("{}-{}.{}", one.name, one.evr, one.arch);
        let (_, version) = one.evr.rsplit_once(':').unwrap_or(("", &one.evr));
        let file = format!("{}-{version}.{}.rpm", one.name, one.arch);
        let Some(path) = files
            .get(one.repository.as_str())
            .and_then(|files| files.get(&file))
        else {
            return Ok(None);
        };
        let header = File::open(path).and_then(|mut file| RpmHeader::read(&mut file));
        match header {
            Ok(Ok(header)) if header.nevra() == nevra => found.push(Located {
                package: Package {
                    name: header.name,
                    nevra,
                    header: header.sha256,
                    built: header.build_time,
                },
                path: path.clone(),
            }),
            _ => return Ok(None),
        }
    }
    found.sort_by(|a, b| a.package.cmp(&b.package));
    Ok(Some(found))
}

/// What turns the packages of one root into those of another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Difference {
    /// Packages to install, or to install in the place of another version.
    pub(crate) installed: Vec<Package>,
    /// Of these, so many are in the place of another version.
    pub(crate) updated: usize,
    /// Packages to remove, of whose name nothing is installed.
    pub(crate) removed: Vec<Package>,
}

impl Difference {
    /// From what `old` has to what `new` has, both sorted. `None` where a name stands for several
    /// packages that are not the same in both (kernels side by side, two architectures): rpm would not
    /// know which of them a new one replaces.
    pub(crate) fn between(old: &[Package], new: &[Package]) -> Option<Self> {
        let by_name = |packages: &'_ [Package]| {
            let mut names: BTreeMap<String, Vec<Package>> = BTreeMap::new();
            for package in packages {
                let same = names.entry(package.name.clone()).or_default();
                same.push(package.clone());
            }
            names
        };
        let (mut old, new) = (by_name(old), by_name(new));
        let mut difference = Self::default();
        for (name, mut wanted) in new {
            let present = old.remove(&name).unwrap_or_default();
            if present == wanted {
                continue;
            }
            if present.len() > 1 || wanted.len() > 1 {
                return None;
            }
            difference.updated += present.len();
            difference.installed.append(&mut wanted);
        }
        difference.removed = old.into_values().flatten().collect();
        Some(difference)
    }

    /// How many packages are touched.
    pub(crate) fn len(&self) -> usize {
        self.installed.len() + self.removed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    const DNF4: &str = "\
Dependencies resolved.
================================================================================
 Package                     Arch       Version                    Repo    Size
================================================================================
Installing:
 dracut-live                 noarch     059-4                      99      18 k
 kernel                      x86_64     6.1.192-2                  99     1.5 k
Installing group/module packages:
 bsdutils                    x86_64     1:2.38.1-5+deb12u3         99      86 k
Installing dependencies:
 a-package-with-a-name-that-does-not-fit-into-its-column
                             noarch     1-1                        side   123  
Installing Groups:
 Core                                                                          

Transaction Summary
================================================================================
Install  4 Packages

Total size: 66 M
";

    const DNF5: &str = "\
Package              Arch   Version      Repository      Size
Installing:
 kernel              x86_64 0:6.17.1-300.fc43 fedora   0.0   B
Installing dependencies:
 bsdutils            x86_64 1:2.38-5     updates      86.0 KiB
Skipping packages with conflicts:
 nosuch              x86_64 0:1-1        updates      86.0 KiB

Transaction Summary:
 Installing:        2 packages
";

    #[test]
    fn both_tables_are_read() {
        let read = |text| -> Vec<String> {
            let chosen = parse(&lines(text)).unwrap();
            let one = |c: &Chosen| format!("{}-{}.{} {}", c.name, c.evr, c.arch, c.repository);
            chosen.iter().map(one).collect()
        };
        assert_eq!(
            read(DNF4),
            [
                "dracut-live-059-4.noarch 99",
                "kernel-6.1.192-2.x86_64 99",
                "bsdutils-1:2.38.1-5+deb12u3.x86_64 99",
                "a-package-with-a-name-that-does-not-fit-into-its-column-1-1.noarch side"
            ]
        );
        assert_eq!(
            read(DNF5),
            [
                "kernel-6.17.1-300.fc43.x86_64 fedora",
                "bsdutils-1:2.38-5.x86_64 updates"
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_nothing() {
        assert_eq!(parse(&lines("Nothing to do.\n")), None);
        assert_eq!(
            parse(&lines(&DNF4.replace("4 Packages", "5 Packages"))),
            None
        );
        assert_eq!(
            parse(&lines(&DNF4.replace("noarch     059", "what       059"))),
            None
        );
        let cut = DNF4.split("Transaction").next().unwrap();
        assert_eq!(parse(&lines(cut)), None);
    }

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            nevra: format!("{name}-{version}-1.noarch"),
            header: format!("{name}{version}"),
            built: version.parse().unwrap(),
        }
    }

    #[test]
    fn installs_updates_downgrades_and_removals() {
        let old = [package("a", "1"), package("b", "2"), package("c", "1")];
        let new = [package("a", "1"), package("b", "1"), package("d", "1")];
        let difference = Difference::between(&old, &new).unwrap();
        assert_eq!(difference.installed, [package("b", "1"), package("d", "1")]);
        assert_eq!(difference.updated, 1);
        assert_eq!(difference.removed, [package("c", "1")]);
        assert_eq!(difference.len(), 3);
        let same = Difference::between(&old, &old).unwrap();
        assert_eq!(same, Difference::default());
        // The same version with other content is another package.
        let mut rebuilt = package("a", "1");
        rebuilt.header = "other".to_owned();
        let difference = Difference::between(&old[..1], &[rebuilt.clone()]).unwrap();
        assert_eq!(
            (difference.installed, difference.updated),
            (vec![rebuilt], 1)
        );
    }

    #[test]
    fn the_newest_package_dates_an_image() {
        let date = source_date(&[package("a", "5"), package("b", "7"), package("c", "6")]);
        let newest = SourceDate::of_package(7, "b-7-1.noarch".to_owned());
        assert_eq!(date, Some(newest));
        assert_eq!(source_date(&[package("a", "0")]), None);
        assert_eq!(source_date(&[]), None);
    }

    #[test]
    fn several_of_a_name_are_left_to_a_fresh_installation() {
        let kernels = [package("kernel", "1"), package("kernel", "2")];
        assert!(Difference::between(&kernels, &kernels).is_some());
        assert_eq!(Difference::between(&kernels[..1], &kernels), None);
    }
}
