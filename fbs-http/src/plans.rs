//! What would be done for a spec, before it is submitted.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use image_builder::error::{ErrorKind, StageError};
use image_builder::host::Host;
use image_builder::imagebuilder::ImageBuilder;
use image_builder::jobs::{JobRequest, PrepareError};
use image_builder::kickstart::Kickstart;
use image_builder::koji::BuildRef;
use image_builder::plan::{BuildPlan, KickstartPlan, PlanOptions};
use image_builder::redact;
use image_builder::repository::Repository;
use image_builder::spec::{Arch, BuildSpec, Format};
use image_builder::worker::line_state;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::builds::BuildView;
use crate::problem::{Problem, WrittenMistake, mistakes_of};
use crate::view::Waits;

/// Stands for the folder of the job, in commands.
const JOB: &str = "/job";

/// Stands for the caches of the worker, in commands.
const CACHE: &str = "/cache";

/// What would be done.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct PlanView {
    /// What would be built.
    pub(crate) title: String,
    /// The architecture.
    pub(crate) arch: String,
    /// The release whose packages it holds.
    pub(crate) release: String,
    /// Which tool makes the image.
    pub(crate) backend: String,
    /// Why that one.
    pub(crate) reason: String,
    /// Where packages come from, the first first.
    pub(crate) repositories: Vec<RepositoryView>,
    /// Builds of Koji that are named, and what Koji knows of them.
    pub(crate) builds: Vec<BuildView>,
    /// Tags and updates whose builds are taken as well.
    pub(crate) collections: Vec<String>,
    /// Packages, `@groups` and `-exclusions`.
    pub(crate) packages: Vec<String>,
    /// The root file system and its compression.
    pub(crate) root: String,
    /// The volume id.
    pub(crate) volume_id: String,
    /// How the image is booted when it is made: `none`, `bios`, `uefi` or `both`.
    pub(crate) boot_test: String,
    /// The longest time that the build may take, in seconds.
    pub(crate) timeout_seconds: u64,
    /// Where it would stand in its line, and what that waits for.
    pub(crate) waits: Waits,
    /// Choices that were made for who asks.
    pub(crate) notes: Vec<String>,
    /// What this machine lacks to build it, where images are built here.
    pub(crate) missing: Vec<String>,
    /// The commands, stage by stage, as they are with an empty cache. `/job` and `/cache` stand for folders of the worker.
    pub(crate) stages: Vec<StageView>,
}

/// Where packages come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct RepositoryView {
    /// Its name.
    pub(crate) id: String,
    /// Its addresses.
    pub(crate) addresses: Vec<String>,
    /// Whether the signatures of its packages are checked.
    pub(crate) signed: bool,
}

/// What is done in a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StageView {
    /// Its name.
    pub(crate) stage: String,
    /// Its commands, as they would be written in a shell.
    pub(crate) commands: Vec<String>,
}

impl App {
    /// What would be done for a request. Nothing is submitted; Koji is asked for the builds that are named.
    ///
    /// # Errors
    ///
    /// Mistakes that only show when it is planned.
    pub(crate) async fn plan(&self, request: &JobRequest) -> Result<PlanView, Problem> {
        let payload = request.payload.clone().unwrap_or_default();
        let builds_here = self.own.is_some();
        let options = PlanOptions {
            now: Timestamp::now(),
            current_dir: JOB.into(),
            cache_dir: CACHE.into(),
            // Its workers tell without being asked to.
            notified: true,
            ..self.plan_options.clone()
        };
        let planned = tokio::task::spawn_blocking(move || {
            plan(
                &payload.spec,
                payload.kickstart.as_deref(),
                builds_here,
                options,
            )
        });
        let plan = planned.await.map_err(|error| {
            tracing::error!("a plan: {error}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "it cannot be planned")
        })??;
        let mut view = PlanView::new(&plan, self.waits_of(request).await?);
        if builds_here {
            view.missing = plan.missing.iter().map(ToString::to_string).collect();
        } else {
            let other = "this is how this machine would make it; the worker that takes it may have other tools";
            view.notes.push(other.to_owned());
        }
        self.add_builds(&mut view, &plan).await;
        Ok(view)
    }

    /// What Koji knows of the builds that are named. That it does not answer does not keep anybody from seeing the rest.
    async fn add_builds(&self, view: &mut PlanView, plan: &BuildPlan) {
        let Some(side) = &plan.side else {
            return;
        };
        let names: Vec<String> = side
            .builds
            .iter()
            .map(|build| match build {
                BuildRef::Id(id) => id.0.to_string(),
                BuildRef::Nvr(nvr) => nvr.to_string(),
            })
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if names.is_empty() {
            return;
        }
        match self.builds.look_up(&names, plan.arch).await {
            Ok(builds) => view.builds = builds,
            Err(problem) => {
                view.builds = names.into_iter().map(BuildView::unasked).collect();
                let words = format!("what the builds are is not known yet: {}", problem.detail);
                view.notes.push(words);
            }
        }
    }

    /// What it would wait for if it was submitted now.
    async fn waits_of(&self, request: &JobRequest) -> Result<Waits, Problem> {
        let line = request.line();
        let loads = self.store.lines().await?;
        let waiting = loads.iter().find(|load| load.line == line);
        let waiting = waiting.map_or(0, |load| load.waiting);
        Ok(Waits {
            before: usize::try_from(waiting).unwrap_or(usize::MAX),
            reason: line_state(&line, &BTreeMap::new(), &self.masters.present()),
        })
    }
}

/// The plan of a spec that was checked already.
fn plan(
    spec: &str,
    kickstart: Option<&str>,
    builds_here: bool,
    options: PlanOptions,
) -> Result<BuildPlan, Problem> {
    let spec = BuildSpec::parse(spec, Format::Ini, "spec").map_err(PrepareError::from);
    let spec = spec.map_err(|error| Problem::invalid(mistakes_of(&error)))?;
    let mut host = Host::probe();
    if !builds_here {
        // Whoever takes it has its architecture.
        host.arch = Some(spec.common.arch.or(host.arch).unwrap_or(Arch::X86_64));
    }
    let kickstart = match kickstart {
        Some(text) => Kickstart::parse(text, "kickstart").and_then(KickstartPlan::new),
        None => Ok(KickstartPlan::default()),
    };
    let kickstart = kickstart.map_err(PrepareError::from);
    let kickstart = kickstart.map_err(|error| Problem::invalid(mistakes_of(&error)))?;
    let builder = ImageBuilder::new(spec).with_options(options);
    let planned = builder.with_host(host).plan_with(&kickstart);
    planned.map_err(|error| match error.kind() {
        ErrorKind::Usage => Problem::invalid(vec![WrittenMistake {
            hint: error.hint(),
            ..WrittenMistake::new(error.to_string())
        }]),
        _ => Problem::of(StatusCode::UNPROCESSABLE_ENTITY, &error),
    })
}

impl PlanView {
    fn new(plan: &BuildPlan, waits: Waits) -> Self {
        let work = plan.paths.work.to_string_lossy();
        let side = plan.side.as_ref();
        let tags = side.iter().flat_map(|side| &side.tags);
        let updates = side.iter().flat_map(|side| &side.updates);
        Self {
            title: plan.title.clone(),
            arch: plan.arch.to_string(),
            release: plan.release.to_string(),
            backend: plan.backend.name.to_string(),
            reason: plan.backend.reason.clone(),
            repositories: plan.repositories.iter().map(RepositoryView::from).collect(),
            builds: Vec::new(),
            collections: tags
                .map(|tag| format!("tag {tag}"))
                .chain(updates.map(ToString::to_string))
                .collect(),
            packages: plan.packages.clone(),
            root: format!("{}, {}", plan.rootfs, plan.compression.explained()),
            volume_id: plan.volume_id.clone(),
            boot_test: plan.boot_test.to_string(),
            timeout_seconds: plan.timeout_seconds,
            waits,
            notes: plan
                .notes
                .iter()
                .map(|note| redact::passwords(note).into_owned())
                .collect(),
            missing: Vec::new(),
            stages: plan
                .steps
                .iter()
                .map(|step| StageView {
                    stage: step.stage.title().to_owned(),
                    commands: step
                        .commands
                        .iter()
                        .map(|command| redact::passwords(&command.to_string()).replace(&*work, JOB))
                        .collect(),
                })
                .collect(),
        }
    }
}

impl From<&Repository> for RepositoryView {
    fn from(repository: &Repository) -> Self {
        let addresses = repository.sources.iter();
        Self {
            id: repository.id.clone(),
            addresses: addresses
                .map(|source| redact::passwords(source.url()).into_owned())
                .collect(),
            signed: repository.gpg_check,
        }
    }
}
