//! Install DVDs, natively: pungi's stages, on the folders that earlier ones left. The installer and the repository have nothing
//! to do with each other, and are made side by side.

mod comps;
mod create_iso;
mod gather;
mod installer;
mod replace;
mod sources;

use std::fs::File;

use async_trait::async_trait;

use super::{Native, apart, stage};
use crate::builders::{BuildError, Built, Dvd};
use crate::compose::{ComposeError, dnf_cache};
use crate::context::{BuildContext, side_by_side};
use crate::destdir::Destdir;
use crate::events::Stage;
use crate::plan::{BuildPlan, DvdPlan, ImagePlan, Step};
use crate::repo_create::{CreateRepo, RepoError, RpmHeader};
use crate::source_date::{PLACEHOLDER, SourceDate};
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

    /// The repository of the DVD: its packages, their groups, its repodata. Gives what [`Job::on_the_dvd`] does.
    async fn repository(
        &self,
        ctx: &BuildContext,
    ) -> Result<(Vec<String>, SourceDate), BuildError> {
        if self.runs(DvdStage::Gather) {
            stage(ctx, Stage::Gather, self.gather(ctx)).await?;
        }
        let found = self.on_the_dvd().await;
        let (packages, date) = found.map_err(|error| BuildError::new(Stage::Gather, error))?;
        if self.runs(DvdStage::CreateRepo) {
            stage(ctx, Stage::CreateRepo, self.create_repo(ctx, &date)).await?;
        }
        Ok((packages, date))
    }

    /// The packages that lie in the tree, as name-epoch:version-release.arch, and the time that a
    /// disc of them carries.
    async fn on_the_dvd(&self) -> Result<(Vec<String>, SourceDate), ComposeError> {
        let (given, created) = (self.plan.source_date.clone(), self.plan.created);
        let folder = self.folders.packages();
        gather::blocking(move || {
            let (mut packages, mut newest) = (Vec::new(), None);
            for path in dnf_cache::rpms(&folder)? {
                let read = File::open(&path).and_then(|mut file| RpmHeader::read(&mut file));
                match read.map_err(replace::at(&path))? {
                    Ok(header) => {
                        newest = newest.max(Some((header.build_time, header.nevra())));
                        packages.push(header.nevra());
                    }
                    Err(fault) => return Err(RepoError::Damaged(vec![(path, fault)]).into()),
                }
            }
            packages.sort();
            let newest = newest.map(|(time, package)| SourceDate::of_package(time, package));
            let date = given.or(newest);
            Ok((
                packages,
                date.unwrap_or_else(|| SourceDate::of_clock(created)),
            ))
        })
        .await
    }

    fn runs(&self, stage: DvdStage) -> bool {
        self.dvd.stages.contains(stage)
    }

    /// Repodata for the packages, with their groups; and for the source packages.
    async fn create_repo(&self, ctx: &BuildContext, date: &SourceDate) -> Result<(), ComposeError> {
        let comps = self.folders.comps();
        let packages = CreateRepo {
            comps: comps.is_file().then_some(comps),
            date: Some(date.seconds),
            ..CreateRepo::new(self.folders.os())
        };
        packages.run(ctx).await?;
        if self.dvd.sources {
            let sources = CreateRepo {
                date: Some(date.seconds),
                ..CreateRepo::new(self.folders.srpms())
            };
            sources.run(ctx).await?;
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
        if job.runs(DvdStage::BuildInstall) {
            steps.extend(job.installer_steps());
        }
        if job.runs(DvdStage::Gather) {
            let stage = Stage::Gather;
            let commands = job.gather_commands();
            let gather = Step { stage, commands };
            // Tried before the installer's packages are fetched; done behind that, beside the rest of it.
            match steps.first_mut() {
                Some(fetch) => {
                    fetch.commands.insert(0, job.trial());
                    steps.insert(1, gather);
                }
                None => steps.push(gather),
            }
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
        apart(plan, ctx, |plan, ctx| async move { dvd(&plan, &ctx).await }).await
    }
}

async fn dvd(plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
    // A plan for another image has none of these stages.
    let Some(job) = Job::new(plan) else {
        return Ok(Built::default());
    };
    // Held to the end: no other build works on these folders meanwhile.
    let _taken = (job.folders)
        .take(&plan.job, job.dvd.sources)
        .map_err(|error| BuildError::new(Stage::Gather, error))?;
    let plan = job.installer_plan();
    let installer = job.fetch_installer(ctx, &plan).await?;
    // What lies on the DVD is downloaded while the installer, which is small, is installed.
    let ((), (packages, date)) = side_by_side(ctx, |first, second| {
        let job = &job;
        let installer = async move {
            match installer {
                Some(installer) => job.build_installer(&first, installer).await,
                None => Ok(()),
            }
        };
        (installer, async move { job.repository(&second).await })
    })
    .await?;
    // Once all of it stands: the tree is not to have a new half.
    if job.runs(DvdStage::BuildInstall) {
        job.place_installer(ctx, &plan).await?;
    }
    if !job.runs(DvdStage::CreateIso) {
        return Ok(Built {
            packages,
            ..Built::default()
        });
    }
    let ctx = &ctx.binding(PLACEHOLDER, date.seconds.to_string());
    let built = stage(ctx, Stage::CreateIso, job.create_iso(ctx, date)).await?;
    Ok(Built { packages, ..built })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::complete;
    use crate::plan::{KickstartPlan, PlanError, PlanOptions};
    use crate::spec::{BuildSpec, Format};

    fn plan(keys: &str) -> Result<BuildPlan, PlanError> {
        let text = format!("[DEFAULT]\ntype=dvd\nrelease=43\narch=x86_64\n[dvd]\n{keys}\n");
        let spec = BuildSpec::parse(&text, Format::Ini, "dvd.conf").unwrap();
        let options = PlanOptions::new("2026-11-21T09:42:24Z".parse().unwrap(), "/", "/c");
        BuildPlan::new(&spec, &KickstartPlan::default(), &complete(), &options)
    }

    fn stages(keys: &str) -> Vec<Stage> {
        let steps = Dvd::steps(&Native, &plan(keys).unwrap());
        steps.into_iter().map(|step| step.stage).collect()
    }

    #[test]
    fn only_the_stages_that_are_asked_for_have_commands() {
        const INSTALLER: [Stage; 5] = [
            Stage::Packages,
            Stage::Root,
            Stage::Initramfs,
            Stage::RootImage,
            Stage::Iso,
        ];
        let (first, rest) = INSTALLER.split_at(1);
        let all = [first, &[Stage::Gather], rest, &[Stage::CreateIso]].concat();
        assert_eq!(stages(""), all);
        assert_eq!(stages("stage=-G -C"), [Stage::Gather]);
        assert_eq!(stages("stage=-B"), INSTALLER);
        assert_eq!(stages("stage=-I"), [Stage::CreateIso]);
        assert_eq!(stages("stage=-C"), []);
    }

    #[test]
    fn sources_are_gathered_for_their_iso() {
        let lines = |keys: &str| {
            let steps = Dvd::steps(&Native, &plan(keys).unwrap());
            let commands = steps.iter().flat_map(|step| &step.commands);
            commands
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert!(!lines("").contains("makecache"));
        let with_iso = lines("sourceisos=yes\ndestdir=/d");
        assert!(with_iso.contains("makecache"), "{with_iso}");
        assert!(
            with_iso.contains("SRPMS=/d/43/Server/source/SRPMS"),
            "{with_iso}"
        );
        assert!(matches!(
            plan("sourceisos=yes\nnosource=yes"),
            Err(PlanError::NoSources)
        ));
    }

    #[test]
    fn the_installer_is_small_whatever_the_kickstart_installs() {
        let plan = plan("packages=@everything").unwrap();
        let job = Job::new(&plan).unwrap();
        let root = &job.installer_steps()[1].commands[0].to_string();
        assert!(
            root.ends_with("install --cacheonly @core kernel dracut-live zstd"),
            "{root}"
        );
    }
}
