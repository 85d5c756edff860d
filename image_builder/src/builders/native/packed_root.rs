//! The packed root of an image: one that is kept, or a new one, for which blocks of those that are kept are taken.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::job::{Job, failure};
use super::kept::Tool;
use crate::cache::{Entry, Key, Kind};
use crate::compose::ComposeError;
use crate::compose::files::{at, make_folder, require};
use crate::compose::root_image::{EMPTIED, Packer};
use crate::compose::squashfs::{self, KnownBlocks, Method, Options, Packed, Packing};
use crate::context::BuildContext;
use crate::events::{Stage, Unit, Work};
use crate::process::{Aside, CommandError};
use crate::quantity::ByteSize;

/// What a packed root depends on.
#[derive(Debug, Serialize)]
pub(super) struct ImageInputs<'a> {
    root: &'a Key,
    /// How the engine packs it, where no program does.
    method: Option<Method>,
    block_size: Option<u32>,
    /// The program's.
    command: Option<String>,
    tool: Option<Tool>,
    source_date_epoch: u64,
}

/// What is kept with a packed root.
#[derive(Debug, Serialize, Deserialize)]
struct ImageNote {
    /// For SquashFS, what has to be the same for its blocks to be of use: [`Job::blocks_key`].
    blocks: Option<Key>,
}

/// The packed root among the files of its entry, and the list of its blocks.
const IMAGE: &str = "image";
const BLOCKS: &str = "blocks";

/// Blocks are taken from so many packed roots, those that were used last.
const BASES: usize = 3;

impl Job<'_> {
    /// The key of the packed root, where the root has one.
    pub(super) fn packed_key(&self) -> Option<Key> {
        self.packed_inputs().map(|inputs| Key::of(&inputs))
    }

    pub(super) fn packed_inputs(&self) -> Option<ImageInputs<'_>> {
        let (options, command) = match self.packer() {
            Packer::Squashfs(options) => (Some(options), None),
            Packer::Erofs(command) => (None, Some(command)),
        };
        let command = command.as_deref();
        Some(ImageInputs {
            root: self.root_key.as_ref()?,
            method: options.map(|options| options.method),
            block_size: options.map(|options| options.block_size),
            command: command.map(|command| self.anywhere(command)),
            tool: command.and_then(|command| Tool::program(&command.program)),
            source_date_epoch: self.source_date.seconds,
        })
    }

    /// What two packed roots have to have in common for the blocks of one to be of use for the other: that they are
    /// compressed alike. Those of other releases would not be found there, and are not looked at.
    fn blocks_key(&self, options: Options) -> Key {
        let Options {
            method, block_size, ..
        } = options;
        let release = self.plan.release.to_string();
        Key::of(&(method, block_size, self.plan.arch.to_string(), release))
    }

    /// Packs the root, unless the same root was packed alike before. Gives its key, if it is one that is
    /// kept.
    pub(super) async fn pack_root(&self, ctx: &BuildContext) -> Result<Option<Key>, ComposeError> {
        let image = self.layout.root_image();
        make_folder(image.parent().unwrap_or(self.layout.job()))?;
        let key = self.packed_key();
        if let Some(key) = &key
            && self.kept_image(ctx, key, &image)
        {
            ctx.events
                .info(format!("Packed root:: hit {}, the same root", key.short()));
            return Ok(Some(key.clone()));
        }
        let index = self.layout.job().join("root-blocks");
        let blocks = match self.packer() {
            Packer::Squashfs(options) => {
                let packed = self.squash(ctx, options, &index).await?;
                ctx.events.info(told(packed));
                Some(self.blocks_key(options))
            }
            Packer::Erofs(command) => {
                let ran = ctx.run(&command).await;
                ran.map_err(|error| failure(error, self.layout.job()))?;
                None
            }
        };
        require(&image)?;
        if let Some(key) = &key {
            match self.keep_image(ctx, key, &image, &index, ImageNote { blocks }) {
                Ok(()) => ctx
                    .events
                    .info(format!("Packed root:: miss, kept as {}", key.short())),
                Err(error) => self.not_kept(ctx, "Packed root", &error.to_string()),
            }
        }
        Ok(key)
    }

    async fn squash(
        &self,
        ctx: &BuildContext,
        options: Options,
        index: &Path,
    ) -> Result<Packed, ComposeError> {
        let known = self.known_blocks(ctx, options);
        let (root, image, index) = (
            self.places.root.clone(),
            self.layout.root_image(),
            index.to_owned(),
        );
        let (processors, aside) = (self.plan.processors, Aside::current());
        let (events, cancel) = (ctx.events.clone(), ctx.cancel.clone());
        let _working = ctx.working(Work::PackRoot);
        let packed = tokio::task::spawn_blocking(move || {
            let mut told = 0;
            let mut watch = |done: u64, all: u64| {
                let percent = done * 100 / all.max(1);
                if percent > told {
                    told = percent;
                    events.progress(Stage::RootImage, done, all, Unit::Bytes);
                }
                !cancel.is_cancelled()
            };
            let packing = Packing {
                root: &root,
                emptied: &EMPTIED,
                image: &image,
                index: &index,
                options,
                known: &known,
                processors,
            };
            let begin = || aside.as_ref().and_then(Aside::stand);
            squashfs::pack(packing, &begin, &mut watch)
        });
        let packed = packed
            .await
            .unwrap_or_else(|panic| Err(io::Error::other(panic)));
        packed.map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => ComposeError::Command(CommandError::Cancelled {
                command: "packing the root".to_owned(),
            }),
            // It names the file.
            _ => at(self.layout.job())(error),
        })
    }

    /// The blocks of packed roots that are kept.
    fn known_blocks(&self, ctx: &BuildContext, options: Options) -> KnownBlocks {
        let mut known = KnownBlocks::default();
        if self.root_key.is_none() {
            return known;
        }
        let store = self.store(Kind::Image);
        let alike = Some(self.blocks_key(options));
        let notes = self.found(ctx, store.notes::<ImageNote>().map(Some));
        let bases = (notes.into_iter().flatten()).filter(|(_, note)| note.blocks == alike);
        for (key, _) in bases.take(BASES) {
            let Some(base) = self.found(ctx, store.get::<ImageNote>(&key)) else {
                continue;
            };
            let data = base.data();
            let added = known.add(&data.join(IMAGE), &data.join(BLOCKS));
            self.found(ctx, added.map(Some));
        }
        known
    }

    /// Puts a packed root that is kept in its place; `false` if it is not.
    fn kept_image(&self, ctx: &BuildContext, key: &Key, to: &Path) -> bool {
        let entry = self.found(ctx, self.store(Kind::Image).get::<ImageNote>(key));
        self.taken(ctx, entry, |entry: &Entry<_>| entry.data().join(IMAGE), to)
    }

    fn keep_image(
        &self,
        ctx: &BuildContext,
        key: &Key,
        image: &Path,
        index: &Path,
        note: ImageNote,
    ) -> io::Result<()> {
        let store = self.store(Kind::Image);
        let fresh = store.fresh()?;
        std::fs::create_dir(fresh.data())?;
        self.put_file(ctx, image, &fresh.data().join(IMAGE))?;
        if note.blocks.is_some() {
            self.put_file(ctx, index, &fresh.data().join(BLOCKS))?;
        }
        store.put(key, &fresh, note).map(drop)
    }
}

/// What was done, for the log.
fn told(packed: Packed) -> String {
    let Packed {
        inodes,
        unpacked,
        size,
        blocks,
        reused,
    } = packed;
    let percent = size * 100 / unpacked.max(1);
    format!(
        "Packed root:: {inodes} files in {} ({percent} % of {}), {reused} of {blocks} blocks as they were packed before",
        ByteSize(size),
        ByteSize(unpacked),
    )
}
