//! Debian's dependency fields, and what of them an RPM requires.

use std::collections::HashSet;

use crate::deb::Control;
use crate::names;
use crate::version::Version;
use crate::{Error, recipe};

/// How a requirement bounds the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
}

/// A name, with the versions that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) version: Option<(Bound, Version)>,
}

impl Dependency {
    /// Any version of a name.
    pub(crate) fn any(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: None,
        }
    }

    /// Exactly this version of a name.
    pub(crate) fn equal(name: impl Into<String>, version: &Version) -> Self {
        Self {
            name: name.into(),
            version: Some((Bound::Equal, version.clone())),
        }
    }

    /// Parses one alternative: `libc6 (>= 2.36)`, `perl:any`, `default-logind | logind` split before.
    fn parse(text: &str) -> Option<Self> {
        let (name, bound) = match text.split_once('(') {
            Some((name, bound)) => (name, Some(bound.strip_suffix(')')?)),
            None => (text, None),
        };
        let name = name.trim();
        let name = name
            .split_once(':')
            .map_or(name, |(name, _architecture)| name);
        let version = match bound {
            Some(bound) => Some(parse_bound(bound.trim())?),
            None => None,
        };
        Some(Self {
            name: name.to_owned(),
            version,
        })
    }
}

fn parse_bound(text: &str) -> Option<(Bound, Version)> {
    let at = text.find(|c: char| !"<>=".contains(c))?;
    let (operator, version) = text.split_at(at);
    let bound = match operator {
        "<<" => Bound::Less,
        "<=" => Bound::LessOrEqual,
        "=" => Bound::Equal,
        // `>> 2.36` becomes `>= 2.36`: RPM takes a bound without a release to hold for all
        // releases, so that `> 2.36` would refuse 2.36-9, which Debian means to allow.
        ">=" | ">>" => Bound::GreaterOrEqual,
        _ => return None,
    };
    Some((bound, Version::of_requirement(version.trim())))
}

/// Parses a field: what is between commas is needed, each with its alternatives.
pub(crate) fn parse_field(field: &str) -> Option<Vec<Vec<Dependency>>> {
    field
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            entry
                .split('|')
                .map(|one| Dependency::parse(one.trim()))
                .collect()
        })
        .collect()
}

/// All names that the fetched packages have or provide, in Debian's terms.
#[derive(Debug)]
pub(crate) struct Catalogue(HashSet<String>);

impl Catalogue {
    pub(crate) fn new(packages: &[Control]) -> Result<Self, Error> {
        let mut names = HashSet::new();
        for package in packages {
            names.insert(package.name.clone());
            for provided in package.alternatives("Provides")?.into_iter().flatten() {
                names.insert(provided.name);
            }
        }
        Ok(Self(names))
    }

    /// What the RPM of a Debian package requires: of each set of alternatives the first that the
    /// release has. A requirement on Debian's own machinery alone is left out.
    pub(crate) fn requirements(&self, package: &Control) -> Result<Vec<Dependency>, Error> {
        let mut requirements = Vec::new();
        for field in ["Pre-Depends", "Depends"] {
            for alternatives in package.alternatives(field)? {
                let has = |one: &&Dependency| {
                    !recipe::is_left_out(&one.name) && self.0.contains(&one.name)
                };
                if let Some(one) = alternatives.iter().find(has) {
                    let name = names::fedora(&one.name).to_owned();
                    requirements.push(Dependency {
                        name,
                        version: one.version.clone(),
                    });
                } else if !alternatives
                    .iter()
                    .all(|one| recipe::is_left_out(&one.name))
                {
                    let written: Vec<&str> =
                        alternatives.iter().map(|one| one.name.as_str()).collect();
                    return Err(Error::Unmet {
                        package: package.name.clone(),
                        dependency: written.join(" | "),
                    });
                }
            }
        }
        Ok(requirements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(field: &str) -> Vec<String> {
        let text = |one: &Dependency| match &one.version {
            None => one.name.clone(),
            Some((bound, version)) => format!("{} {bound:?} {version}", one.name),
        };
        let parsed = parse_field(field).unwrap();
        parsed
            .iter()
            .map(|all| all.iter().map(text).collect::<Vec<_>>().join(" | "))
            .collect()
    }

    #[test]
    fn a_field_is_split_into_needs_and_alternatives() {
        assert_eq!(
            written("libc6 (>> 2.36), libc6 (<< 2.37),perl:any, dpkg (>= 1.15.4) | install-info"),
            [
                "libc6 GreaterOrEqual 2.36",
                "libc6 Less 2.37",
                "perl",
                "dpkg GreaterOrEqual 1.15.4 | install-info",
            ]
        );
        assert_eq!(written("a (= 2:1.0-3)"), ["a Equal 2:1.0-3"]);
        assert!(written("").is_empty());
    }

    #[test]
    fn a_bound_without_an_operator_is_refused() {
        assert!(parse_field("a (1.0)").is_none());
        assert!(parse_field("a (>= 1.0").is_none());
    }

    fn control(text: &str) -> Control {
        Control::parse(text).unwrap()
    }

    #[test]
    fn the_first_alternative_that_is_there_is_required() {
        let logind = control("Package: libpam-systemd\nVersion: 1-1\nProvides: logind\n");
        let user = control(
            "Package: user\nVersion: 1-1\nDepends: default-logind | logind, debconf (>= 0.5) | debconf-2.0\n",
        );
        let catalogue = Catalogue::new(&[logind]).unwrap();
        assert_eq!(
            catalogue.requirements(&user).unwrap(),
            [Dependency::any("logind")]
        );
    }

    #[test]
    fn an_unmet_requirement_is_an_error() {
        let user = control("Package: user\nVersion: 1-1\nDepends: nowhere (>= 1)\n");
        let error = Catalogue::new(&[])
            .unwrap()
            .requirements(&user)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "user requires `nowhere`, which no package of the release provides"
        );
    }
}
