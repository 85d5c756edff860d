//! Packages that an image is to hold beyond its kickstart.

use std::fmt;
use std::str::FromStr;

use super::value::{ValueError, quoted};
use super::word::serde_as_text;

/// A line of a kickstart's `%packages`: `vim`, `python3-*`, `@core`, `@^minimal-environment`,
/// or one of these behind `-` to leave it out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Package(String);

impl Package {
    /// The line as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A group or an environment, with or without its `@`: `core`, `@core`, `^server`.
    ///
    /// # Errors
    ///
    /// What is wrong with the name.
    pub fn group(text: &str) -> Result<Self, ValueError> {
        let name = text.strip_prefix('@').unwrap_or(text);
        let expected = "expected core, @core or ^minimal-environment";
        if name.starts_with('-') {
            let problem = format!("{} is not a group", quoted(text));
            return Err(ValueError::new(
                problem,
                "to leave one out, write -@NAME in packages",
            ));
        }
        format!("@{name}")
            .parse()
            .map_err(|_| ValueError::new(format!("{} is not a group", quoted(text)), expected))
    }

    /// Whether it is to be left out: `-vim`.
    pub fn is_excluded(&self) -> bool {
        self.0.starts_with('-')
    }

    /// The package or group without the leading `-`.
    pub fn name(&self) -> &str {
        self.0.strip_prefix('-').unwrap_or(&self.0)
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Package {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong =
            |hint: &str| ValueError::new(format!("{} is not a package", quoted(text)), hint);
        let name = text.strip_prefix('-').unwrap_or(text);
        if name.starts_with('-') {
            return Err(wrong(
                "options may not be given here; -NAME leaves a package out",
            ));
        }
        if name.starts_with('/') || name.ends_with(".rpm") {
            return Err(wrong("name the package, not a file"));
        }
        let name = name
            .strip_prefix('@')
            .map_or(name, |group| group.strip_prefix('^').unwrap_or(group));
        let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric() || "_*?[".contains(c));
        let legal = |c: char| c.is_ascii_alphanumeric() || "._+~^:*?[]!-".contains(c);
        if starts && name.chars().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(wrong(
                "expected a name, NAME*, @group or @^environment, or one of these behind \"-\"",
            ))
        }
    }
}

serde_as_text!(Package);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        for text in [
            "vim",
            "gtk+",
            "python3-*",
            "@core",
            "@^minimal-environment",
            "glibc.i686",
            "-vim",
            "-@dial-up",
        ] {
            let package: Package = text.parse().unwrap();
            assert_eq!(package.to_string(), text);
            assert_eq!(package.is_excluded(), text.starts_with('-'));
        }
    }

    #[test]
    fn groups() {
        for (text, group) in [
            ("core", "@core"),
            ("@core", "@core"),
            ("^server", "@^server"),
        ] {
            assert_eq!(Package::group(text).unwrap().as_str(), group);
        }
        for text in ["", "@", "-core", "a b", "@@core", "--x"] {
            assert!(Package::group(text).is_err(), "{text}");
        }
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "-",
            "--installroot=/",
            "@",
            "@^",
            "/bin/sh",
            "a;b",
            "a b",
            "$(x)",
            "x.rpm",
            "@-x",
        ] {
            assert!(text.parse::<Package>().is_err(), "{text}");
        }
    }
}
