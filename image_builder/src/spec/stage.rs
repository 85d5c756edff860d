//! The stages of a DVD build, named as pungi's options name them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::value::{ValueError, quoted};
use super::word::serde_as_text;

/// One stage of a DVD build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// `-G`: gather the packages.
    Gather,
    /// `-C`: make the repository of the DVD.
    CreateRepo,
    /// `-B`: build the installer.
    BuildInstall,
    /// `-I`: make the ISO.
    CreateIso,
}

impl Stage {
    /// Every stage in its order.
    pub const ALL: [Self; 4] = [
        Self::Gather,
        Self::CreateRepo,
        Self::BuildInstall,
        Self::CreateIso,
    ];

    /// The option of pungi: `-G`.
    pub fn option(self) -> &'static str {
        match self {
            Self::Gather => "-G",
            Self::CreateRepo => "-C",
            Self::BuildInstall => "-B",
            Self::CreateIso => "-I",
        }
    }
}

/// The stages to run: `all`, or some of `-G -C -B -I`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stages(BTreeSet<Stage>);

impl Stages {
    /// Whether every stage runs.
    pub fn is_all(&self) -> bool {
        self.0.len() == Stage::ALL.len()
    }

    /// Whether this stage runs.
    pub fn contains(&self, stage: Stage) -> bool {
        self.0.contains(&stage)
    }

    /// The stages that run, in their order; never none.
    pub fn iter(&self) -> impl Iterator<Item = Stage> {
        self.0.iter().copied()
    }
}

impl Default for Stages {
    fn default() -> Self {
        Self(Stage::ALL.into())
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("all");
        }
        let options: Vec<_> = self.iter().map(Stage::option).collect();
        f.write_str(&options.join(" "))
    }
}

impl FromStr for Stages {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::default());
        }
        let words = || text.split(|c: char| c == ';' || c == ',' || c.is_whitespace());
        let mut stages = BTreeSet::new();
        for word in words().filter(|word| !word.is_empty()) {
            let stage = Stage::ALL.into_iter().find(|stage| stage.option() == word);
            stages.insert(stage.ok_or_else(|| {
                ValueError::new(
                    format!("{} is not a stage", quoted(word)),
                    "expected \"all\", or some of -G -C -B -I",
                )
            })?);
        }
        if stages.is_empty() {
            return Err(ValueError::new(
                "no stage is named",
                "expected \"all\", or some of -G -C -B -I",
            ));
        }
        Ok(Self(stages))
    }
}

serde_as_text!(Stages);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        for (text, shown) in [
            ("all", "all"),
            ("-G", "-G"),
            ("-I -G", "-G -I"),
            ("-G;-C;-B;-I;", "all"),
        ] {
            assert_eq!(text.parse::<Stages>().unwrap().to_string(), shown);
        }
        for text in ["", ";", "G", "-x", "-G all", "--nosource"] {
            assert!(text.parse::<Stages>().is_err(), "{text}");
        }
    }
}
