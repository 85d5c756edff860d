//! The initramfs of an image: dracut's, or what it made of the same files before.
//!
//! Of which files dracut made one is read from its archive. That takes a while in which nothing else would run, so it
//! is left for the time in which the ISO is written: until then it is [`Initramfs::Fresh`].

use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::job::{Job, lock, no_space};
use crate::cache::{Key, Kind};
use crate::compose::files::{make_folder, make_readable, write, write_program};
use crate::compose::root::Kernel;
use crate::compose::{ComposeError, initramfs, initramfs_inputs};
use crate::context::{BuildContext, Line};
use crate::process::Invocation;
use crate::source_date::Origin;
use crate::spec::CompressionAlgorithm;

/// What an initramfs depends on.
#[derive(Debug, Serialize)]
pub(super) struct InitramfsInputs<'a> {
    /// Its architecture is that of the kernel.
    kernel: &'a str,
    command: String,
    source_date_epoch: u64,
    /// Of the files that go in, and those that dracut reads.
    files: String,
}

/// Which files went into an initramfs.
#[derive(Debug, Serialize, Deserialize)]
struct InputsNote {
    /// Of the kernel and the command.
    made_by: Key,
}

/// Whether the initramfs in its place is there for other builds.
#[derive(Debug, Clone)]
pub(super) enum Initramfs {
    /// It is not, nor will be.
    Unkept,
    /// It is, as this.
    Kept(Key),
    /// dracut just made it; to be kept while the ISO is written: [`Job::keep_initramfs`].
    Fresh(Fresh),
}

/// How dracut made an initramfs.
#[derive(Debug, Clone)]
pub(super) struct Fresh {
    /// Of the kernel and the command.
    made_by: Key,
    command: Invocation,
    date: u64,
}

/// So many lists of files are tried, the last used first.
const LISTS: usize = 8;

impl Job<'_> {
    /// Makes the initramfs, unless one that is kept is of the same files.
    pub(super) async fn make_initramfs(
        &self,
        ctx: &BuildContext,
        kernel: &Kernel,
    ) -> Result<Initramfs, ComposeError> {
        make_folder(&self.layout.parts())?;
        let date = self.initramfs_date(kernel)?;
        let command = self
            .dracut()
            .bind(initramfs::KERNEL_VERSION, &kernel.version)
            .bind(initramfs::KERNEL_DATE, &date.to_string());
        // The files in it are read from an archive of zstd's; others are not kept.
        let is_read = self.plan.initramfs.algorithm == CompressionAlgorithm::Zstd;
        if !is_read || self.root_key.is_none() {
            self.run_dracut(ctx, &command).await?;
            return Ok(Initramfs::Unkept);
        }
        let made_by = Key::of(&(&kernel.version, self.anywhere(&command), date));
        let kept = self
            .kept_initramfs(ctx, kernel, &made_by, &command, date)
            .await?;
        if let Some(key) = kept {
            ctx.events.info(format!(
                "Initramfs:: hit {}, all of its files the same",
                key.short()
            ));
            return Ok(Initramfs::Kept(key));
        }
        ctx.events
            .info("Initramfs:: miss, none is kept that has the same files");
        self.run_dracut(ctx, &command).await?;
        Ok(Initramfs::Fresh(Fresh {
            made_by,
            command,
            date,
        }))
    }

    /// The time that the files in it carry: that of the kernel, so that a newer package that does not
    /// go in makes no other one.
    fn initramfs_date(&self, kernel: &Kernel) -> Result<u64, ComposeError> {
        if self.source_date.origin == Origin::Environment {
            return Ok(self.source_date.seconds);
        }
        let meta = kernel.image.metadata();
        let modified = meta.map_err(|source| ComposeError::Io {
            path: kernel.image.clone(),
            source,
        })?;
        Ok(u64::try_from(modified.mtime()).unwrap_or_default())
    }

    pub(super) fn initramfs_inputs<'a>(
        &self,
        kernel: &'a Kernel,
        command: &Invocation,
        date: u64,
        files: String,
    ) -> InitramfsInputs<'a> {
        InitramfsInputs {
            kernel: &kernel.version,
            command: self.anywhere(command),
            source_date_epoch: date,
            files,
        }
    }

    async fn kept_initramfs(
        &self,
        ctx: &BuildContext,
        kernel: &Kernel,
        made_by: &Key,
        command: &Invocation,
        date: u64,
    ) -> Result<Option<Key>, ComposeError> {
        let store = self.store(Kind::Inputs);
        let notes = self.found(ctx, store.notes::<InputsNote>().map(Some));
        let lists = notes
            .into_iter()
            .flatten()
            .filter(|(_, note)| note.made_by == *made_by)
            .take(LISTS);
        for (list, _) in lists {
            let Some(entry) = self.found(ctx, store.get::<InputsNote>(&list)) else {
                continue;
            };
            let text = std::fs::read_to_string(entry.data()).map(Some);
            let Some(text) = self.found(ctx, text) else {
                continue;
            };
            let members = text.lines().map(str::to_owned).collect();
            let files = self.files_digest(kernel, members).await?;
            let key = Key::of(&self.initramfs_inputs(kernel, command, date, files));
            let to = self.layout.initramfs();
            if self.take(ctx, Kind::Initramfs, &key, &to) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Keeps what dracut just made of the root, which has to be there still.
    pub(super) async fn keep_initramfs(
        &self,
        ctx: &BuildContext,
        kernel: &Kernel,
        fresh: Fresh,
    ) -> Result<Initramfs, ComposeError> {
        let Fresh {
            made_by,
            command,
            date,
        } = fresh;
        let file = self.layout.initramfs();
        let read = tokio::task::spawn_blocking(move || initramfs_inputs::members(&file)).await;
        let members = match read.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
            Ok(members) => members,
            Err(error) => {
                ctx.events.info(format!(
                    "Initramfs:: not kept, its files are not known: {error}"
                ));
                return Ok(Initramfs::Unkept);
            }
        };
        let text = members.join("\n");
        let files = self.files_digest(kernel, members).await?;
        let key = Key::of(&self.initramfs_inputs(kernel, &command, date, files));
        let file = self.layout.initramfs();
        if !self.keep(ctx, "Initramfs", (Kind::Initramfs, &key), &file, ()) {
            return Ok(Initramfs::Kept(key));
        }
        let list = Key::of(&(&made_by, &text));
        let path = self.layout.parts().join("members");
        write(&path, &text)?;
        let note = InputsNote { made_by };
        self.keep(ctx, "Initramfs", (Kind::Inputs, &list), &path, note);
        Ok(Initramfs::Kept(key))
    }

    async fn files_digest(
        &self,
        kernel: &Kernel,
        members: Vec<String>,
    ) -> Result<String, ComposeError> {
        let (root, version) = (self.places.root.clone(), kernel.version.clone());
        let digest = tokio::task::spawn_blocking(move || {
            initramfs_inputs::digest(&root, &version, &members)
        })
        .await;
        digest
            .unwrap_or_else(|panic| Err(std::io::Error::other(panic)))
            .map_err(|source| ComposeError::Io {
                path: self.places.root.clone(),
                source,
            })
    }

    async fn run_dracut(
        &self,
        ctx: &BuildContext,
        dracut: &Invocation,
    ) -> Result<(), ComposeError> {
        let ldd = self.layout.parts().join(initramfs::LDD);
        write_program(&ldd, &initramfs::ldd(self.plan.arch))?;
        let watch = Arc::new(Mutex::new(initramfs::Watch::default()));
        let result = {
            let watch = Arc::clone(&watch);
            ctx.run_watched(dracut, move |line| {
                lock(&watch).line(line);
                Line::Keep
            })
            .await
        };
        let job = self.layout.job();
        result.map_err(|error| initramfs::explain(no_space(error, job), job))?;
        lock(&watch).verdict()?;
        initramfs::check(&self.layout.initramfs(), self.plan.initramfs)?;
        // dracut makes it for its owner alone; a web or TFTP server has to read it.
        make_readable(&self.layout.initramfs())
    }
}
