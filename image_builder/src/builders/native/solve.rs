//! Which packages an image has: dnf's choice, or what it chose of the same repositories before.

use std::path::PathBuf;

use serde::Serialize;

use super::job::Job;
use crate::builders::native::packages::Fetched;
use crate::cache::{Key, Kind, Phase};
use crate::compose::dnf_cache::{CachedRepository, rpms};
use crate::compose::repository_state::State;
use crate::compose::solution::{self, Located, Package};
use crate::compose::{ComposeError, dnf_lock};
use crate::context::BuildContext;
use crate::events::Stage;
use crate::host::DnfVersion;
use crate::plan::InstallOptions;
use crate::repository::Repository;
use crate::source_date::VARIABLE;

/// What dnf's choice depends on.
#[derive(Debug, Serialize)]
pub(super) struct SolutionInputs<'a> {
    dnf: DnfVersion,
    arch: String,
    release: String,
    packages: &'a [String],
    install: &'a InstallOptions,
    repositories: Vec<RepositoryInputs<'a>>,
}

/// What of a repository dnf's choice depends on. Where it is makes no difference.
#[derive(Debug, Serialize)]
struct RepositoryInputs<'a> {
    id: &'a str,
    state: &'a State,
    priority: Option<u8>,
    cost: Option<u32>,
    exclude: &'a [String],
    include: &'a [String],
    groups: bool,
}

impl<'a> RepositoryInputs<'a> {
    fn new(repository: &'a Repository, state: &'a State) -> Self {
        Self {
            id: &repository.id,
            state,
            priority: repository.priority,
            cost: repository.cost,
            exclude: &repository.exclude,
            include: &repository.include,
            groups: repository.groups,
        }
    }
}

/// Which of its packages dnf chose is not known.
fn mark_all(repository: &CachedRepository<'_>) -> Result<(), ComposeError> {
    let mut packages = Vec::new();
    for folder in repository.package_folders() {
        packages.extend(rpms(&folder)?);
    }
    repository.mark_used(packages.iter().map(PathBuf::as_path));
    Ok(())
}

/// The image is not what the next build would make.
fn say_undated(ctx: &BuildContext) {
    ctx.events.info(format!(
        "Packages:: no package tells when it was built: the image carries the time of this build, and the \
         next one will differ; {VARIABLE} in the environment would be taken"
    ));
}

impl Job<'_> {
    /// Finds out which packages are to be installed, and downloads them unless a root that is kept may
    /// have them.
    pub(super) async fn fetch_packages(&mut self, ctx: &BuildContext) -> Result<(), ComposeError> {
        match self.recall_solution(ctx).await? {
            true => Ok(()),
            false => self.download(ctx, true).await,
        }
    }

    /// Whether it is known which packages are to be installed: chosen before from what the repositories still have.
    pub(super) async fn recall_solution(
        &mut self,
        ctx: &BuildContext,
    ) -> Result<bool, ComposeError> {
        let repositories = self.with_local_keys().await?;
        self.dnf_use = dnf_lock::hold(&self.plan.paths.cache, Phase::Use).await;
        self.places.prepare(self.plan, &repositories)?;
        self.states = tokio::select! {
            states = self.places.states(self.plan) => states,
            // The next program that is to run will say so.
            () = ctx.cancel.cancelled() => None,
        };
        let Some(key) = self.solution_key() else {
            ctx.events
                .info("Packages:: solved anew: a repository does not say which state it is in");
            return Ok(false);
        };
        let kept = self.store(Kind::Solution).get::<Vec<Package>>(&key);
        let Some(kept) = self.found(ctx, kept) else {
            ctx.events.info(format!("Packages:: miss {}", key.short()));
            return Ok(false);
        };
        ctx.events.info(format!(
            "Packages:: hit {}, {} packages of repositories that are as they were",
            key.short(),
            kept.note.len()
        ));
        self.settle(ctx, kept.note);
        Ok(true)
    }

    /// Has dnf solve and download; what it chose is kept.
    pub(super) async fn download(
        &mut self,
        ctx: &BuildContext,
        dates: bool,
    ) -> Result<(), ComposeError> {
        let (plan, states) = (self.plan, self.states.clone());
        let _held = dnf_lock::hold(&plan.paths.cache, Phase::Fetch).await;
        let Fetched { packages, chosen } = self
            .places
            .download(
                ctx,
                Stage::Packages,
                plan,
                &self.asked_for,
                states.as_deref(),
            )
            .await?;
        self.packages = packages;
        self.downloaded = true;
        let (repositories, cache) = (plan.repositories.clone(), self.places.cache.clone());
        let Some(chosen) = chosen else {
            for repository in &repositories {
                mark_all(&CachedRepository::new(&cache, repository))?;
            }
            say_undated(ctx);
            return Ok(());
        };
        let located = tokio::task::spawn_blocking(move || {
            let cached: Vec<_> = (repositories.iter())
                .map(|repository| CachedRepository::new(&cache, repository))
                .collect();
            let located = solution::locate(&cached, &chosen)?;
            for repository in &cached {
                match &located {
                    Some(located) => {
                        repository.mark_used(located.iter().map(|one| one.path.as_path()));
                    }
                    None => mark_all(repository)?,
                }
            }
            Ok::<_, ComposeError>(located)
        })
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let Some(located) = located else {
            return Ok(());
        };
        let packages: Vec<Package> = located.iter().map(|one| one.package.clone()).collect();
        self.keep_solution(ctx, &packages);
        if dates {
            self.settle(ctx, packages);
        }
        self.located = Some(located);
        Ok(())
    }

    /// The image has these packages, and is of their time.
    fn settle(&mut self, ctx: &BuildContext, packages: Vec<Package>) {
        if self.plan.source_date.is_none() {
            match solution::source_date(&packages) {
                Some(date) => self.source_date = date,
                None => say_undated(ctx),
            }
        }
        self.solution = Some(packages);
    }

    fn keep_solution(&self, ctx: &BuildContext, packages: &[Package]) {
        let (Some(states), Some(key)) = (&self.states, self.solution_key()) else {
            return;
        };
        // A repository that changed while dnf read it.
        if !self.places.is_current(self.plan, states, false) {
            return;
        }
        let store = self.store(Kind::Solution);
        let keep = || {
            let fresh = store.fresh()?;
            let names: Vec<&str> = packages.iter().map(|one| one.nevra.as_str()).collect();
            std::fs::write(fresh.data(), names.join("\n"))?;
            store.put(&key, &fresh, packages.to_vec())
        };
        if let Err(error) = keep() {
            self.not_kept(ctx, "Packages", &error.to_string());
        }
    }

    pub(super) fn solution_key(&self) -> Option<Key> {
        self.solution_inputs().map(|inputs| Key::of(&inputs))
    }

    pub(super) fn solution_inputs(&self) -> Option<SolutionInputs<'_>> {
        let states = self.states.as_ref()?;
        let plan = self.plan;
        let each = plan.repositories.iter().zip(states);
        Some(SolutionInputs {
            dnf: plan.dnf,
            arch: plan.arch.to_string(),
            release: plan.release.to_string(),
            packages: &self.asked_for,
            install: &plan.install,
            repositories: each
                .map(|(repository, state)| RepositoryInputs::new(repository, state))
                .collect(),
        })
    }

    /// What is downloaded, which a solution that was kept does not say.
    pub(super) async fn locate(
        &mut self,
        ctx: &BuildContext,
    ) -> Result<Vec<Located>, ComposeError> {
        if !self.downloaded {
            self.download(ctx, false).await?;
        }
        Ok(self.located.clone().unwrap_or_default())
    }
}
