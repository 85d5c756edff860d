//! The boot loaders of an image. Nothing of the root goes into them, so they are made while it is filled: installing
//! leaves a processor free.

use std::path::{Path, PathBuf};

use super::job::{Job, failure};
use crate::compose::ComposeError;
use crate::compose::bootloader::{self, BootFiles};
use crate::compose::files::{require, write};
use crate::context::BuildContext;
use crate::process::Invocation;

/// What makes the loaders, and where.
#[derive(Debug, Clone)]
pub(super) struct Loaders {
    commands: Vec<Invocation>,
    /// The file that is built into them, and its text.
    early_config: (PathBuf, String),
    /// The work folder.
    job: PathBuf,
}

impl Job<'_> {
    pub(super) fn loaders(&self) -> Loaders {
        Loaders {
            commands: self.loader_commands(),
            early_config: (
                BootFiles::of(&self.layout, self.platform).early_config,
                bootloader::early_config(&self.plan.volume_id),
            ),
            job: self.layout.job().to_owned(),
        }
    }

    /// The commands that make the loaders, and the FAT image for UEFI.
    pub(super) fn loader_commands(&self) -> Vec<Invocation> {
        bootloader::invocations(&self.plan.mkimage, &self.layout, self.platform)
    }
}

impl Loaders {
    /// Makes them.
    pub(super) async fn make(&self, ctx: &BuildContext) -> Result<(), ComposeError> {
        let (path, text) = &self.early_config;
        write(path, text)?;
        let job = &self.job;
        for command in &self.commands {
            let result = ctx.run(command).await;
            result.map_err(|error| failure(error, job))?;
            if let Some(made) = made_by(command) {
                require(&made)?;
            }
        }
        Ok(())
    }
}

/// grub-mkimage is told what to make.
fn made_by(command: &Invocation) -> Option<PathBuf> {
    let mut args = command.args.iter().skip_while(|arg| *arg != "-o");
    args.nth(1).map(|made| Path::new(made).to_owned())
}
