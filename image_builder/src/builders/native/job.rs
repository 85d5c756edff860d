//! The steps that every image of the native engine goes through.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::groups;
use super::packages::Places;
use crate::builders::{Built, explain};
use crate::compose::bootloader::{self, BootFiles, Menu, Platform};
use crate::compose::dnf::{self, Dnf};
use crate::compose::dnf_cache::CachedRepository;
use crate::compose::files::{make_folder, make_readable, place, require, write};
use crate::compose::layout::{INITRAMFS, KERNEL, Layout, ROOT_IMAGE};
use crate::compose::newest::newest;
use crate::compose::root::{self, Kernel};
use crate::compose::tree::{TreeFile, TreeInfo};
use crate::compose::{ComposeError, initramfs, iso, root_image};
use crate::context::{BuildContext, Line};
use crate::events::{Stage, Unit};
use crate::host::free_bytes;
use crate::http;
use crate::plan::{BuildPlan, Step};
use crate::process::{CommandError, Completed, Invocation};
use crate::repository::Repository;
use crate::source_date::{PLACEHOLDER, SourceDate, VARIABLE};
use crate::workdir;

/// What the boot menu says beside the product's name.
#[derive(Debug, Clone, Copy)]
pub(super) struct MenuText<'a> {
    /// What is started.
    pub(super) title: &'a str,
    /// Seconds until it is.
    pub(super) timeout: u32,
    /// Further arguments of the kernel.
    pub(super) kernel_args: Option<&'a str>,
}

/// One build: the plan, and where its parts are.
pub(super) struct Job<'a> {
    pub(super) plan: &'a BuildPlan,
    /// What is installed: the plan's packages, and those of groups that were looked up.
    pub(super) packages: Vec<String>,
    pub(super) layout: Layout,
    pub(super) places: Places,
    pub(super) platform: Platform,
    /// The time that the image carries: until its packages are known, perhaps the build's.
    pub(super) source_date: SourceDate,
}

impl<'a> Job<'a> {
    pub(super) fn new(plan: &'a BuildPlan, packages: &[String]) -> Self {
        let layout = Layout::new(&plan.paths.work);
        Self {
            places: Places {
                root: layout.root(),
                config: layout.dnf_config(),
                home: layout.home(),
                cache: dnf::cache_folder(&plan.paths.cache),
            },
            // The planner gives this backend no other architecture.
            platform: bootloader::platform(plan.arch).unwrap_or(bootloader::PC),
            layout,
            packages: packages.to_vec(),
            source_date: (plan.source_date.clone())
                .unwrap_or_else(|| SourceDate::of_clock(plan.created)),
            plan,
        }
    }

    /// What fills the root.
    pub(super) fn root_steps(&self) -> Vec<Step> {
        let install = &self.plan.install;
        let look_up = install
            .looks_up_groups()
            .then(|| groups::invocation(&self.dnf(), install));
        let download = self.dnf().download(&self.packages);
        vec![
            Step {
                stage: Stage::Packages,
                commands: look_up.into_iter().chain([download]).collect(),
            },
            Step {
                stage: Stage::Root,
                commands: vec![self.dnf().transaction(&self.packages)],
            },
        ]
    }

    /// What makes an image of it.
    pub(super) fn image_steps(&self) -> Vec<Step> {
        vec![
            Step {
                stage: Stage::Initramfs,
                commands: vec![self.dracut()],
            },
            Step {
                stage: Stage::RootImage,
                commands: vec![self.pack()],
            },
            Step {
                stage: Stage::Iso,
                commands: self.iso_commands(),
            },
        ]
    }

    pub(super) fn dnf(&self) -> Dnf<'_> {
        self.places.dnf(self.plan)
    }

    pub(super) fn dracut(&self) -> Invocation {
        initramfs::invocation(
            &self.layout,
            self.plan.arch,
            self.plan.initramfs,
            self.plan.rootfs,
        )
    }

    pub(super) fn pack(&self) -> Invocation {
        root_image::invocation(
            &self.layout,
            self.plan.arch,
            self.plan.rootfs,
            self.plan.compression,
            self.plan.processors,
        )
    }

    pub(super) fn iso_commands(&self) -> Vec<Invocation> {
        let mut commands = bootloader::invocations(&self.plan.mkimage, &self.layout, self.platform);
        commands.push(iso::invocation(
            &self.layout,
            self.platform,
            &self.plan.volume_id,
        ));
        commands.push(iso::implant_checksum(&self.layout.iso()));
        commands
    }

    pub(super) async fn fetch_packages(&mut self, ctx: &BuildContext) -> Result<(), ComposeError> {
        let repositories = self.with_local_keys().await?;
        self.places.prepare(self.plan, &repositories)?;
        let (plan, packages) = (self.plan, &self.packages);
        let download = self.places.download(ctx, Stage::Packages, plan, packages);
        let fetched = download.await?;
        self.packages = fetched.packages;
        if self.plan.source_date.is_none() {
            self.find_source_date(ctx, fetched.files).await?;
        }
        Ok(())
    }

    /// The time that the image carries, from the newest of its packages.
    async fn find_source_date(
        &mut self,
        ctx: &BuildContext,
        files: HashSet<String>,
    ) -> Result<(), ComposeError> {
        let (repositories, cache) = (self.plan.repositories.clone(), self.places.cache.clone());
        let newest = tokio::task::spawn_blocking(move || {
            let cached: Vec<_> = (repositories.iter())
                .map(|repository| CachedRepository::new(&cache, repository))
                .collect();
            newest(&cached, &files)
        })
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        match newest {
            Some(date) => self.source_date = date,
            None => ctx.events.warn(format!(
                "no package tells when it was built: the image carries the time of this build, and \
                 the next one will differ; {VARIABLE} in the environment would be taken"
            )),
        }
        Ok(())
    }

    /// `ctx` for commands that are told the image's time.
    pub(super) fn dated(&self, ctx: &BuildContext) -> BuildContext {
        ctx.binding(PLACEHOLDER, self.source_date.seconds.to_string())
    }

    /// The repositories with their keys on this host: the transaction has no network to fetch
    /// them by.
    pub(super) async fn with_local_keys(&self) -> Result<Vec<Repository>, ComposeError> {
        let mut repositories = self.plan.repositories.clone();
        let keys = repositories
            .iter_mut()
            .flat_map(|repository| &mut repository.gpg_keys);
        for (number, key) in keys.filter(|key| key.starts_with("http")).enumerate() {
            let text = http::fetch(key, self.plan.proxy.as_deref())
                .await
                .map_err(|problem| ComposeError::Download(format!("the key {key}: {problem}")))?;
            let path = self.layout.job().join(format!("keys/{number}.asc"));
            write(&path, &text)?;
            *key = format!("file://{}", path.display());
        }
        Ok(repositories)
    }

    pub(super) async fn install_root(&self, ctx: &BuildContext) -> Result<(), ComposeError> {
        let failures = Arc::new(Mutex::new(Vec::new()));
        let watch = {
            let (failures, events) = (Arc::clone(&failures), ctx.events.clone());
            move |line: &str| {
                if let Some((done, total)) = dnf::progress(line) {
                    events.progress(Stage::Root, done, total, Unit::Packages);
                }
                if dnf::is_scriptlet_failure(line) {
                    lock(&failures).push(line.trim().to_owned());
                }
                Line::Keep
            }
        };
        let result = ctx
            .run_watched(&self.dnf().transaction(&self.packages), watch)
            .await;
        let failures = std::mem::take(&mut *lock(&failures));
        let result = no_space(result, &self.places.root);
        match (result, failures.is_empty()) {
            (Err(error), true) => return Err(explain(error, &self.places.root)),
            (Err(CommandError::Failed { .. }) | Ok(_), false) => {
                return Err(ComposeError::Scriptlet(failures));
            }
            (Err(error), false) => return Err(error.into()),
            (Ok(_), true) => {}
        }
        let database = dnf::database(&self.plan.release);
        let present = root::below(&self.places.root, database.trim_start_matches('/'));
        if !present.is_some_and(|path| path.is_dir()) {
            return Err(ComposeError::MissingArtifact {
                path: self.places.root.join(database.trim_start_matches('/')),
            });
        }
        root::tidy(&self.places.root)
    }

    pub(super) async fn make_initramfs(&self, ctx: &BuildContext) -> Result<Kernel, ComposeError> {
        let kernel = root::find_kernel(&self.places.root)?;
        ctx.events.info(format!("Kernel:: {}", kernel.version));
        initramfs::check_mounts(&self.places.root, self.plan.rootfs)?;
        make_folder(&self.layout.parts())?;
        let watch = Arc::new(Mutex::new(initramfs::Watch::default()));
        let dracut = self
            .dracut()
            .bind(initramfs::KERNEL_VERSION, &kernel.version);
        let result = {
            let watch = Arc::clone(&watch);
            ctx.run_watched(&dracut, move |line| {
                lock(&watch).line(line);
                Line::Keep
            })
            .await
        };
        no_space(result, self.layout.job())
            .map_err(|error| initramfs::explain(error, self.layout.job()))?;
        lock(&watch).verdict()?;
        initramfs::check(&self.layout.initramfs(), self.plan.initramfs)?;
        // dracut makes it for its owner alone; a web or TFTP server has to read it.
        make_readable(&self.layout.initramfs())?;
        Ok(kernel)
    }

    pub(super) async fn pack_root(&self, ctx: &BuildContext) -> Result<(), ComposeError> {
        let image = self.layout.root_image();
        make_folder(image.parent().unwrap_or(self.layout.job()))?;
        let events = ctx.events.clone();
        let result = ctx
            .run_watched(&self.pack(), move |line| match root_image::progress(line) {
                Some(percent) => {
                    events.progress(Stage::RootImage, percent, 100, Unit::Percent);
                    Line::Drop
                }
                None => Line::Keep,
            })
            .await;
        no_space(result, self.layout.job()).map_err(|error| explain(error, self.layout.job()))?;
        require(&image)
    }

    /// Removes the root on a thread of its own. Where that fails the work folder's end tells.
    pub(super) fn clear_root(&self) -> tokio::task::JoinHandle<std::io::Result<()>> {
        let root = self.places.root.clone();
        tokio::task::spawn_blocking(move || workdir::remove(&root))
    }

    pub(super) async fn write_iso(&self, ctx: &BuildContext) -> Result<Built, ComposeError> {
        let tree = self.layout.tree();
        make_folder(&tree.join("images"))?;
        let commands = self.iso_commands();
        // The loader for BIOS is on the ISO itself, so it has to be in place before xorriso runs.
        let loaders = commands.len() - 2;
        for (number, command) in commands.iter().enumerate() {
            if number == loaders {
                self.place_loaders()?;
            }
            let events = ctx.events.clone();
            let result = ctx
                .run_watched(command, move |line| match iso::progress(line) {
                    Some(percent) => {
                        events.progress(Stage::Iso, percent, 100, Unit::Percent);
                        Line::Drop
                    }
                    None => Line::Keep,
                })
                .await;
            no_space(result, self.layout.job())
                .map_err(|error| explain(error, self.layout.job()))?;
            // grub-mkimage and xorriso are told what to make.
            let mut args = command.args.iter().skip_while(|arg| *arg != "-o");
            if let Some(made) = args.nth(1) {
                require(Path::new(made))?;
            }
        }
        let iso = self.layout.iso();
        let iso_sha256 = self.complete_tree().await?;
        Ok(Built {
            tree: Some(tree),
            iso: Some(iso),
            iso_sha256: Some(iso_sha256),
            source_date: Some(self.source_date.clone()),
            ..Built::default()
        })
    }

    /// Everything of the ISO that no command makes.
    pub(super) fn write_boot_files(
        &self,
        ctx: &BuildContext,
        kernel: &Kernel,
        words: &MenuText<'_>,
    ) -> Result<(), ComposeError> {
        let iso = self.layout.iso_tree();
        place(&kernel.image, &iso.join(KERNEL))?;
        place(&self.layout.initramfs(), &iso.join(INITRAMFS))?;
        let has =
            |name: &str| root::below(&self.places.root, name).is_some_and(|path| path.exists());
        // The files carry no labels: a build host need not have SELinux.
        let selinux = has("etc/selinux/config");
        if selinux {
            ctx.events.warn(
                "the image's files have no SELinux labels: it starts in permissive mode (enforcing=0)",
            );
        }
        let mut extra_args: Vec<&str> = words.kernel_args.iter().copied().collect();
        if selinux {
            extra_args.push("enforcing=0");
        }
        let menu = bootloader::menu(&Menu {
            title: words.title,
            product: &self.plan.product,
            timeout: words.timeout,
            volume_id: &self.plan.volume_id,
            extra_args: &extra_args.join(" "),
            media_check: has("usr/bin/checkisomd5"),
            arch: self.plan.arch,
        });
        write(&iso.join("boot/grub2/grub.cfg"), &menu)?;
        write(&iso.join("EFI/BOOT/grub.cfg"), &menu)?;
        write(&iso.join(".discinfo"), &self.tree_info().discinfo())?;
        make_folder(&self.layout.boot())?;
        let files = BootFiles::of(&self.layout, self.platform);
        write(
            &files.early_config,
            &bootloader::early_config(&self.plan.volume_id),
        )
    }

    pub(super) fn place_loaders(&self) -> Result<(), ComposeError> {
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
    /// metadata. Returns the ISO's checksum.
    pub(super) async fn complete_tree(&self) -> Result<String, ComposeError> {
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
        let listed = TreeFile::hash(&tree, &hashed).await?;
        let iso_sha256 = listed.first().map(|iso| iso.sha256.clone());
        write(&tree.join(".treeinfo"), &self.tree_info().treeinfo(&listed))?;
        Ok(iso_sha256.unwrap_or_default())
    }

    pub(super) fn tree_info(&self) -> TreeInfo<'_> {
        TreeInfo {
            product: &self.plan.product,
            version: &self.plan.version,
            arch: self.plan.arch,
            timestamp: self.source_date.seconds,
            root_image: ROOT_IMAGE,
            kernel: KERNEL,
            initramfs: INITRAMFS,
            boot_iso: Some(BOOT_ISO),
            variant: None,
        }
    }
}

const BOOT_ISO: &str = "images/boot.iso";

/// A program that died of a full disk does not always say so.
pub(super) fn no_space(
    result: Result<Completed, CommandError>,
    folder: &Path,
) -> Result<Completed, CommandError> {
    const FULL: u64 = 1024 * 1024;
    let Err(CommandError::Failed {
        command,
        exit,
        mut tail,
        duration,
    }) = result
    else {
        return result;
    };
    let free = free_bytes(folder);
    // xorriso looks at the free space first, and writes nothing when it is too little.
    let refused = |line: &String| line.contains("exceeds free space on media");
    if free.is_ok_and(|free| free < FULL) || tail.iter().any(refused) {
        tail.push("No space left on device".to_owned());
    }
    Err(CommandError::Failed {
        command,
        exit,
        tail,
        duration,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
