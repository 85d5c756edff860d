//! Parts that are kept from build to build, and what their keys are made of.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::job::Job;
use crate::cache::{self, Entry, Key, Kind};
use crate::context::BuildContext;
use crate::process::Invocation;
use crate::quantity::ByteSize;

/// A program or file of the host that makes parts: as long as it is not replaced, it makes the same.
#[derive(Debug, Serialize)]
pub(super) struct Tool {
    path: PathBuf,
    size: u64,
    modified: (i64, i64),
}

impl Tool {
    /// The program `name`; nothing where it is not there, as its first run will say.
    pub(super) fn program(name: &str) -> Option<Self> {
        Self::file(&which::which(name).ok()?)
    }

    /// The file at `path`.
    pub(super) fn file(path: &Path) -> Option<Self> {
        let meta: Metadata = path.metadata().ok()?;
        Some(Self {
            path: path.to_owned(),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        })
    }
}

impl Job<'_> {
    /// A command line as it would be in any other build's folder.
    pub(super) fn anywhere(&self, command: &Invocation) -> String {
        let work = self.layout.job().to_string_lossy().into_owned();
        command.to_string().replace(&work, "{work}")
    }

    /// What the cache gave; nothing where it could not be read, as on a disk with errors: the build makes it anew.
    pub(super) fn found<T>(&self, ctx: &BuildContext, read: io::Result<Option<T>>) -> Option<T> {
        read.unwrap_or_else(|error| {
            let cache = self.plan.paths.cache.display();
            ctx.events.warn(format!(
                "the cache {cache} cannot be read, and what may be there is made anew: {error}"
            ));
            None
        })
    }

    /// Says that `what` is not kept: the build goes on without, and tells the way out once.
    pub(super) fn not_kept(&self, ctx: &BuildContext, what: &str, why: &str) {
        let cache = self.plan.paths.cache.display();
        let words = format!("{what}:: not kept in {cache}: {why}");
        match self.told_not_kept.swap(true, Ordering::Relaxed) {
            true => ctx.events.info(words),
            false => ctx.events.warn(format!(
                "{words}; `fbs cache gc` makes room there, and `[cache] dir` or FBS_CACHE_DIR name a larger disk"
            )),
        }
    }

    /// Makes room for `bytes` in the cache, at the cost of what was not used since this build was planned.
    pub(super) fn make_room(&self, ctx: &BuildContext, bytes: u64) {
        let then = self.plan.created.into();
        match cache::make_room(&self.plan.paths.cache, bytes + SPARE, then) {
            Ok(pruned) if pruned.entries > 0 => ctx.events.info(format!(
                "Cache:: its disk is full: {} entries that were not used for longest are removed, {}",
                pruned.entries,
                ByteSize(pruned.bytes)
            )),
            Ok(_) => {}
            // What is to be kept will say so.
            Err(error) => tracing::debug!("{}: {error}", self.plan.paths.cache.display()),
        }
    }

    /// Puts the file of the entry `key`, of which nothing is noted, to `to`; `false` if it is not kept.
    pub(super) fn take(&self, ctx: &BuildContext, kind: Kind, key: &Key, to: &Path) -> bool {
        let entry = self.found(ctx, self.store(kind).get::<()>(key));
        self.taken(ctx, entry, Entry::data, to)
    }

    /// Puts a file of an entry to `to`; `false` if there is no entry.
    pub(super) fn taken<N>(
        &self,
        ctx: &BuildContext,
        entry: Option<Entry<N>>,
        file: impl FnOnce(&Entry<N>) -> PathBuf,
        to: &Path,
    ) -> bool {
        let linked = entry.map(|entry| self.link(&file(&entry), to)).transpose();
        if linked.is_err() {
            // Half of it, if anything.
            let _ = std::fs::remove_file(to);
        }
        self.found(ctx, linked).is_some()
    }

    /// Keeps `file` as the entry `key`, if the cache takes it: `what` it is, for the log.
    pub(super) fn keep<N: Serialize + DeserializeOwned>(
        &self,
        ctx: &BuildContext,
        what: &str,
        entry: (Kind, &Key),
        file: &Path,
        note: N,
    ) -> bool {
        let (kind, key) = entry;
        let store = self.store(kind);
        let keep = || {
            let fresh = store.fresh()?;
            self.put_file(ctx, file, &fresh.data())?;
            store.put(key, &fresh, note)
        };
        let kept = keep();
        if let Err(error) = &kept {
            self.not_kept(ctx, what, &error.to_string());
        }
        kept.is_ok()
    }

    /// Puts a file into an entry on its way.
    pub(super) fn put_file(&self, ctx: &BuildContext, file: &Path, to: &Path) -> io::Result<()> {
        if !self.is_linked(file, to) {
            self.make_room(ctx, file.metadata()?.len());
            std::fs::copy(file, to)?;
        }
        Ok(())
    }

    /// A second name for a file: where nobody else gets it, who might change it in its place.
    fn is_linked(&self, from: &Path, to: &Path) -> bool {
        !self.wants_tree && std::fs::hard_link(from, to).is_ok()
    }

    /// The same file at `to`.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match self.is_linked(from, to) {
            true => Ok(()),
            false => std::fs::copy(from, to).map(drop),
        }
    }
}

/// More than what is to be kept, for notes and folders, and what other builds write meanwhile.
const SPARE: u64 = 64 << 20;
