//! Live images, natively: the root of a boot image, set up by a kickstart.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use super::job::{Job, MenuText};
use super::root::Layer;
use super::{MENU_SECONDS, Native, apart, stage};
use crate::builders::{BuildError, Built, Live};
use crate::cache::Key;
use crate::compose::dnf;
use crate::compose::layout::{INITRAMFS, KERNEL, ROOT_IMAGE};
use crate::compose::script::{self, Scripts};
use crate::compose::system::{self, Task, carry_out};
use crate::compose::{ComposeError, iso, root};
use crate::context::BuildContext;
use crate::events::{Outcome, Stage};
use crate::kickstart::{Script, Settings};
use crate::plan::{BuildPlan, LivePlan, Step};
use crate::report::KickstartRecord;

#[async_trait]
impl Live for Native {
    fn steps(&self, plan: &BuildPlan) -> Vec<Step> {
        let image = Image::new(plan);
        let mut steps = image.job.root_steps();
        steps.push(Step {
            stage: Stage::Kickstart,
            commands: image.commands(),
        });
        steps.extend(image.job.image_steps());
        steps
    }

    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
        apart(plan, ctx, |plan, ctx| async move {
            live_image(&plan, &ctx).await
        })
        .await
    }
}

async fn live_image(plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
    let mut image = Image::new(plan);
    let mut record = KickstartRecord::default();
    let built = image.build(ctx, &mut record).await;
    let logs = image.logs();
    match built {
        Ok(built) => Ok(Built {
            logs,
            kickstart: Some(record),
            ..built
        }),
        Err(error) => Err(BuildError {
            logs,
            kickstart: Some(Box::new(record)),
            ..error
        }),
    }
}

/// What a root depends on to which a kickstart was done.
#[derive(Debug, Serialize)]
pub(super) struct KickstartInputs<'a> {
    root: &'a Key,
    /// Its text, with all that it includes.
    kickstart: String,
    /// What it comes to: also of the repositories that it leaves in the root.
    tasks: String,
    source_date_epoch: u64,
}

/// One live image.
pub(super) struct Image<'a> {
    pub(super) job: Job<'a>,
    live: LivePlan,
    settings: &'a Settings,
    tasks: Vec<Task>,
    scripts: Scripts,
}

impl<'a> Image<'a> {
    pub(super) fn new(plan: &'a BuildPlan) -> Self {
        let job = Job::new(plan, &plan.packages);
        // No plan chooses this builder for another kind of image.
        let live = plan.image.live().cloned().unwrap_or_default();
        let settings = &plan.kickstart.settings;
        let work = job.layout.job();
        let scripts = Scripts {
            root: job.places.root.clone(),
            live_root: job.layout.iso_tree(),
            // A spec without a file has no folder.
            folder: match &plan.spec.base_dir {
                Some(folder) if folder.parent().is_some() => folder.clone(),
                _ => work.join("scripts"),
            },
            shared: work.join("scripts"),
            logs: work.join("script-logs"),
            limit: Duration::from_secs(live.script_seconds),
            essential: vec![
                dnf::database(&plan.release)
                    .trim_start_matches('/')
                    .to_owned(),
                "usr/lib/modules".to_owned(),
                "usr/bin".to_owned(),
            ],
            reserved: reserved(&job),
        };
        Self {
            tasks: system::tasks(settings, &plan.repositories, &plan.volume_id),
            job,
            live,
            settings,
            scripts,
        }
    }

    /// The scripts that run, each with its number.
    fn posts(&self) -> impl Iterator<Item = (usize, &'a Script)> {
        let posts = self
            .settings
            .scripts
            .iter()
            .filter(|script| script::runs(script));
        posts.enumerate().map(|(index, script)| (index + 1, script))
    }

    fn commands(&self) -> Vec<crate::process::Invocation> {
        let mut commands =
            system::commands(&self.tasks, &self.job.places.root, &self.scripts.shared);
        commands.extend(
            self.posts()
                .map(|(number, post)| self.scripts.invocation(post, number)),
        );
        commands
    }

    async fn build(
        &mut self,
        ctx: &BuildContext,
        record: &mut KickstartRecord,
    ) -> Result<Built, BuildError> {
        stage(ctx, Stage::Packages, self.job.fetch_packages(ctx)).await?;
        let ctx = &self.job.dated(ctx);
        stage(ctx, Stage::Root, self.job.install_root(ctx)).await?;
        stage(ctx, Stage::Kickstart, self.carry_out(ctx, record)).await?;
        let job = &mut self.job;
        let kernel = job.make_parts(ctx).await?;
        let bootloader = self.settings.bootloader.as_ref();
        let menu = MenuText {
            title: &self.live.title,
            timeout: bootloader
                .and_then(|bootloader| bootloader.timeout)
                .unwrap_or(MENU_SECONDS),
            kernel_args: bootloader.and_then(|bootloader| bootloader.append.as_deref()),
        };
        stage(ctx, Stage::Iso, job.write_iso(ctx, &kernel, &menu)).await
    }

    /// Does what the kickstart says, or takes the root to which it was done before.
    async fn carry_out(
        &mut self,
        ctx: &BuildContext,
        record: &mut KickstartRecord,
    ) -> Result<(), ComposeError> {
        let key = self.kickstart_key();
        if let Some(key) = &key
            && let Some(layers) = self.job.kept_root(ctx, key)
        {
            if let Some(kept) = layers.first().and_then(Layer::kickstart) {
                *record = kept.clone();
            }
            for not_applied in &record.not_applied {
                ctx.events.warn(not_applied.to_string());
            }
            ctx.events.info(format!(
                "Kickstart:: hit {}, carried out before on the same root",
                key.short()
            ));
            self.job.open(layers, key)?;
            return self.check_size().await;
        }
        if let Some(key) = &key {
            let key = key.short();
            ctx.events.info(format!("Kickstart:: miss {key}"));
        }
        self.set_up(ctx, record).await?;
        let all_succeeded = (record.scripts.iter()).all(|one| one.outcome == Outcome::Succeeded);
        match key.filter(|_| all_succeeded) {
            Some(key) => self.job.keep_changes(ctx, &key, record.clone()).await,
            // What is made of this root is not kept either.
            None => {
                self.job.root_key = None;
                Ok(())
            }
        }
    }

    /// The key of the root when the kickstart is carried out; none where a script sees more than the
    /// root.
    pub(super) fn kickstart_key(&self) -> Option<Key> {
        self.kickstart_inputs().map(|inputs| Key::of(&inputs))
    }

    pub(super) fn kickstart_inputs(&self) -> Option<KickstartInputs<'_>> {
        if self.posts().any(|(_, post)| !post.in_root) {
            return None;
        }
        Some(KickstartInputs {
            root: self.job.root_key.as_ref()?,
            kickstart: self.job.plan.kickstart.text.to_string(),
            tasks: format!("{:?}", self.tasks),
            source_date_epoch: self.job.source_date.seconds,
        })
    }

    /// Sets the root up, runs the scripts, and looks at what they left.
    async fn set_up(
        &self,
        ctx: &BuildContext,
        record: &mut KickstartRecord,
    ) -> Result<(), ComposeError> {
        for task in &self.tasks {
            let told = carry_out(ctx, task, &self.job.places.root, &self.scripts.shared).await?;
            if let Some(not_applied) = told {
                ctx.events.warn(not_applied.to_string());
                record.not_applied.push(not_applied);
            }
        }
        for (number, post) in self.posts() {
            ctx.events
                .info(format!("Script:: {} of {}", post.kind, post.place));
            let (ended, result) = self.scripts.run(ctx, post, number).await;
            record.scripts.push(ended);
            result?;
        }
        self.check_size().await
    }

    /// The root is no larger than `part /` lets it be.
    async fn check_size(&self) -> Result<(), ComposeError> {
        let Some(part) = self.settings.root_partition() else {
            return Ok(());
        };
        let Some(allowed_mib) = part.size_mib else {
            return Ok(());
        };
        let path = self.job.places.root.clone();
        let counted = tokio::task::spawn_blocking(move || root::size(&path)).await;
        let taken = counted
            .unwrap_or_else(|panic| Err(std::io::Error::other(panic)))
            .map_err(|source| ComposeError::Io {
                path: self.job.places.root.clone(),
                source,
            })?;
        let taken_mib = taken.div_ceil(1024 * 1024);
        match taken_mib > allowed_mib {
            true => Err(ComposeError::RootSize {
                place: part.place.to_string(),
                allowed_mib,
                taken_mib,
            }),
            false => Ok(()),
        }
    }

    /// The logs of scripts that are not in the root.
    fn logs(&self) -> Vec<std::path::PathBuf> {
        let entries = self.scripts.logs.read_dir().into_iter().flatten();
        let mut logs: Vec<_> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .collect();
        logs.sort();
        logs
    }
}

/// Where the image's own files go.
fn reserved(job: &Job<'_>) -> Vec<String> {
    let efi = format!("EFI/BOOT/{}", job.platform.efi_file);
    [
        KERNEL,
        INITRAMFS,
        ROOT_IMAGE,
        iso::ELTORITO,
        "boot/grub2/grub.cfg",
        "EFI/BOOT/grub.cfg",
        ".discinfo",
        efi.as_str(),
    ]
    .map(str::to_owned)
    .to_vec()
}
