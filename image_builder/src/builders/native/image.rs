//! From the root to the image: its parts, the ISO, and the tree beside it; each made, or taken from what is kept.

use std::path::Path;

use serde::Serialize;

use super::initramfs::Initramfs;
use super::job::{BOOT_ISO, Job, MenuText, not_written};
use super::kept::Tool;
use super::stage;
use crate::builders::{BuildError, Built};
use crate::cache::{Fresh, Key, Kind};
use crate::compose::bootloader::{self, BootFiles, GRUB_MODULES};
use crate::compose::files::{make_folder, place, write};
use crate::compose::iso_stream;
use crate::compose::layout::{INITRAMFS, KERNEL, ROOT_IMAGE};
use crate::compose::root::{self, Kernel};
use crate::compose::tree::TreeFile;
use crate::compose::{ComposeError, initramfs, iso};
use crate::context::{BuildContext, side_by_side};
use crate::events::Stage;
use crate::process::Aside;

/// What an ISO depends on.
#[derive(Debug, Serialize)]
pub(super) struct IsoInputs<'a> {
    /// The kernel is of the root that it packs.
    image: &'a Key,
    initramfs: &'a Key,
    menu: String,
    discinfo: String,
    early_config: String,
    commands: Vec<String>,
    tools: Vec<Option<Tool>>,
    source_date_epoch: u64,
}

/// The ISO among the files that are kept of it.
const BOOT_ISO_KEPT: &str = "boot.iso";

impl Job<'_> {
    /// Makes what the ISO is made of, side by side: dracut takes one processor, and packing the rest.
    pub(super) async fn make_parts(&mut self, ctx: &BuildContext) -> Result<Kernel, BuildError> {
        let fail = |error| BuildError::new(Stage::Initramfs, error);
        let kernel = root::find_kernel(&self.places.root).map_err(fail)?;
        ctx.events.info(format!("Kernel:: {}", kernel.version));
        initramfs::check_mounts(&self.places.root, self.plan.rootfs).map_err(fail)?;
        // Where the sandbox mounts: while the root is packed, nothing more may come into it.
        root::make_mount_points(&self.places.root).map_err(fail)?;
        let (job, of) = (&*self, &kernel);
        let aside = &Aside::default();
        let made = side_by_side(ctx, |first, second| {
            let initramfs = async move {
                let made = stage(&first, Stage::Initramfs, job.make_initramfs(&first, of)).await;
                aside.end();
                made
            };
            let image = async move {
                let work = async {
                    let packed = job.pack_root(&second).await?;
                    // dracut, which takes longer, leaves a processor free. Without it this waits for the ISO.
                    let waits = aside.is_over();
                    if !waits {
                        job.keep_layers(&second, job.root.as_ref()).await?;
                    }
                    Ok((packed, waits))
                };
                stage(&second, Stage::RootImage, aside.scope(work)).await
            };
            (initramfs, image)
        });
        let (initramfs, image) = made.await?;
        self.initramfs = initramfs;
        (self.image_key, self.layers_wait) = image;
        Ok(kernel)
    }

    /// Writes the ISO, or takes one of the same parts; and the tree beside it. Meanwhile what is left to
    /// do with the root is done, and it goes.
    pub(super) async fn write_iso(
        &mut self,
        ctx: &BuildContext,
        kernel: &Kernel,
        words: &MenuText<'_>,
    ) -> Result<Built, ComposeError> {
        self.write_boot_files(ctx, kernel, words)?;
        let tree = self.layout.tree();
        make_folder(&tree.join("images"))?;
        let is_kept = match self.iso_key()? {
            Some(key) => self.kept_iso(ctx, &key)?,
            None => false,
        };
        let spent = self.take_root();
        let job = &*self;
        let written = side_by_side(ctx, |first, second| {
            let iso = async move {
                match is_kept {
                    true => Ok(None),
                    false => job.make_iso(&first).await.map(Some),
                }
            };
            let root = async move {
                if job.layers_wait {
                    job.keep_layers(&second, spent.root()).await?;
                }
                let initramfs = match job.initramfs.clone() {
                    Initramfs::Fresh(fresh) => job.keep_initramfs(&second, kernel, fresh).await,
                    known => Ok(known),
                };
                // Where that fails the work folder's end tells.
                let _ = tokio::task::spawn_blocking(|| spent.remove()).await;
                initramfs
            };
            (iso, root)
        });
        let (made, initramfs) = written.await?;
        self.initramfs = initramfs;
        let (media_md5, to_keep) = made.unzip();
        if let Some(to_keep) = to_keep.flatten()
            && let Some(key) = self.iso_key()?
        {
            self.keep_iso(ctx, &key, &to_keep);
        }
        let sha256 = match self.wants_tree {
            true => Some(self.complete_tree(ctx).await?),
            // Whoever reads it back does it meanwhile.
            false => None,
        };
        Ok(Built {
            tree: self.wants_tree.then_some(tree),
            iso: Some(self.layout.iso()),
            iso_sha256: sha256,
            media_md5,
            source_date: Some(self.source_date.clone()),
            ..Built::default()
        })
    }

    /// The key of the ISO, where all of its parts have one. No ISO is kept of a part that is new.
    pub(super) fn iso_key(&self) -> Result<Option<Key>, ComposeError> {
        Ok(self.iso_inputs()?.map(|inputs| Key::of(&inputs)))
    }

    pub(super) fn iso_inputs(&self) -> Result<Option<IsoInputs<'_>>, ComposeError> {
        let (Some(image), Initramfs::Kept(initramfs)) = (&self.image_key, &self.initramfs) else {
            return Ok(None);
        };
        let mut commands = self.loader_commands();
        commands.push(self.iso_command());
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|source| ComposeError::Io {
                path: path.to_owned(),
                source,
            })
        };
        let iso = self.layout.iso_tree();
        let modules = [self.platform.bios, Some(self.platform.efi)];
        let modules = modules.into_iter().flatten().map(|platform| {
            let kernel = format!("{GRUB_MODULES}/{platform}/kernel.img");
            Tool::file(Path::new(&kernel))
        });
        let programs = commands
            .iter()
            .map(|command| Tool::program(&command.program));
        Ok(Some(IsoInputs {
            image,
            initramfs,
            menu: read(&iso.join("boot/grub2/grub.cfg"))?,
            discinfo: read(&iso.join(".discinfo"))?,
            early_config: bootloader::early_config(&self.plan.volume_id),
            commands: commands
                .iter()
                .map(|command| self.anywhere(command))
                .collect(),
            tools: programs.chain(modules).collect(),
            source_date_epoch: self.source_date.seconds,
        }))
    }

    /// The files that the commands for the ISO leave, by their names where they are kept.
    fn made_by_commands(&self) -> Vec<(&'static str, std::path::PathBuf)> {
        let files = BootFiles::of(&self.layout, self.platform);
        let mut made = vec![
            (BOOT_ISO_KEPT, self.layout.iso()),
            ("efiboot.img", files.esp),
            ("loader.efi", files.efi),
            ("read-back.efi", files.efi_in_esp),
        ];
        if self.platform.bios.is_some() {
            made.push(("eltorito.img", files.eltorito));
        }
        made
    }

    /// Puts an ISO that is kept in its place; `false` if it is not. It is a copy: what is delivered is somebody else's,
    /// who may change it.
    fn kept_iso(&self, ctx: &BuildContext, key: &Key) -> Result<bool, ComposeError> {
        let entry = self.store(Kind::Iso).get::<()>(key);
        let Some(entry) = self.found(ctx, entry) else {
            return Ok(false);
        };
        make_folder(&self.layout.boot())?;
        for (name, path) in self.made_by_commands() {
            std::fs::copy(entry.data().join(name), &path)
                .map_err(|source| ComposeError::Io { path, source })?;
        }
        self.place_loaders()?;
        ctx.events
            .info(format!("ISO:: hit {}, the same parts", key.short()));
        Ok(true)
    }

    /// Keeps an ISO that was just written, with what else the commands left.
    fn keep_iso(&self, ctx: &BuildContext, key: &Key, fresh: &Fresh) {
        let store = self.store(Kind::Iso);
        let keep = || {
            let made = self.made_by_commands().into_iter();
            for (name, path) in made.filter(|(name, _)| *name != BOOT_ISO_KEPT) {
                std::fs::copy(path, fresh.data().join(name))?;
            }
            store.put(key, fresh, ())
        };
        match keep() {
            Ok(_) => ctx
                .events
                .info(format!("ISO:: miss, kept as {}", key.short())),
            Err(error) => self.not_kept(ctx, "ISO", &error.to_string()),
        }
    }

    /// Makes the ISO, and the boot loaders if they are not there yet. Gives its implanted checksum and, where it may be
    /// kept, a second ISO, written in the same pass.
    async fn make_iso(&self, ctx: &BuildContext) -> Result<(String, Option<Fresh>), ComposeError> {
        if !self.has_loaders {
            self.loaders().make(ctx).await?;
        }
        // The loader for BIOS is on the ISO itself.
        self.place_loaders()?;
        let to_keep = self.room_to_keep(ctx);
        let second = to_keep
            .as_ref()
            .map(|fresh| fresh.data().join(BOOT_ISO_KEPT));
        let (job, iso) = (self.layout.job(), self.layout.iso());
        let pipe = self.layout.iso_pipe();
        let xorriso = self.iso_command();
        let written = iso_stream::write(ctx, Stage::Iso, &xorriso, &pipe, &iso, second.as_deref());
        let written = written.await.map_err(|error| not_written(error, job))?;
        match written.without_second {
            Some(why) => {
                self.not_kept(ctx, "ISO", &why.to_string());
                Ok((written.md5, None))
            }
            None => Ok((written.md5, to_keep)),
        }
    }

    /// Where a second ISO goes, unless it is known that it will not be kept.
    fn room_to_keep(&self, ctx: &BuildContext) -> Option<Fresh> {
        if self.image_key.is_none() || matches!(self.initramfs, Initramfs::Unkept) {
            return None;
        }
        let make = || {
            // What the ISO is made of.
            self.make_room(ctx, root::size(&self.layout.iso_tree())?);
            let fresh = self.store(Kind::Iso).fresh()?;
            std::fs::create_dir(fresh.data())?;
            Ok(fresh)
        };
        make()
            .map_err(|error: std::io::Error| self.not_kept(ctx, "ISO", &error.to_string()))
            .ok()
    }

    fn place_loaders(&self) -> Result<(), ComposeError> {
        let files = BootFiles::of(&self.layout, self.platform);
        let iso = self.layout.iso_tree();
        bootloader::check_esp(&files)?;
        place(
            &files.efi,
            &iso.join("EFI/BOOT").join(self.platform.efi_file),
        )?;
        if self.platform.bios.is_some() {
            place(&files.eltorito, &iso.join(iso::ELTORITO))?;
        }
        Ok(())
    }

    /// The tree beside the ISO: the same files, without a second copy on the disk, and the
    /// metadata. Gives the ISO's SHA-256.
    async fn complete_tree(&self, ctx: &BuildContext) -> Result<String, ComposeError> {
        let (iso, tree) = (self.layout.iso_tree(), self.layout.tree());
        let efi = format!("EFI/BOOT/{}", self.platform.efi_file);
        let mut names = vec![
            KERNEL,
            INITRAMFS,
            ROOT_IMAGE,
            "boot/grub2/grub.cfg",
            "EFI/BOOT/grub.cfg",
            efi.as_str(),
            ".discinfo",
        ];
        if self.platform.bios.is_some() {
            names.push(iso::ELTORITO);
        }
        for name in names {
            place(&iso.join(name), &tree.join(name))?;
        }
        place(
            &BootFiles::of(&self.layout, self.platform).esp,
            &tree.join("images/efiboot.img"),
        )?;
        let hashed = [
            BOOT_ISO,
            ROOT_IMAGE,
            INITRAMFS,
            KERNEL,
            "images/efiboot.img",
        ];
        let listed = TreeFile::hash(ctx, &tree, &hashed).await?;
        let treeinfo = self.tree_info().treeinfo(&listed);
        write(&tree.join(".treeinfo"), &treeinfo)?;
        Ok(listed[0].sha256.clone())
    }
}
