//! `%packages`: what is installed.
//!
//! Several sections add up, in their order, as in pykickstart's `Packages.add`.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::arguments::{Arguments, Options};
use super::document::{Line, Section, SectionLine};
use super::error::Mistake;
use super::place::{Place, Placed};
use crate::spec::ValueError;
use crate::spec::value::quoted;

/// What all `%packages` sections ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Packages {
    /// The options of the headers.
    pub options: PackageOptions,
    /// `@^NAME`: the environment; the last one counts.
    pub environment: Option<Placed<String>>,
    /// `@NAME`: the groups, in the order in which they were written.
    pub groups: Vec<Placed<Group>>,
    /// `NAME`: names and globs, also with an architecture, each once.
    pub packages: Vec<Placed<String>>,
    /// `-@NAME`: groups that are left out, also when a glob means them.
    pub excluded_groups: Vec<Placed<String>>,
    /// `-NAME`: names and globs that are left out.
    pub excluded: Vec<Placed<String>>,
}

/// A group and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its id, or its name as users see it.
    pub name: String,
    /// How much of it.
    pub content: GroupContent,
}

/// How much of a group is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupContent {
    /// `--nodefaults`: the mandatory packages.
    Mandatory,
    /// The mandatory and the default packages.
    Default,
    /// `--optional`: all of them.
    All,
}

/// The options of `%packages`. Where several sections stand, the last header counts; only
/// [`default`](Self::default) and [`inst_langs`](Self::inst_langs) stay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PackageOptions {
    /// `--default`: the default environment of the release.
    pub default: bool,
    /// `--excludedocs`: documentation is not installed.
    pub exclude_docs: bool,
    /// `--nobase`: the group `base` is not added; no longer in use.
    pub no_base: bool,
    /// `--nocore`: the group `core` is not added. Without this it always is.
    pub no_core: bool,
    /// `--ignoremissing`: what no repository has is passed over.
    pub ignore_missing: bool,
    /// `--ignorebroken`: what cannot be installed is passed over.
    pub ignore_broken: bool,
    /// `--inst-langs`: only these translations are installed; none for an empty list.
    pub inst_langs: Option<Vec<String>>,
    /// `--multilib`: packages of all architectures that the processor runs.
    pub multilib: bool,
    /// `--exclude-weakdeps`: recommended packages are not installed.
    pub exclude_weakdeps: bool,
    /// `--timeout`: seconds until a connection is given up.
    pub timeout: Option<u32>,
    /// `--retries`: how often a download is tried again.
    pub retries: Option<u32>,
}

const HEADER: Options = Options {
    flags: &[
        "--default",
        "--excludedocs",
        "--nobase",
        "--nocore",
        "--ignoremissing",
        "--ignorebroken",
        "--multilib",
        "--exclude-weakdeps",
        "--excludeWeakdeps",
        // Fedora up to 8.
        "--resolvedeps",
        "--ignoredeps",
    ],
    values: &["--inst-langs", "--instLangs", "--timeout", "--retries"],
    words: 0,
};

const GROUP: Options = Options {
    flags: &["--nodefaults", "--optional"],
    values: &[],
    words: usize::MAX,
};

/// What a line names, in the order of the lines.
#[derive(Debug, Default)]
struct Mentions {
    groups: Vec<Placed<Group>>,
    excluded_groups: Vec<Placed<String>>,
    /// For each excluded group how many had been asked for until then: those are taken back.
    taken_back: HashMap<String, usize>,
    /// With `true` for those that are left out.
    packages: Vec<(Placed<String>, bool)>,
}

impl Packages {
    /// What the sections ask for together.
    pub(super) fn read<'a>(
        sections: impl Iterator<Item = &'a Section>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let mut packages = Self::default();
        let mut mentions = Mentions::default();
        for section in sections {
            let mut note = |place: &Place, error| {
                mistakes.push(Mistake {
                    place: place.clone(),
                    subject: Some(section.kind.to_string()),
                    error,
                });
            };
            if let Err(error) = packages.options.read_header(section.options()) {
                note(section.place(), error);
            }
            for line in &section.body {
                let SectionLine::Text(line) = line else {
                    continue;
                };
                if let Err(error) = packages.read_line(line, &mut mentions) {
                    note(&line.place, error);
                }
            }
        }
        packages.fill(mentions);
        packages
    }

    fn read_line(&mut self, line: &Line, mentions: &mut Mentions) -> Result<(), ValueError> {
        let text = line.text.split('#').next().unwrap_or_default().trim();
        let placed = |value: &str| Placed {
            value: value.to_owned(),
            place: line.place.clone(),
        };
        if text.is_empty() {
            return Ok(());
        }
        if let Some(name) = text.strip_prefix("@^") {
            self.environment = Some(placed(named(name, "environment")?));
        } else if let Some(group) = text.strip_prefix('@') {
            mentions.groups.push(Placed {
                value: read_group(group)?,
                place: line.place.clone(),
            });
        } else if let Some(name) = text.strip_prefix("-@^") {
            let name = named(name, "environment")?;
            self.environment.take_if(|known| known.value == name);
        } else if let Some(name) = text.strip_prefix("-@") {
            let name = named(name, "group")?;
            let before = mentions.groups.len();
            mentions.taken_back.insert(name.to_owned(), before);
            mentions.excluded_groups.push(placed(name));
        } else if let Some(name) = text.strip_prefix('-') {
            mentions.packages.push((placed(package(name)?), true));
        } else {
            mentions.packages.push((placed(package(text)?), false));
        }
        Ok(())
    }

    /// Sorts out what was named more than once. Of a package the last word counts; a group stays
    /// excluded, and of one that is asked for twice the first line counts.
    fn fill(&mut self, mentions: Mentions) {
        let mut seen = HashSet::new();
        for (index, group) in mentions.groups.into_iter().enumerate() {
            let taken_back = mentions.taken_back.get(&group.name);
            if taken_back.is_none_or(|end| index >= *end) && seen.insert(group.name.clone()) {
                self.groups.push(group);
            }
        }
        let mut seen = HashSet::new();
        for group in mentions.excluded_groups {
            if seen.insert(group.value.clone()) {
                self.excluded_groups.push(group);
            }
        }
        let last: HashMap<String, bool> = mentions
            .packages
            .iter()
            .map(|(name, excluded)| (name.value.clone(), *excluded))
            .collect();
        let mut seen = HashSet::new();
        for (name, excluded) in mentions.packages {
            if last.get(&name.value) == Some(&excluded) && seen.insert(name.value.clone()) {
                match excluded {
                    true => self.excluded.push(name),
                    false => self.packages.push(name),
                }
            }
        }
    }
}

impl PackageOptions {
    fn read_header(&mut self, words: &[String]) -> Result<(), ValueError> {
        let arguments = Arguments::read(words, &HEADER)?;
        let default = arguments.has(&["--default"]);
        for other in ["--nobase", "--nocore"] {
            if default && arguments.has(&[other]) {
                return Err(ValueError::new(
                    format!("--default and {other} contradict each other"),
                    "leave one out",
                ));
            }
        }
        let inst_langs = arguments.value(&["--inst-langs", "--instLangs"]);
        *self = Self {
            default: self.default || default,
            exclude_docs: arguments.has(&["--excludedocs"]),
            no_base: arguments.has(&["--nobase"]),
            no_core: arguments.has(&["--nocore"]),
            ignore_missing: arguments.has(&["--ignoremissing"]),
            ignore_broken: arguments.has(&["--ignorebroken"]),
            inst_langs: inst_langs.map(languages).or_else(|| self.inst_langs.take()),
            multilib: arguments.has(&["--multilib"]),
            exclude_weakdeps: arguments.has(&["--exclude-weakdeps", "--excludeWeakdeps"]),
            timeout: arguments.number("--timeout")?,
            retries: arguments.number("--retries")?,
        };
        Ok(())
    }
}

fn read_group(text: &str) -> Result<Group, ValueError> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let arguments = Arguments::read(&words, &GROUP)?;
    let content = match (
        arguments.has(&["--nodefaults"]),
        arguments.has(&["--optional"]),
    ) {
        (false, false) => GroupContent::Default,
        (true, false) => GroupContent::Mandatory,
        (false, true) => GroupContent::All,
        (true, true) => {
            return Err(ValueError::new(
                "--nodefaults and --optional contradict each other",
                "leave one out",
            ));
        }
    };
    let name = arguments.words().join(" ");
    named(&name, "group")?;
    Ok(Group { name, content })
}

/// A name that is not empty and that no tool takes for an option.
fn named<'a>(name: &'a str, what: &str) -> Result<&'a str, ValueError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(ValueError::new(
            format!("the {what} has no name"),
            "write it on the same line",
        ));
    }
    if name.starts_with('-') || name.chars().any(char::is_control) {
        return Err(ValueError::new(
            format!("{} is not the name of a {what}", quoted(name)),
            "options of the section stand behind %packages",
        ));
    }
    Ok(name)
}

fn package(name: &str) -> Result<&str, ValueError> {
    let name = named(name, "package")?;
    if name.contains(char::is_whitespace) {
        return Err(ValueError::new(
            format!("{} is more than one name", quoted(name)),
            "write one package a line",
        ));
    }
    Ok(name)
}

fn languages(list: &str) -> Vec<String> {
    let items = list.split([',', ':']).map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kickstart::Kickstart;

    fn read(text: &str) -> Result<Packages, String> {
        let kickstart = Kickstart::parse(text, "a.ks").unwrap();
        let mut mistakes = Vec::new();
        let packages = Packages::read(kickstart.sections(), &mut mistakes);
        match mistakes.is_empty() {
            true => Ok(packages),
            false => Err(mistakes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")),
        }
    }

    fn names(list: &[Placed<String>]) -> Vec<&str> {
        list.iter().map(|name| name.value.as_str()).collect()
    }

    #[test]
    fn all_that_may_stand_in_a_section() {
        let packages = read(
            "%packages --excludedocs --instLangs=en,de_DE --timeout 5 --ignorebroken\n\
             @^server # why\n@core\n@ GNOME Desktop  --optional\n@base --nodefaults\n\
             vim\nglibc.i686\nkernel*\n  -@dial-up\n-nano\n\n# no\n%end\n",
        )
        .unwrap();
        assert_eq!(packages.environment.as_ref().unwrap().value, "server");
        let groups: Vec<_> = packages
            .groups
            .iter()
            .map(|group| (group.name.as_str(), group.content))
            .collect();
        assert_eq!(
            groups,
            [
                ("core", GroupContent::Default),
                ("GNOME Desktop", GroupContent::All),
                ("base", GroupContent::Mandatory),
            ]
        );
        assert_eq!(names(&packages.packages), ["vim", "glibc.i686", "kernel*"]);
        assert_eq!(names(&packages.excluded), ["nano"]);
        assert_eq!(names(&packages.excluded_groups), ["dial-up"]);
        assert_eq!(packages.excluded[0].place.to_string(), "a.ks:10");
        assert_eq!(
            packages.options,
            PackageOptions {
                exclude_docs: true,
                ignore_broken: true,
                inst_langs: Some(vec!["en".into(), "de_DE".into()]),
                timeout: Some(5),
                ..PackageOptions::default()
            }
        );
    }

    #[test]
    fn sections_add_up() {
        let packages = read(
            "%packages --nocore --inst-langs=\nvim\nnano\n@a\n@b\n@^one\n%end\n\
             %packages --multilib\n-vim\n-emacs\nnano\n-@a\n@b --optional\n-@^one\n%end\n\
             %packages\nemacs\n@a --nodefaults\n%end\n",
        )
        .unwrap();
        assert_eq!(names(&packages.packages), ["nano", "emacs"]);
        assert_eq!(names(&packages.excluded), ["vim"]);
        let groups: Vec<_> = packages
            .groups
            .iter()
            .map(|group| (group.name.as_str(), group.content))
            .collect();
        assert_eq!(
            groups,
            [("b", GroupContent::Default), ("a", GroupContent::Mandatory)]
        );
        assert_eq!(names(&packages.excluded_groups), ["a"]);
        assert_eq!(packages.environment, None);
        assert_eq!(
            packages.options,
            PackageOptions {
                inst_langs: Some(Vec::new()),
                ..PackageOptions::default()
            }
        );
    }

    #[test]
    fn nothing_passes_for_an_option() {
        assert_eq!(
            read(
                "%packages --nodocs --default\nvim emacs\n--installroot=/\n@\n@--x\n-@-x\n\
                 @a --optional --nodefaults\n%end\n"
            )
            .unwrap_err(),
            "a.ks:1: %packages: unknown option \"--nodocs\"; did you mean \"--nocore\"?\n\
             a.ks:2: %packages: \"vim emacs\" is more than one name; write one package a line\n\
             a.ks:3: %packages: \"-installroot=/\" is not the name of a package; options of the section stand behind %packages\n\
             a.ks:4: %packages: the group has no name; write it on the same line\n\
             a.ks:5: %packages: unknown option \"--x\"; it takes --nodefaults, --optional\n\
             a.ks:6: %packages: \"-x\" is not the name of a group; options of the section stand behind %packages\n\
             a.ks:7: %packages: --nodefaults and --optional contradict each other; leave one out"
        );
    }
}
