//! What is in a comps group or environment, as dnf tells it.

/// How much a group insists on a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Always there.
    Mandatory,
    /// There unless left out.
    Default,
    /// There when asked for.
    Optional,
    /// There when another package is.
    Conditional,
}

/// A group or an environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupInfo {
    /// Its id and its name, as far as dnf tells them.
    names: Vec<String>,
    packages: Vec<(Level, String)>,
    groups: Vec<(Level, String)>,
}

impl GroupInfo {
    /// Whether it goes by this id or name, in any case of its letters.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let same = |other: &String| other.eq_ignore_ascii_case(name);
        self.names.iter().any(same)
    }

    /// The packages of a level.
    pub fn packages(&self, level: Level) -> impl Iterator<Item = String> {
        of_level(&self.packages, level)
    }

    /// The groups of a level.
    pub fn groups(&self, level: Level) -> impl Iterator<Item = String> {
        of_level(&self.groups, level)
    }
}

fn of_level(members: &[(Level, String)], level: Level) -> impl Iterator<Item = String> {
    members
        .iter()
        .filter(move |(of, _)| *of == level)
        .map(|(_, name)| name.clone())
}

/// Reads the answer to [`Dnf::group_info`](super::dnf::Dnf::group_info), of dnf 4 and of dnf5.
#[must_use]
pub fn group_info(lines: &[String]) -> Vec<GroupInfo> {
    let mut infos: Vec<GroupInfo> = Vec::new();
    // Where the names that follow belong: packages or groups, and the level.
    let mut list: Option<(bool, Level)> = None;
    for line in lines {
        // dnf5 makes a table of two columns; dnf 4 indents names below their heading.
        let (heading, value) = match line.split_once(" : ") {
            Some((heading, value)) => (heading.trim(), value.trim()),
            None if line.starts_with("  ") => ("", line.trim()),
            None => match line.trim().split_once(':') {
                Some((heading, value)) => (heading, value.trim()),
                None => continue,
            },
        };
        match heading {
            "" => {}
            "Group" | "Environment Group" | "Group-Id" | "Environment-Id" | "Id" | "Name" => {
                // dnf 4 begins with the name, dnf5 with the id; the other follows at once.
                let begins = matches!(heading, "Group" | "Environment Group" | "Id");
                if begins {
                    infos.push(GroupInfo::default());
                }
                if let Some(info) = infos.last_mut() {
                    info.names.push(value.to_owned());
                }
                list = None;
                continue;
            }
            other => list = member_list(other),
        }
        let (Some(info), Some((groups, level))) = (infos.last_mut(), list) else {
            continue;
        };
        if !value.is_empty() {
            let members = if groups {
                &mut info.groups
            } else {
                &mut info.packages
            };
            members.push((
                level,
                if groups { value } else { package(value) }.to_owned(),
            ));
        }
    }
    infos
}

/// A package's name: talkative, dnf 4 tells `file-1:5.44-3.x86_64` and the repository.
fn package(value: &str) -> &str {
    let Some((nevra, _)) = value.split_once(char::is_whitespace) else {
        return value;
    };
    let name = nevra.rsplitn(3, '-').nth(2);
    name.unwrap_or(nevra)
}

/// `Mandatory Packages`, `Optional groups`, ...
fn member_list(heading: &str) -> Option<(bool, Level)> {
    let (level, kind) = heading.split_once(' ')?;
    let groups = match kind.to_ascii_lowercase().as_str() {
        "packages" => false,
        "groups" => true,
        _ => return None,
    };
    let level = match level {
        "Mandatory" | "Required" => Level::Mandatory,
        "Default" => Level::Default,
        "Optional" => Level::Optional,
        "Conditional" => Level::Conditional,
        _ => return None,
    };
    Some((groups, level))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<GroupInfo> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        group_info(&lines)
    }

    #[test]
    fn dnf_4_indents_members_below_headings() {
        let infos = read(
            "Environment Group: Minimal Install\n Environment-Id: minimal-environment\n \
             Description: Basic: functionality\n \
             Mandatory Groups:\n   Core\n Optional Groups:\n   Guest Agents\n\n\
             Group: Core\n Group-Id: core\n Mandatory Packages:\n   \
             file-1:5.44-3.x86_64              fedora\n   python3-six-1-2.noarch  fedora\n Default Packages:\n   nano\n Optional Packages:\n   vim\n",
        );
        assert!(infos[0].is("minimal install") && infos[0].is("minimal-environment"));
        assert!(infos[1].is("Core") && infos[1].is("core"));
        let groups: Vec<_> = infos[0].groups(Level::Mandatory).collect();
        assert_eq!(groups, ["Core"]);
        let packages = |level| infos[1].packages(level).collect::<Vec<_>>();
        assert_eq!(packages(Level::Mandatory), ["file", "python3-six"]);
        assert_eq!(packages(Level::Default), ["nano"]);
        assert_eq!(packages(Level::Optional), ["vim"]);
    }

    #[test]
    fn dnf5_makes_a_table() {
        let infos = read(
            "Id                   : core\nName                 : Core\n\
             Description          : Smallest possible installation\n\
             Installed            : no\nRepositories         : fedora\n\
             Mandatory packages   : bash\n                     : glibc\n\
             Default packages     : nano\n",
        );
        assert!(infos[0].is("core") && infos[0].is("Core"));
        let mandatory: Vec<_> = infos[0].packages(Level::Mandatory).collect();
        assert_eq!(mandatory, ["bash", "glibc"]);
        let default: Vec<_> = infos[0].packages(Level::Default).collect();
        assert_eq!(default, ["nano"]);
    }
}
