//! The native engine as a backend: the steps of [`crate::compose`] in their order.

mod dvd;
mod groups;
mod image;
mod initramfs;
mod job;
mod kept;
#[cfg(test)]
mod key_tests;
mod live;
mod loaders;
mod packages;
mod packed_root;
mod root;
mod solve;

use async_trait::async_trait;

use super::{Bootiso, BuildError, Built};
use crate::compose::{ComposeError, mounts};
use crate::context::BuildContext;
use crate::events::Stage;
use crate::plan::{BuildPlan, Step};
use job::{Job, MenuText};

/// Makes boot ISOs with dnf, dracut, GRUB and xorriso.
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
        apart(plan, ctx, |plan, ctx| async move {
            boot_image(&plan, &ctx).await
        })
        .await
    }
}

async fn boot_image(plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
    let mut job = Job::new(plan, &plan.packages);
    stage(ctx, Stage::Packages, job.fetch_packages(ctx)).await?;
    let ctx = &job.dated(ctx);
    stage(ctx, Stage::Root, job.install_root(ctx)).await?;
    let kernel = job.make_parts(ctx).await?;
    let menu = MenuText {
        title: &format!("{} {}", plan.product, plan.version),
        timeout: MENU_SECONDS,
        kernel_args: None,
    };
    stage(ctx, Stage::Iso, job.write_iso(ctx, &kernel, &menu)).await
}

/// Does `work` where mounts are its own: a root that is kept is shown by one. When this is dropped,
/// `work` is told to stop.
async fn apart<W, F>(plan: &BuildPlan, ctx: &BuildContext, work: W) -> Result<Built, BuildError>
where
    W: FnOnce(BuildPlan, BuildContext) -> F + Send + 'static,
    F: Future<Output = Result<Built, BuildError>>,
{
    let stop = ctx.cancel.child_token();
    let _dropped = stop.clone().drop_guard();
    let (path, plan) = (plan.paths.work.clone(), plan.clone());
    let ctx = ctx.stopped_by(stop);
    match mounts::apart(move || work(plan, ctx)).await {
        Ok(built) => built,
        Err(source) => Err(BuildError::new(
            Stage::Packages,
            ComposeError::Io { path, source },
        )),
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
