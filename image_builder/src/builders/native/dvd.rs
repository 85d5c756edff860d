//! Install DVDs, natively: pungi's stages, each on the folders that the one before left.

mod comps;
mod create_iso;
mod gather;
mod installer;
mod replace;
mod sources;

use std::fs::File;

use async_trait::async_trait;

use super::{Native, stage};
use crate::builders::{BuildError, Built, Dvd};
use crate::compose::{ComposeError, dnf_cache};
use crate::context::BuildContext;
use crate::destdir::Destdir;
use crate::events::Stage;
use crate::plan::{BuildPlan, DvdPlan, ImagePlan, Step};
use crate::repo_create::{CreateRepo, RepoError, RpmHeader};
use crate::spec::Stage as DvdStage;

/// One build: the plan, and the folders of its DVD.
#[derive(Debug, Clone)]
struct Job<'a> {
    plan: &'a BuildPlan,
    dvd: &'a DvdPlan,
    folders: Destdir,
}

impl<'a> Job<'a> {
    fn new(plan: &'a BuildPlan) -> Option<Self> {
        match &plan.image {
            ImagePlan::Dvd(dvd) => Some(Self {
                plan,
                dvd,
                folders: Destdir::of(plan, dvd),
            }),
            ImagePlan::Boot | ImagePlan::Live(_) => None,
        }
    }

    /// The packages that lie in the tree, as name-epoch:version-release.arch.
    async fn on_the_dvd(&self) -> Result<Vec<String>, ComposeError> {
        let folder = self.folders.packages();
        gather::blocking(move || {
            let mut packages = Vec::new();
            for path in dnf_cache::rpms(&folder)? {
                let read = File::open(&path).and_then(|mut file| RpmHeader::read(&mut file));
                match read.map_err(replace::at(&path))? {
                    Ok(header) => packages.push(header.nevra()),
                    Err(fault) => return Err(RepoError::Damaged(vec![(path, fault)]).into()),
                }
            }
            packages.sort();
            Ok(packages)
        })
        .await
    }

    fn runs(&self, stage: DvdStage) -> bool {
        self.dvd.stages.contains(stage)
    }

    /// Repodata for the packages, with their groups; and for the source packages.
    async fn create_repo(&self, ctx: &BuildContext) -> Result<(), ComposeError> {
        let comps = self.folders.comps();
        let packages = CreateRepo {
            comps: comps.is_file().then_some(comps),
            ..CreateRepo::new(self.folders.os())
        };
        packages.run(ctx).await?;
        if self.dvd.sources {
            CreateRepo::new(self.folders.srpms()).run(ctx).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Dvd for Native {
    fn steps(&self, plan: &BuildPlan) -> Vec<Step> {
        let Some(job) = Job::new(plan) else {
            return Vec::new();
        };
        let mut steps = Vec::new();
        if job.runs(DvdStage::Gather) {
            steps.push(Step {
                stage: Stage::Gather,
                commands: job.gather_commands(),
            });
        }
        if job.runs(DvdStage::BuildInstall) {
            steps.extend(job.installer_steps());
        }
        if job.runs(DvdStage::CreateIso) {
            steps.push(Step {
                stage: Stage::CreateIso,
                commands: job.iso_commands(),
            });
        }
        steps
    }

    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
        // A plan for another image has none of these stages.
        let Some(job) = Job::new(plan) else {
            return Ok(Built::default());
        };
        // Held to the end: no other build works on these folders meanwhile.
        let _taken = (job.folders)
            .take(&plan.job, job.dvd.sources)
            .map_err(|error| BuildError::new(Stage::Gather, error))?;
        if job.runs(DvdStage::Gather) {
            stage(ctx, Stage::Gather, job.gather(ctx)).await?;
        }
        if job.runs(DvdStage::CreateRepo) {
            stage(ctx, Stage::CreateRepo, job.create_repo(ctx)).await?;
        }
        if job.runs(DvdStage::BuildInstall) {
            job.build_installer(ctx).await?;
        }
        let packages = job
            .on_the_dvd()
            .await
            .map_err(|error| BuildError::new(Stage::Gather, error))?;
        if !job.runs(DvdStage::CreateIso) {
            return Ok(Built {
                packages,
                ..Built::default()
            });
        }
        let built = stage(ctx, Stage::CreateIso, job.create_iso(ctx)).await?;
        Ok(Built { packages, ..built })
    }
}
