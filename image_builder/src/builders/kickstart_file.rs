//! The plan's kickstart as a tool reads it: with the packages and repositories that the spec adds.

use std::path::Path;

use crate::compose::ComposeError;
use crate::compose::files::write_private;
use crate::kickstart::{Kickstart, KickstartError, Repo, RepoUrl};
use crate::plan::BuildPlan;
use crate::repository::{Repository, Source};
use crate::spec::Package;

/// The kickstart with the plan's packages, and with those of its repositories that it does not
/// name itself: the side repository, and the spec's.
pub(super) fn complete(plan: &BuildPlan) -> Result<Kickstart, KickstartError> {
    let mut kickstart = plan.kickstart.text.clone();
    let packages = plan.packages.iter();
    // Groups and exclusions are those of the kickstart.
    let packages = packages.filter(|name| !name.starts_with(['@', '-']));
    let packages: Vec<Package> = packages.filter_map(|name| name.parse().ok()).collect();
    kickstart.add_packages(&packages);
    for repository in added(plan) {
        if let Some(repo) = command(repository, plan.proxy.as_deref()) {
            kickstart.add_repo(&repo)?;
        }
    }
    Ok(kickstart)
}

/// The repositories that are in the plan and not in the kickstart.
fn added(plan: &BuildPlan) -> impl Iterator<Item = &Repository> {
    let settings = &plan.kickstart.settings;
    let own = |id: &str| {
        (id == "url" && settings.url.is_some())
            || settings.repos.iter().any(|repo| repo.value.name == id)
    };
    plan.repositories
        .iter()
        .filter(move |repository| !own(&repository.id))
}

/// A repository as a `repo` command, which has one address.
fn command(repository: &Repository, proxy: Option<&str>) -> Option<Repo> {
    Some(Repo {
        name: repository.id.clone(),
        url: Some(address(repository)?),
        cost: repository.cost,
        excludepkgs: repository.exclude.clone(),
        includepkgs: repository.include.clone(),
        proxy: repository.proxy.clone().or(proxy.map(str::to_owned)),
        ignoregroups: !repository.groups,
        noverifyssl: !repository.verify_tls,
        install: false,
        tls_files: Vec::new(),
    })
}

/// The first address of a repository.
pub(super) fn address(repository: &Repository) -> Option<RepoUrl> {
    Some(match repository.sources.first()? {
        Source::BaseUrl(url) => RepoUrl::Base(url.clone()),
        Source::MirrorList(url) => RepoUrl::Mirrorlist(url.clone()),
        Source::Metalink(url) => RepoUrl::Metalink(url.clone()),
    })
}

/// Writes it where only root reads it: it may hold passwords.
pub(super) fn write(path: &Path, kickstart: &Kickstart) -> Result<(), ComposeError> {
    write_private(path, &kickstart.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::host::tests::complete as host;
    use crate::plan::{KickstartPlan, PlanOptions};
    use crate::spec::{BuildSpec, Format};

    /// A plan of a spec with this kickstart, in `/w`, with the cache in `/c`.
    pub(in crate::builders) fn plan(spec: &str, kickstart: &str) -> BuildPlan {
        let spec = BuildSpec::parse(spec, Format::Ini, "image.conf").unwrap();
        let now = "2026-11-21T09:42:24Z".parse().unwrap();
        let options = PlanOptions::new(now, "/", "/c");
        let mut text = Kickstart::parse(kickstart, "image.ks").unwrap();
        text.add_packages(&spec.shared().selection());
        let kickstart = KickstartPlan::new(text).unwrap();
        let mut plan = BuildPlan::new(&spec, &kickstart, &host(), &options).unwrap();
        plan.paths.work = "/w".into();
        for source in plan.repositories.iter_mut().flat_map(|r| &mut r.sources) {
            if let Source::BaseUrl(url) = source
                && url.starts_with("file:///var/tmp/fbs/")
            {
                *url = "file:///w/side".to_owned();
            }
        }
        plan
    }

    #[test]
    fn what_the_spec_adds_is_added() {
        let plan = plan(
            "[DEFAULT]\ntype=live\nrelease=43\nbackend=livecd-creator\nnvr=bash-5-1\nupdates=1\n\
             proxy=http://me:secret@p:1\n[live]\npackages=vim;-nano\n43-updates_url=http://u/\n\
             config=a.ks\n",
            "repo --name=fedora --metalink=http://m/metalink?a=$basearch --cost=5\n%packages\n@core\nnano\n%end\n",
        );
        assert_eq!(
            complete(&plan).unwrap().to_string(),
            "repo --name=fedora --metalink=http://m/metalink?a=$basearch --cost=5\n\
             repo --name=fbs-side --baseurl=file:///w/side --proxy=http://me:secret@p:1\n\
             repo --name=43-updates --baseurl=http://u/ --proxy=http://me:secret@p:1\n\
             %packages\n@core\nvim\n-nano\n%end\n"
        );
    }

    #[test]
    fn it_is_for_root_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image.ks");
        let kickstart = Kickstart::parse("rootpw secret\n", "a.ks").unwrap();
        write(&path, &kickstart).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
