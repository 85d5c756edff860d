//! The stage that makes the side repository.

use std::collections::{BTreeMap, BTreeSet};

use rpmrepo_metadata::Evr;

use crate::cache::Phase;
use crate::compose::dnf::{self, Dnf};
use crate::compose::dnf_lock;
use crate::compose::files::{make_folder, write_private};
use crate::context::BuildContext;
use crate::http;
use crate::koji::ChosenRpm;
use crate::plan::{BuildPlan, SidePlan};
use crate::repo_create::{Keyring, RepoCreate, RepoCreateOptions, SideRepoError, SideRepository};
use crate::repository::Repository;

/// Makes it, and says which of its packages are older than the release's.
pub(super) async fn make(
    plan: &BuildPlan,
    side: &SidePlan,
    ctx: &BuildContext,
) -> Result<SideRepository, SideRepoError> {
    let options = RepoCreateOptions {
        koji: side.koji.clone(),
        bodhi: side.bodhi.clone(),
        proxy: plan.proxy.clone(),
        cache: plan.paths.cache.clone(),
        choose: side.choose_options(),
        keyring: keyring(side, plan.proxy.as_deref()).await?,
    };
    let made = RepoCreate::new(options, ctx.clone())?
        .make_repo(&side.request(), &plan.paths.side_repository)
        .await?;
    say_which_are_older(plan, &made.choice.rpms, ctx).await;
    Ok(made)
}

async fn keyring(side: &SidePlan, proxy: Option<&str>) -> Result<Option<Keyring>, SideRepoError> {
    let Some(address) = &side.key else {
        return Ok(None);
    };
    let wrong = |problem: String| SideRepoError::Key {
        address: address.clone(),
        problem,
    };
    let text = match address.strip_prefix("file://") {
        Some(path) => std::fs::read(path).map_err(|error| wrong(error.to_string()))?,
        None => http::fetch(address, proxy)
            .await
            .map_err(wrong)?
            .into_bytes(),
    };
    let keyring = Keyring::from_armored(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(Some(keyring))
}

/// An older build is taken all the same: the side repository wins. Somebody who named a wrong
/// build should read it here.
async fn say_which_are_older(plan: &BuildPlan, rpms: &[ChosenRpm], ctx: &BuildContext) {
    let names: BTreeSet<&str> = rpms.iter().map(|rpm| rpm.rpm.name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let lines = match query(plan, &names, ctx).await {
        Ok(lines) => lines,
        Err(problem) => {
            let words =
                "whether the release has newer packages than the side repository is not known";
            ctx.events.warn(format!("{words}: {problem}"));
            return;
        }
    };
    let mut newest: BTreeMap<&str, Evr<'_>> = BTreeMap::new();
    for [name, epoch, version, release, _] in lines.iter().filter_map(|line| dnf::newest(line)) {
        let found = Evr::new(epoch, version, release);
        if newest.get(name).is_none_or(|known| *known < found) {
            newest.insert(name, found);
        }
    }
    for chosen in rpms {
        let rpm = &chosen.rpm;
        let epoch = rpm.epoch.unwrap_or(0).to_string();
        let own = Evr::new(epoch.as_str(), rpm.version.as_str(), rpm.release.as_str());
        if let Some(release) = newest
            .get(rpm.name.as_str())
            .filter(|release| **release > own)
        {
            ctx.events.warn(format!(
                "{} is older than {} of the release; it is taken because it was asked for",
                chosen.file_name.trim_end_matches(".rpm"),
                release.evr_short().trim_start_matches("0:")
            ));
        }
    }
}

/// What the release's repositories have of `names`, in dnf's words.
async fn query(
    plan: &BuildPlan,
    names: &[&str],
    ctx: &BuildContext,
) -> Result<Vec<String>, String> {
    let home = plan.paths.work.join("side-query");
    let dnf = Dnf {
        version: plan.dnf,
        root: &home.join("root"),
        config: &home.join("dnf.conf"),
        home: &home,
        cache: &dnf::cache_folder(&plan.paths.cache),
        release: &plan.release,
        arch: plan.arch,
        install: &plan.install,
    };
    let repositories: Vec<Repository> = plan.release_repositories().cloned().collect();
    let config = Dnf::config(&repositories, plan.proxy.as_deref(), &plan.install);
    let prepared = make_folder(dnf.root).and_then(|()| write_private(dnf.config, &config));
    prepared.map_err(|error| error.to_string())?;
    let question = dnf.query_newest(names);
    let _held = dnf_lock::hold(&plan.paths.cache, Phase::Fetch).await;
    dnf_lock::run(ctx, dnf.cache, || ctx.query(&question))
        .await
        .map_err(|error| error.to_string())
}
