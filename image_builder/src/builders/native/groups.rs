//! Groups of which a kickstart wants more or less than dnf would install.

use std::path::Path;

use crate::builders::explain;
use crate::compose::ComposeError;
use crate::compose::dnf::Dnf;
use crate::compose::dnf_lock;
use crate::compose::groups::{GroupInfo, Level, group_info};
use crate::context::BuildContext;
use crate::kickstart::{Group, GroupContent};
use crate::plan::InstallOptions;
use crate::process::Invocation;

/// The command that tells what is in the groups.
pub(super) fn invocation(dnf: &Dnf<'_>, install: &InstallOptions) -> Invocation {
    let groups = install.groups.iter().map(|group| group.name.as_str());
    let names: Vec<&str> = install
        .environment
        .as_deref()
        .into_iter()
        .chain(groups)
        .chain(install.excluded_groups.iter().map(String::as_str))
        .collect();
    dnf.group_info(&names)
}

/// What stands for the groups: packages, and the environment's groups; by the answer to `question`, an
/// [`invocation`].
///
/// # Errors
///
/// [`ComposeError::UnknownPackages`] with the groups that no repository has, and dnf's.
pub(super) async fn look_up(
    ctx: &BuildContext,
    question: &Invocation,
    cache: &Path,
    install: &InstallOptions,
) -> Result<Vec<String>, ComposeError> {
    let lines = dnf_lock::run(ctx, cache, || ctx.query(question)).await;
    let lines = lines.map_err(|error| explain(error, cache))?;
    expand(&group_info(&lines), install)
}

fn expand(infos: &[GroupInfo], install: &InstallOptions) -> Result<Vec<String>, ComposeError> {
    let find = |name: &str| infos.iter().find(|info| info.is(name));
    let mut unknown = Vec::new();
    let mut found = Vec::new();
    if let Some(name) = &install.environment {
        match find(name) {
            Some(info) => {
                // dnf tells the names of an environment's groups, kickstarts their ids.
                let excluded = |group: &str| {
                    let named = install.excluded_groups.iter();
                    named
                        .filter_map(|name| find(name))
                        .any(|info| info.is(group))
                };
                let groups = info.groups(Level::Mandatory);
                let kept = groups.filter(|group| !excluded(group));
                found.extend(kept.map(|group| format!("@{group}")));
            }
            None => unknown.push(format!("@^{name}")),
        }
    }
    for Group { name, content } in &install.groups {
        let levels: &[Level] = match content {
            GroupContent::Mandatory => &[Level::Mandatory],
            GroupContent::Default => &[Level::Mandatory, Level::Default],
            GroupContent::All => &[Level::Mandatory, Level::Default, Level::Optional],
        };
        match find(name) {
            Some(info) => {
                found.extend(levels.iter().flat_map(|level| info.packages(*level)));
            }
            None => unknown.push(format!("@{name}")),
        }
    }
    match unknown.is_empty() || install.ignore_missing {
        true => Ok(found),
        false => Err(ComposeError::UnknownPackages(unknown)),
    }
}

/// `packages` with what was found, each once.
pub(super) fn with(found: Vec<String>, packages: &[String]) -> Vec<String> {
    let mut all = packages.to_vec();
    for name in found {
        let left_out = all
            .iter()
            .any(|other| other.strip_prefix('-') == Some(&name));
        if !left_out && !all.contains(&name) {
            all.push(name);
        }
    }
    all
}
