//! The root of an image: one that is kept, the nearest of these with the difference on top, or a fresh
//! one.

mod layers;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::job::{Job, lock, no_space};
use crate::builders::explain;
use crate::cache::{Entry, Key, Kind, Store};
use crate::compose::files::{empty_folder, make_folder};
use crate::compose::mounts::Memory;
use crate::compose::solution::{Difference, Located, Package};
use crate::compose::{
    ComposeError, dnf, dnf_lock, memory, root, rpm_database, rpm_tool, shared_files,
};
use crate::context::{BuildContext, Line, side_by_side};
use crate::events::{Stage, Unit};
use crate::host::{DnfVersion, free_bytes};
use crate::process::{CommandError, Invocation};

use layers::RootNote;
pub(super) use layers::{Layer, Root};

/// What a root depends on beside its packages.
#[derive(Debug, Clone, Serialize)]
struct Family<'a> {
    arch: String,
    release: String,
    documentation: bool,
    languages: Option<&'a [String]>,
    /// The keys of each repository whose packages were checked by them.
    signatures: Vec<&'a [String]>,
    /// Only one that was asked for: else the packages say it.
    source_date_epoch: Option<u64>,
}

/// What a root depends on.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RootInputs<'a> {
    family: Family<'a>,
    packages: &'a [Package],
}

/// A root takes so many times the bytes of its packages at most, in general.
const UNPACKED: u64 = 4;

/// What is free in memory when a root is given up that did not fit: less than any file of some size.
const FULL: u64 = 64 << 20;

/// Of so many packages one may differ for the nearest root to be used: installing afresh is as fast
/// otherwise.
const NEAR: usize = 4;

impl Job<'_> {
    /// Fills the root. Where it may be kept, [`Job::root_key`] is its key afterwards.
    pub(super) async fn install_root(&mut self, ctx: &BuildContext) -> Result<(), ComposeError> {
        self.fill_root(ctx).await?;
        self.dnf_use = None;
        Ok(())
    }

    async fn fill_root(&mut self, ctx: &BuildContext) -> Result<(), ComposeError> {
        let Some(packages) = self.solution.clone() else {
            ctx.events
                .info("Install root:: fresh and not kept: what dnf chose was not understood");
            return self.install_plainly(ctx).await;
        };
        let (key, family) = self.root_keys(&packages);
        if let Some(layers) = self.kept_root(ctx, &key) {
            ctx.events.info(format!(
                "Install root:: hit {}, all {} packages the same",
                key.short(),
                packages.len()
            ));
            return self.open(layers, &key);
        }
        let loaders = self.loaders();
        let job = &mut *self;
        side_by_side(ctx, |first, second| {
            let root = async move { job.install_chosen(&first, &key, family, packages).await };
            (root, async move { loaders.make(&second).await })
        })
        .await?;
        self.has_loaders = true;
        Ok(())
    }

    /// Installs `packages`, as the difference to a root that is kept where one is near.
    async fn install_chosen(
        &mut self,
        ctx: &BuildContext,
        key: &Key,
        family: Key,
        packages: Vec<Package>,
    ) -> Result<(), ComposeError> {
        let store = self.store(Kind::Root);
        if let Some((base, difference)) = self.nearest(ctx, &store, &family, &packages) {
            match self
                .install_difference(ctx, key, base, &difference, &packages)
                .await
            {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(ComposeError::Command(error @ CommandError::Cancelled { .. })) => {
                    return Err(error.into());
                }
                Err(error) => ctx.events.warn(format!(
                    "Install root:: the difference could not be installed, so everything is: {error}"
                )),
            }
        }
        self.install_fresh(ctx, key, family, packages).await
    }

    /// The commands that install everything into an empty root.
    pub(super) fn installing(&self) -> Vec<Invocation> {
        let (root, home) = (&self.places.root, &self.places.home);
        let [exported, sorted, fresh] = self.database_parts();
        vec![
            self.dnf().transaction(&self.packages),
            rpm_tool::list(root, home),
            rpm_database::export(root, home, &exported),
            rpm_database::import(home, &sorted, &fresh),
        ]
    }

    /// Where the package database is written anew: its headers, the same sorted, and the database.
    fn database_parts(&self) -> [PathBuf; 3] {
        let parts = self.layout.job().join("rpm");
        ["exported", "sorted", "database"].map(|name| parts.join(name))
    }

    /// The keys of the root and of its family.
    pub(super) fn root_keys(&self, packages: &[Package]) -> (Key, Key) {
        let inputs = self.root_inputs(packages);
        (Key::of(&inputs), Key::of(&inputs.family))
    }

    pub(super) fn root_inputs<'p>(&'p self, packages: &'p [Package]) -> RootInputs<'p> {
        let install = &self.plan.install;
        let family = Family {
            arch: self.plan.arch.to_string(),
            release: self.plan.release.to_string(),
            documentation: install.documentation,
            languages: install.languages.as_deref(),
            signatures: (self.plan.repositories.iter())
                .filter(|repository| repository.gpg_check)
                .map(|repository| repository.gpg_keys.as_slice())
                .collect(),
            source_date_epoch: self.plan.source_date.as_ref().map(|date| date.seconds),
        };
        RootInputs { family, packages }
    }

    /// The root that differs least from `packages`, and how.
    fn nearest(
        &self,
        ctx: &BuildContext,
        store: &Store,
        family: &Key,
        packages: &[Package],
    ) -> Option<(Entry<RootNote>, Difference)> {
        let checks_signatures = self.plan.repositories.iter().any(|one| one.gpg_check);
        if checks_signatures && self.plan.dnf == DnfVersion::Dnf5 {
            ctx.events.info(
                "Install root:: fresh: dnf5 checks signatures only in a transaction of its own",
            );
            return None;
        }
        let notes = self.found(ctx, store.notes::<RootNote>().map(Some))?;
        let nearest = notes
            .into_iter()
            .filter(|(_, note)| note.base.is_none() && note.family == *family)
            .filter_map(|(key, note)| {
                let difference = Difference::between(&note.packages, packages)?;
                (difference.len() * NEAR <= packages.len()).then_some((key, difference))
            })
            .min_by_key(|(_, difference)| difference.len());
        let Some((key, difference)) = nearest else {
            ctx.events
                .info("Install root:: miss, no root that is kept is near");
            return None;
        };
        let entry = self.found(ctx, store.get(&key))?;
        Some((entry, difference))
    }

    /// Puts the difference on top of `base`; `false` where that would not be as a fresh installation is.
    async fn install_difference(
        &mut self,
        ctx: &BuildContext,
        key: &Key,
        base: Entry<RootNote>,
        difference: &Difference,
        packages: &[Package],
    ) -> Result<bool, ComposeError> {
        ctx.events.info(format!(
            "Install root:: near {}, {} of {} packages the same, {} updated, {} added, {} removed",
            base.key.short(),
            packages.len() - difference.installed.len(),
            packages.len(),
            difference.updated,
            difference.installed.len() - difference.updated,
            difference.removed.len()
        ));
        let files = self.files_of(ctx, &difference.installed).await?;
        let (overlay, changes) = self.mount(&self.layers(), &[base.data()])?;
        let (root, home) = (&self.places.root, &self.places.home);
        let removed: Vec<String> = (difference.removed.iter())
            .map(|package| package.nevra.clone())
            .collect();
        if !removed.is_empty() {
            let lines = ctx
                .query(&rpm_tool::scriptlets(root, home, &removed))
                .await?;
            if let Some(name) = lines.iter().find_map(|line| rpm_tool::leaves_behind(line)) {
                ctx.events.info(format!(
                    "Install root:: fresh: {name} is to go, and what was made when it came might stay"
                ));
                return Ok(false);
            }
        }
        if !files.is_empty() {
            let install = rpm_tool::install(root, home, &self.plan.install, &files);
            self.run_transaction(ctx, &install, rpm_tool::is_scriptlet_failure)
                .await?;
        }
        if !removed.is_empty() {
            let erase = rpm_tool::erase(root, home, &removed);
            self.run_transaction(ctx, &erase, rpm_tool::is_scriptlet_failure)
                .await?;
        }
        if !self.has_exactly(ctx, packages).await? {
            return Err(ComposeError::Tool {
                tool: "rpm",
                lines: vec!["the root does not have the packages that dnf chose".to_owned()],
            });
        }
        if let Some(name) = shared_files::changed(&base.data(), &self.places.root)? {
            ctx.events.info(format!(
                "Install root:: fresh: the difference changes {name}, and what is in that depends on the order of \
                 installation"
            ));
            return Ok(false);
        }
        root::tidy(&self.places.root)?;
        // The accounts of the base are of its day.
        root::redate_accounts(
            &self.places.root,
            base.note.source_date_epoch,
            self.source_date.seconds,
        )?;
        self.forget_history(ctx).await?;
        overlay.unmount().map_err(self.cache_error())?;
        let note = RootNote {
            source_date_epoch: self.source_date.seconds,
            family: base.note.family.clone(),
            packages: packages.to_vec(),
            base: Some(base.key.clone()),
            kickstart: None,
        };
        let base = vec![base.into()];
        let layers = self.keep_layer(ctx, key, changes, note, base).await?;
        self.open(layers, key)?;
        Ok(true)
    }

    /// Installs everything into an empty root, in memory where it fits, and keeps that.
    async fn install_fresh(
        &mut self,
        ctx: &BuildContext,
        key: &Key,
        family: Key,
        packages: Vec<Package>,
    ) -> Result<(), ComposeError> {
        // A solution that was kept says nothing of what is downloaded.
        let located = self.locate(ctx).await?;
        self.memory = self.root_memory(ctx, &located);
        let filled = self.fill(ctx, key, &family, &packages).await;
        let Some(memory) = &self.memory else {
            return filled;
        };
        let full = free_bytes(memory.path()).is_ok_and(|free| free < FULL);
        match filled {
            Err(ComposeError::Command(error @ CommandError::Cancelled { .. })) => Err(error.into()),
            Err(error) if full || matches!(error, ComposeError::NoSpace { .. }) => {
                ctx.events
                    .info("Install root:: it does not fit memory: once more, on the disk");
                self.memory = None;
                empty_folder(&self.places.root)?;
                self.fill(ctx, key, &family, &packages).await
            }
            filled => filled,
        }
    }

    /// A folder in memory for a root with these packages, where it leaves as much again to programs.
    fn root_memory(&self, ctx: &BuildContext, located: &[Located]) -> Option<Memory> {
        if !self.plan.paths.in_memory {
            return None;
        }
        let sizes = located.iter().filter_map(|one| one.path.metadata().ok());
        let bytes: u64 = sizes.map(|file| file.len()).sum();
        let (wanted, limit) = (bytes * UNPACKED, memory::available()? / 2);
        if wanted == 0 || wanted + FULL > limit {
            return None;
        }
        match Memory::mount(&self.layout.job().join("memory"), limit) {
            Ok(memory) => {
                let mib = limit >> 20;
                ctx.events
                    .info(format!("Install root:: in memory, {mib} MiB at most"));
                Some(memory)
            }
            // On the disk, then; where overlays cannot be mounted either, that is told.
            Err(error) => {
                tracing::debug!("no tmpfs: {error}");
                None
            }
        }
    }

    /// Installs everything into an empty root.
    async fn fill(
        &mut self,
        ctx: &BuildContext,
        key: &Key,
        family: &Key,
        packages: &[Package],
    ) -> Result<(), ComposeError> {
        let nothing = self.layout.job().join("nothing");
        make_folder(&nothing)?;
        let place = match &self.memory {
            Some(memory) => memory.path().to_owned(),
            None => self.layers(),
        };
        let (overlay, changes) = match self.mount(&place, &[nothing]) {
            Ok(mounted) => mounted,
            Err(error) => {
                ctx.events.info(format!(
                    "Install root:: fresh and not kept: no overlay can be mounted: {error}"
                ));
                return self.install_plainly(ctx).await;
            }
        };
        self.transact(ctx).await?;
        let as_chosen = self.has_exactly(ctx, packages).await?;
        root::tidy(&self.places.root)?;
        self.forget_history(ctx).await?;
        overlay.unmount().map_err(self.cache_error())?;
        // What is not as its key says must not be found by it.
        let key = match as_chosen {
            true => key.clone(),
            false => {
                ctx.events
                    .warn("Install root:: not kept: it has other packages than dnf chose");
                Key::of(&(key, &self.plan.job))
            }
        };
        let note = RootNote {
            source_date_epoch: self.source_date.seconds,
            family: family.clone(),
            packages: packages.to_vec(),
            base: None,
            kickstart: None,
        };
        let layers = match self.memory {
            // It is copied out of memory while programs run.
            Some(_) => vec![Layer::to_be_kept(changes, key.clone(), note)],
            None => {
                self.keep_layer(ctx, &key, changes, note, Vec::new())
                    .await?
            }
        };
        self.open(layers, &key)
    }

    /// Installs everything into a folder of this build.
    async fn install_plainly(&mut self, ctx: &BuildContext) -> Result<(), ComposeError> {
        self.locate(ctx).await?;
        self.transact(ctx).await?;
        root::tidy(&self.places.root)?;
        self.forget_history(ctx).await
    }

    /// dnf's transaction, from what is downloaded.
    async fn transact(&self, ctx: &BuildContext) -> Result<(), ComposeError> {
        self.places.show_cache(self.plan)?;
        let transaction = self.dnf().transaction(&self.packages);
        self.run_transaction(ctx, &transaction, dnf::is_scriptlet_failure)
            .await?;
        let database = dnf::database(&self.plan.release);
        let present = root::below(&self.places.root, database.trim_start_matches('/'));
        if !present.is_some_and(|path| path.is_dir()) {
            return Err(ComposeError::MissingArtifact {
                path: self.places.root.join(database.trim_start_matches('/')),
            });
        }
        Ok(())
    }

    /// Writes the package database anew, so that it says nothing of the way to it.
    async fn forget_history(&self, ctx: &BuildContext) -> Result<(), ComposeError> {
        let folder = dnf::database(&self.plan.release);
        // Another kind than SQLite's is left as it is.
        let Some(database) = rpm_database::find(&self.places.root, folder) else {
            return Ok(());
        };
        let [exported, sorted, fresh] = self.database_parts();
        empty_folder(&fresh)?;
        let home = &self.places.home;
        ctx.run(&rpm_database::export(&self.places.root, home, &exported))
            .await?;
        let at = |path: &PathBuf| {
            let path = path.clone();
            move |source| ComposeError::Io { path, source }
        };
        let headers = std::fs::read(&exported).map_err(at(&exported))?;
        let seconds = u32::try_from(self.source_date.seconds).unwrap_or(u32::MAX);
        let Some(headers) = rpm_database::without_history(&headers, seconds) else {
            return Err(ComposeError::Tool {
                tool: "rpmdb",
                lines: vec!["what it exported are no headers".to_owned()],
            });
        };
        std::fs::write(&sorted, headers).map_err(at(&sorted))?;
        ctx.run(&rpm_database::import(home, &sorted, &fresh))
            .await?;
        rpm_database::replace(&database, &fresh)
    }

    async fn run_transaction(
        &self,
        ctx: &BuildContext,
        command: &Invocation,
        is_scriptlet_failure: fn(&str) -> bool,
    ) -> Result<(), ComposeError> {
        let failures = Arc::new(Mutex::new(Vec::new()));
        let watch = {
            let (failures, events) = (Arc::clone(&failures), ctx.events.clone());
            move |line: &str| {
                if let Some((done, total)) = dnf::progress(line) {
                    events.progress(Stage::Root, done, total, Unit::Packages);
                }
                if is_scriptlet_failure(line) {
                    lock(&failures).push(line.trim().to_owned());
                }
                Line::Keep
            }
        };
        let run = || ctx.run_watched(command, watch.clone());
        let result = dnf_lock::run(ctx, &self.places.view, run).await;
        let failures = std::mem::take(&mut *lock(&failures));
        let result = result.map_err(|error| no_space(error, &self.places.root));
        match (result, failures.is_empty()) {
            (Err(error), true) => Err(explain(error, &self.places.root)),
            (Err(CommandError::Failed { .. }) | Ok(_), false) => {
                Err(ComposeError::Scriptlet(failures))
            }
            (Err(error), false) => Err(error.into()),
            (Ok(_), true) => Ok(()),
        }
    }

    /// Whether the root has `packages` and no others.
    async fn has_exactly(
        &self,
        ctx: &BuildContext,
        packages: &[Package],
    ) -> Result<bool, ComposeError> {
        let list = rpm_tool::list(&self.places.root, &self.places.home);
        let lines = ctx.query(&list).await?;
        let mut installed: Vec<(String, String)> = (lines.iter())
            .filter_map(|line| rpm_tool::listed(line))
            .collect();
        installed.sort();
        let mut wanted: Vec<&Package> = packages.iter().collect();
        wanted.sort_unstable_by_key(|one| (&one.nevra, &one.header));
        // An old package's header has no checksum that rpm would tell.
        let same = |(nevra, header): &(String, String), one: &Package| {
            *nevra == one.nevra && (*header == one.header || header == "(none)")
        };
        let mut each = installed.iter().zip(&wanted);
        Ok(installed.len() == wanted.len() && each.all(|(there, one)| same(there, one)))
    }

    /// Where `packages` are on this host.
    async fn files_of(
        &mut self,
        ctx: &BuildContext,
        packages: &[Package],
    ) -> Result<Vec<PathBuf>, ComposeError> {
        if packages.is_empty() {
            return Ok(Vec::new());
        }
        let located = self.locate(ctx).await?;
        let file = |package: &Package| {
            let found = located.iter().find(|one| one.package == *package);
            found
                .map(|one| one.path.clone())
                .ok_or_else(|| ComposeError::Download(format!("{} is not there", package.nevra)))
        };
        packages.iter().map(file).collect()
    }
}
