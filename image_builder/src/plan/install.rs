//! How packages are installed, beside which.

use serde::Serialize;

use crate::kickstart::{Group, GroupContent, Packages, Settings};
use crate::spec::ImageType;

/// How packages are installed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct InstallOptions {
    /// Recommended packages are installed too.
    pub weak_dependencies: bool,
    /// Documentation is installed.
    pub documentation: bool,
    /// Only these translations are installed, if any are named.
    pub languages: Option<Vec<String>>,
    /// Packages that no repository has are passed over.
    pub ignore_missing: bool,
    /// Packages that cannot be installed are passed over.
    pub ignore_broken: bool,
    /// Packages of all architectures that the processor runs.
    pub multilib: bool,
    /// Seconds until a connection is given up; dnf's own if absent.
    pub connection_seconds: Option<u32>,
    /// How often a download is tried again; ours if absent.
    pub retries: Option<u32>,
    /// Groups of which more or less than usual is installed. dnf knows no such thing for a single
    /// group, so that their packages are looked up first.
    pub groups: Vec<Group>,
    /// The environment, where groups of it are left out: it is looked up as well.
    pub environment: Option<String>,
    /// Groups that are left out of the environment.
    pub excluded_groups: Vec<String>,
}

impl InstallOptions {
    /// What a kickstart without options installs: as the installer does. A boot image stays small.
    pub(super) fn of(image: ImageType, settings: &Settings, notes: &mut Vec<String>) -> Self {
        if image == ImageType::Boot {
            return Self::default();
        }
        let nothing = Packages::default();
        let packages = settings.packages.as_ref().unwrap_or(&nothing);
        let options = &packages.options;
        let excluded: Vec<String> = packages
            .excluded_groups
            .iter()
            .map(|group| group.value.clone())
            .collect();
        let environment = packages
            .environment
            .as_ref()
            .map(|name| name.value.clone())
            .filter(|_| !excluded.is_empty());
        if environment.is_none() && !excluded.is_empty() {
            notes.push(format!(
                "-@{} leaves nothing out: no environment is installed that has such a group",
                excluded.join(", -@")
            ));
        }
        Self {
            weak_dependencies: !options.exclude_weakdeps,
            documentation: !options.exclude_docs,
            languages: options.inst_langs.clone(),
            ignore_missing: options.ignore_missing,
            ignore_broken: options.ignore_broken,
            multilib: options.multilib,
            connection_seconds: options.timeout,
            retries: options.retries,
            groups: packages
                .groups
                .iter()
                .map(|group| group.value.clone())
                .filter(|group| group.content != GroupContent::Default)
                .collect(),
            excluded_groups: excluded,
            environment,
        }
    }

    /// Whether something has to be looked up before the packages are known.
    #[must_use]
    pub fn looks_up_groups(&self) -> bool {
        !self.groups.is_empty() || self.environment.is_some()
    }
}
