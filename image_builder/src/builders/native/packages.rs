//! What dnf solves and downloads: the folders that it works in, and the look-up of groups before.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::groups;
use super::job::lock;
use crate::builders::explain;
use crate::compose::ComposeError;
use crate::compose::dnf::{self, Dnf};
use crate::compose::dnf_cache::CachedRepository;
use crate::compose::dnf_lock;
use crate::compose::files::{make_folder, write, write_private};
use crate::compose::repository_state::State;
use crate::compose::solution::{self, Chosen};
use crate::context::{BuildContext, Line};
use crate::events::{Stage, Unit};
use crate::host::DnfVersion;
use crate::plan::BuildPlan;
use crate::process::{CommandError, Invocation};
use crate::repository::Repository;

/// The folders that dnf works in.
#[derive(Debug)]
pub(super) struct Places {
    /// What is installed into.
    pub(super) root: PathBuf,
    /// An empty root, for which dnf solves.
    pub(super) empty: PathBuf,
    pub(super) config: PathBuf,
    pub(super) home: PathBuf,
    /// What dnf keeps for all builds of the host.
    pub(super) cache: PathBuf,
    /// The same without its locks, for dnf in a sandbox: [`Places::show_cache`].
    pub(super) view: PathBuf,
}

impl Places {
    /// dnf as it fills the root, in a sandbox.
    pub(super) fn dnf<'a>(&'a self, plan: &'a BuildPlan) -> Dnf<'a> {
        let cache = match plan.dnf {
            DnfVersion::Dnf4 => &self.view,
            DnfVersion::Dnf5 => &self.cache,
        };
        self.dnf_for(plan, &self.root, cache)
    }

    /// dnf as it solves and downloads.
    pub(super) fn solver<'a>(&'a self, plan: &'a BuildPlan) -> Dnf<'a> {
        self.dnf_for(plan, &self.empty, &self.cache)
    }

    /// Shows [`Places::dnf`] what is in the cache by now.
    pub(super) fn show_cache(&self, plan: &BuildPlan) -> Result<(), ComposeError> {
        match plan.dnf {
            DnfVersion::Dnf4 => dnf_lock::view(&self.cache, &self.view),
            DnfVersion::Dnf5 => Ok(()),
        }
    }

    fn dnf_for<'a>(&'a self, plan: &'a BuildPlan, root: &'a Path, cache: &'a Path) -> Dnf<'a> {
        Dnf {
            version: plan.dnf,
            root,
            config: &self.config,
            home: &self.home,
            cache,
            release: &plan.release,
            arch: plan.arch,
            install: &plan.install,
        }
    }

    /// Makes the folders, and the configuration with `repositories`.
    pub(super) fn prepare(
        &self,
        plan: &BuildPlan,
        repositories: &[Repository],
    ) -> Result<(), ComposeError> {
        for folder in [&self.root, &self.empty, &self.home, &self.cache] {
            make_folder(folder)?;
        }
        let config = Dnf::config(repositories, plan.proxy.as_deref(), &plan.install);
        // It may hold the proxy's password.
        write_private(&self.config, &config)?;
        let macros = Dnf::macros(&plan.release, &plan.install);
        write(&self.home.join(".rpmmacros"), &macros)
    }

    /// The states that the repositories are in, in their order; `None` when one does not say it.
    pub(super) async fn states(&self, plan: &BuildPlan) -> Option<Vec<State>> {
        let proxy = plan.proxy.as_deref();
        let mut states = Vec::new();
        for repository in &plan.repositories {
            states.push(State::ask(repository, proxy).await?);
        }
        Some(states)
    }

    /// Whether what dnf has of the repositories is of these states; a repository that it knows nothing
    /// of counts as `unknown` says.
    pub(super) fn is_current(&self, plan: &BuildPlan, states: &[State], unknown: bool) -> bool {
        let mut each = plan.repositories.iter().zip(states);
        each.all(|(repository, state)| {
            let cached = CachedRepository::new(&self.cache, repository);
            match cached.repomd() {
                Some(_) => state.is_of(&cached),
                None => unknown,
            }
        })
    }

    /// Makes the first command that it is given fetch metadata, where those at hand are not of `states`: dnf believes for hours what
    /// it has once read.
    fn refreshing_first(
        &self,
        plan: &BuildPlan,
        states: Option<&[State]>,
    ) -> impl FnMut(Invocation) -> Invocation + use<> {
        let mut is_old = states.is_some_and(|states| !self.is_current(plan, states, true));
        move |command| match std::mem::take(&mut is_old) {
            true => dnf::refreshing(command),
            false => command,
        }
    }

    /// `packages`, and what stands for groups that have to be looked up.
    async fn with_groups(
        &self,
        ctx: &BuildContext,
        plan: &BuildPlan,
        packages: &[String],
        first: &mut impl FnMut(Invocation) -> Invocation,
    ) -> Result<Vec<String>, ComposeError> {
        if !plan.install.looks_up_groups() {
            return Ok(packages.to_vec());
        }
        let question = first(groups::invocation(&self.solver(plan), &plan.install));
        let found = groups::look_up(ctx, &question, &self.cache, &plan.install).await?;
        Ok(groups::with(found, packages))
    }

    /// Finds out whether there are `packages` and all that they require, and downloads nothing but metadata.
    pub(super) async fn try_out(
        &self,
        ctx: &BuildContext,
        plan: &BuildPlan,
        packages: &[String],
        states: Option<&[State]>,
    ) -> Result<(), ComposeError> {
        let dnf = self.solver(plan);
        let mut wanted = packages.to_vec();
        let tried = async {
            let mut first = self.refreshing_first(plan, states);
            wanted = self.with_groups(ctx, plan, packages, &mut first).await?;
            run_trial(ctx, &dnf, &first(dnf.dry_run(&wanted))).await
        };
        let tried = tried.await;
        naming_all(ctx, &dnf, &wanted, tried).await
    }

    /// Downloads `packages` with all that they require into the cache, in a stage of progress.
    pub(super) async fn download(
        &self,
        ctx: &BuildContext,
        stage: Stage,
        plan: &BuildPlan,
        packages: &[String],
        states: Option<&[State]>,
    ) -> Result<Fetched, ComposeError> {
        let dnf = self.solver(plan);
        let said = Arc::new(Mutex::new(Vec::new()));
        let mut wanted = packages.to_vec();
        let downloaded = async {
            let mut first = self.refreshing_first(plan, states);
            wanted = self.with_groups(ctx, plan, packages, &mut first).await?;
            let (events, said) = (ctx.events.clone(), Arc::clone(&said));
            let watch = move |line: &str| {
                lock(&said).push(line.to_owned());
                if let Some((done, total)) = dnf::download_progress(line) {
                    events.progress(stage, done, total, Unit::Packages);
                }
                Line::Keep
            };
            let download = first(dnf.download(&wanted));
            let run = || ctx.run_watched(&download, watch.clone());
            let done = dnf_lock::run(ctx, &self.cache, run).await;
            done.map_err(|error| explain(error, &self.cache))
        };
        let downloaded = downloaded.await;
        naming_all(ctx, &dnf, &wanted, downloaded).await?;
        Ok(Fetched {
            chosen: solution::parse(&lock(&said)),
            packages: wanted,
        })
    }
}

/// What was downloaded.
#[derive(Debug)]
pub(super) struct Fetched {
    /// What to install: the packages, with what stands for groups that had to be looked up.
    pub(super) packages: Vec<String>,
    /// All that this brings, where dnf's words were understood.
    pub(super) chosen: Option<Vec<Chosen>>,
}

/// Runs a [`Dnf::dry_run`], for what it says is wrong.
async fn run_trial(
    ctx: &BuildContext,
    dnf: &Dnf<'_>,
    trial: &Invocation,
) -> Result<(), ComposeError> {
    let run = || ctx.run_watched(trial, |_| Line::Drop);
    match dnf_lock::run(ctx, dnf.cache, run).await {
        Ok(_) => Ok(()),
        Err(error @ CommandError::Cancelled { .. }) => Err(error.into()),
        Err(error) => match explain(error, dnf.cache) {
            // It fails where all is well, too: it was told not to go on.
            ComposeError::Command(_) => Ok(()),
            error => Err(error),
        },
    }
}

/// `result`, with all names of `packages` that no repository has where some are unknown: dnf 4 speaks of packages
/// only when it knows all groups.
async fn naming_all<T>(
    ctx: &BuildContext,
    dnf: &Dnf<'_>,
    packages: &[String],
    result: Result<T, ComposeError>,
) -> Result<T, ComposeError> {
    let mut unknown = match result {
        Err(ComposeError::UnknownPackages(names)) => names,
        result => return result,
    };
    let plain = |name: &str| name.replace("@^", "@");
    loop {
        let is_known = |name: &&String| !unknown.iter().any(|one| plain(one) == plain(name));
        let known: Vec<String> = packages.iter().filter(is_known).cloned().collect();
        // A trial that fails otherwise leaves the names that are known already.
        let tried = run_trial(ctx, dnf, &dnf.dry_run(&known)).await;
        let Err(ComposeError::UnknownPackages(mut names)) = tried else {
            break;
        };
        names.retain(|name| !unknown.contains(name));
        if names.is_empty() {
            break;
        }
        unknown.append(&mut names);
    }
    Err(ComposeError::UnknownPackages(unknown))
}
