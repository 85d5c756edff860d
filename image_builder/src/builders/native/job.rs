//! The steps that every image of the native engine goes through.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use super::groups;
use super::initramfs::Initramfs;
use super::packages::Places;
use super::root::Root;
use crate::builders::explain;
use crate::cache::{EntryLock, Key, Kind, Store};
use crate::compose::bootloader::{self, Menu, Platform};
use crate::compose::dnf::{self, Dnf};
use crate::compose::files::{place, write};
use crate::compose::iso_stream::StreamError;
use crate::compose::layout::{INITRAMFS, KERNEL, Layout, ROOT_IMAGE};
use crate::compose::mounts::Memory;
use crate::compose::repository_state::State;
use crate::compose::root::{self, Kernel};
use crate::compose::root_image::Packer;
use crate::compose::solution::{Located, Package};
use crate::compose::tree::TreeInfo;
use crate::compose::{ComposeError, initramfs, iso, root_image};
use crate::context::BuildContext;
use crate::events::Stage;
use crate::host::free_bytes;
use crate::http;
use crate::plan::{BuildPlan, Step};
use crate::process::{CommandError, Invocation};
use crate::repository::Repository;
use crate::source_date::{PLACEHOLDER, SourceDate};

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
    /// What is to be installed.
    pub(super) asked_for: Vec<String>,
    /// That, and what stands for groups that were looked up.
    pub(super) packages: Vec<String>,
    /// The states of the repositories, where they say them.
    pub(super) states: Option<Vec<State>>,
    /// What that comes to, where dnf's words were understood.
    pub(super) solution: Option<Vec<Package>>,
    /// Whether that is on this host.
    pub(super) downloaded: bool,
    /// Where it is, if it was found under the usual names.
    pub(super) located: Option<Vec<Located>>,
    /// Keeps what dnf has of it from being pruned until it is installed.
    pub(super) dnf_use: Option<EntryLock>,
    /// The root in its place, unless it is a plain folder.
    pub(super) root: Option<Root>,
    /// Where a part of it is, unless that is on the disk. Dropped behind the root.
    pub(super) memory: Option<Memory>,
    /// The root's key, where it is one that is kept.
    pub(super) root_key: Option<Key>,
    /// What was made of it: whether the one is kept, and the key of the other if it is.
    pub(super) initramfs: Initramfs,
    pub(super) image_key: Option<Key>,
    /// Whether the layers of the root are still to be kept.
    pub(super) layers_wait: bool,
    /// Whether the boot loaders are made.
    pub(super) has_loaders: bool,
    /// Whether it was told that the cache takes nothing.
    pub(super) told_not_kept: AtomicBool,
    /// Whether the tree of the ISO is left to somebody.
    pub(super) wants_tree: bool,
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
                empty: layout.job().join("empty"),
                config: layout.dnf_config(),
                home: layout.home(),
                cache: dnf::cache_folder(&plan.paths.cache),
                view: layout.job().join("dnf-cache"),
            },
            // The planner gives this backend no other architecture.
            platform: bootloader::platform(plan.arch).unwrap_or(bootloader::PC),
            layout,
            asked_for: packages.to_vec(),
            packages: packages.to_vec(),
            states: None,
            solution: None,
            downloaded: false,
            located: None,
            dnf_use: None,
            root: None,
            memory: None,
            root_key: None,
            layers_wait: false,
            has_loaders: false,
            initramfs: Initramfs::Unkept,
            image_key: None,
            told_not_kept: AtomicBool::new(false),
            wants_tree: plan.paths.tree.is_some(),
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
            .then(|| groups::invocation(&self.places.solver(self.plan), install));
        let download = self.places.solver(self.plan).download(&self.packages);
        vec![
            Step {
                stage: Stage::Packages,
                commands: look_up.into_iter().chain([download]).collect(),
            },
            Step {
                stage: Stage::Root,
                commands: [self.installing(), self.loader_commands()].concat(),
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
                commands: match self.packer() {
                    Packer::Squashfs(_) => Vec::new(),
                    Packer::Erofs(command) => vec![*command],
                },
            },
            Step {
                stage: Stage::Iso,
                commands: vec![self.iso_command()],
            },
        ]
    }

    pub(super) fn dnf(&self) -> Dnf<'_> {
        self.places.dnf(self.plan)
    }

    /// What is kept of a kind for the builds of this host.
    pub(super) fn store(&self, kind: Kind) -> Store {
        Store::new(&self.plan.paths.cache, kind)
    }

    pub(super) fn cache_error(&self) -> impl FnOnce(std::io::Error) -> ComposeError + use<> {
        let path = self.plan.paths.cache.clone();
        move |source| ComposeError::Io { path, source }
    }

    pub(super) fn dracut(&self) -> Invocation {
        initramfs::invocation(
            &self.layout,
            self.plan.arch,
            self.plan.initramfs,
            self.plan.rootfs,
        )
    }

    pub(super) fn packer(&self) -> Packer {
        root_image::packer(
            &self.layout,
            self.plan.arch,
            self.plan.rootfs,
            self.plan.compression,
            self.source_date.seconds,
        )
    }

    pub(super) fn iso_command(&self) -> Invocation {
        iso::invocation(&self.layout, self.platform, &self.plan.volume_id)
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
        write(&iso.join(".discinfo"), &self.tree_info().discinfo())
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

pub(super) const BOOT_ISO: &str = "images/boot.iso";

/// A program that died of a full disk does not always say so.
pub(super) fn no_space(mut error: CommandError, folder: &Path) -> CommandError {
    const FULL: u64 = 1024 * 1024;
    let CommandError::Failed { tail, .. } = &mut error else {
        return error;
    };
    let free = free_bytes(folder);
    // xorriso looks at the free space first, and writes nothing when it is too little.
    let refused = |line: &String| line.contains("exceeds free space on media");
    if free.is_ok_and(|free| free < FULL) || tail.iter().any(refused) {
        tail.push("No space left on device".to_owned());
    }
    error
}

/// Why a program did not do its work in `folder`.
pub(super) fn failure(error: CommandError, folder: &Path) -> ComposeError {
    explain(no_space(error, folder), folder)
}

/// Why there is no image in `folder`.
pub(super) fn not_written(error: StreamError, folder: &Path) -> ComposeError {
    match error {
        StreamError::Command(error) => failure(error, folder),
        other => other.into(),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
