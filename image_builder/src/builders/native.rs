//! The native engine as a backend: the steps of [`crate::compose`] in their order.

mod dvd;
mod groups;
mod job;
mod live;
mod packages;

use async_trait::async_trait;

use super::{Bootiso, BuildError, Built};
use crate::compose::ComposeError;
use crate::context::BuildContext;
use crate::events::Stage;
use crate::plan::{BuildPlan, Step};
use job::{Job, MenuText};

/// Makes boot ISOs with dnf, dracut, mksquashfs, GRUB and xorriso.
#[derive(Debug, Clone, Copy)]
pub struct Native;

#[async_trait]
impl Bootiso for Native {
    fn steps(&self, plan: &BuildPlan) -> Vec<Step> {
        let job = Job::new(plan, &plan.packages);
        let mut steps = job.root_steps();
        steps.extend(job.image_steps());
        steps
    }

    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
        let mut job = Job::new(plan, &plan.packages);
        stage(ctx, Stage::Packages, job.fetch_packages(ctx)).await?;
        let ctx = &job.dated(ctx);
        stage(ctx, Stage::Root, job.install_root(ctx)).await?;
        let kernel = stage(ctx, Stage::Initramfs, job.make_initramfs(ctx)).await?;
        stage(ctx, Stage::RootImage, job.pack_root(ctx)).await?;
        stage(ctx, Stage::Iso, async {
            job.write_boot_files(
                ctx,
                &kernel,
                &MenuText {
                    title: &format!("{} {}", plan.product, plan.version),
                    timeout: MENU_SECONDS,
                    kernel_args: None,
                },
            )?;
            // Packed, the root is of no more use; it goes while programs run.
            let clearing = job.clear_root();
            let built = job.write_iso(ctx).await;
            let _ = clearing.await;
            built
        })
        .await
    }
}

/// How long the boot menu waits unless a kickstart says otherwise.
const MENU_SECONDS: u32 = 3;

async fn stage<T>(
    ctx: &BuildContext,
    stage: Stage,
    work: impl Future<Output = Result<T, ComposeError>>,
) -> Result<T, BuildError> {
    ctx.stage(stage, work)
        .await
        .map_err(|source| BuildError::new(stage, source))
}
