//! `-B`: the installer's tree, made as a boot image with the DVD's volume id.

use jiff::Timestamp;

use super::Job;
use super::gather::blocking;
use super::replace::{Fresh, at};
use crate::builders::BuildError;
use crate::builders::native::job::{self, MenuText};
use crate::builders::native::{MENU_SECONDS, stage};
use crate::cache::Key;
use crate::compose::files::write;
use crate::compose::layout::Layout;
use crate::compose::root;
use crate::context::BuildContext;
use crate::events::Stage;
use crate::outdir;
use crate::plan::{BuildPlan, InstallOptions, Step};
use crate::source_date::SourceDate;
use crate::spec::{Stage as DvdStage, defaults};

/// What the boot image leaves in its tree.
const RESULTS: [&str; 6] = ["images", "LiveOS", "EFI", "boot", ".discinfo", ".treeinfo"];

impl Job<'_> {
    /// The plan of the installer's boot image: small, and in a folder of its own.
    pub(super) fn installer_plan(&self) -> BuildPlan {
        let mut plan = self.plan.clone();
        plan.packages.clone_from(&self.dvd.installer);
        plan.install = InstallOptions::default();
        plan.paths.work = self.plan.paths.work.join("installer");
        plan
    }

    /// Every command of the stage.
    pub(super) fn installer_steps(&self) -> Vec<Step> {
        let plan = self.installer_plan();
        let job = job::Job::new(&plan, &plan.packages);
        let mut steps = job.root_steps();
        steps.extend(job.image_steps());
        steps
    }

    /// The installer's packages, by its plan; where there is one to be made.
    pub(super) async fn fetch_installer<'p>(
        &self,
        ctx: &BuildContext,
        plan: &'p BuildPlan,
    ) -> Result<Option<job::Job<'p>>, BuildError> {
        if !self.runs(DvdStage::BuildInstall) {
            return Ok(None);
        }
        let mut job = job::Job::new(plan, &plan.packages);
        job.wants_tree = true;
        let fetch = async {
            let of_packages = |error| BuildError::new(Stage::Packages, error);
            if job.recall_solution(ctx).await.map_err(of_packages)? {
                return Ok(());
            }
            if self.runs(DvdStage::Gather) {
                let tried = self.try_out(ctx, job.states.as_deref()).await;
                tried.map_err(|error| BuildError::new(Stage::Gather, error))?;
            }
            job.download(ctx, true).await.map_err(of_packages)
        };
        ctx.stage(Stage::Packages, fetch).await?;
        Ok(Some(job))
    }

    /// The installer, in a tree of its own, of the packages that were fetched.
    pub(super) async fn build_installer(
        &self,
        ctx: &BuildContext,
        mut job: job::Job<'_>,
    ) -> Result<(), BuildError> {
        let (plan, ctx) = (job.plan, &job.dated(ctx));
        stage(ctx, Stage::Root, async {
            job.install_root(ctx).await?;
            let text = self.buildstamp(&job.source_date);
            let root = &job.places.root;
            let path = root::vacant(root, ".buildstamp").map_err(at(root))?;
            write(&path, &text)?;
            // It is another root now.
            job.root_key = job.root_key.take().map(|key| Key::of(&(key, text)));
            Ok(())
        })
        .await?;
        let kernel = job.make_parts(ctx).await?;
        stage(ctx, Stage::Iso, async {
            // An installer finds its second stage by it, and with that the packages beside it.
            let stage2 = format!("inst.stage2=hd:LABEL={}", plan.volume_id);
            let menu = MenuText {
                title: &format!("{} {} {}", plan.product, plan.version, self.dvd.flavor),
                timeout: MENU_SECONDS,
                kernel_args: Some(&stage2),
            };
            job.write_iso(ctx, &kernel, &menu).await?;
            Ok(())
        })
        .await
    }

    /// Puts the installer into the tree of the DVD.
    pub(super) async fn place_installer(
        &self,
        ctx: &BuildContext,
        plan: &BuildPlan,
    ) -> Result<(), BuildError> {
        let (tree, os) = (Layout::new(&plan.paths.work).tree(), self.folders.os());
        let cancel = ctx.cancel.clone();
        let placed = blocking(move || {
            for name in RESULTS {
                let fresh = Fresh::of(&os.join(name))?;
                outdir::move_or_copy(&tree.join(name), fresh.path(), &cancel).map_err(at(&os))?;
                fresh.install()?;
            }
            Ok(())
        });
        placed
            .await
            .map_err(|error| BuildError::new(Stage::Iso, error))
    }

    /// What an installer reads of itself, as lorax writes it
    /// (<https://github.com/weldr/lorax/blob/master/src/pylorax/buildstamp.py>).
    fn buildstamp(&self, date: &SourceDate) -> String {
        let BuildPlan {
            product,
            version,
            arch,
            ..
        } = self.plan;
        let time = i64::try_from(date.seconds).ok();
        let time = time.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let bugs = self.dvd.bug_url.as_deref().unwrap_or(defaults::BUG_URL);
        format!(
            "[Main]\nProduct={product}\nVersion={version}\nBugURL={bugs}\nIsFinal=False\n\
             UUID={}.{arch}\nVariant={}\n[Compose]\nfbs={}\n",
            time.unwrap_or_default().strftime("%Y%m%d%H%M"),
            self.dvd.flavor,
            env!("CARGO_PKG_VERSION")
        )
    }
}
