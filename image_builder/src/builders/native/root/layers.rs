//! The layers of a root: those that are kept, this build's own, and how its own become kept.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::builders::native::job::Job;
use crate::cache::{Entry, Key, Kind, Store};
use crate::compose::files::make_folder;
use crate::compose::mounts::{Memory, Overlay};
use crate::compose::solution::Package;
use crate::compose::{ComposeError, root};
use crate::context::BuildContext;
use crate::process::{CommandError, Invocation};
use crate::report::KickstartRecord;
use crate::workdir;

/// What is known of a root that is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in super::super) struct RootNote {
    /// Roots of one family differ in their packages alone.
    pub(super) family: Key,
    pub(super) packages: Vec<Package>,
    /// The time that its programs were told.
    pub(super) source_date_epoch: u64,
    /// The root that this one is a layer on; none for one that stands alone.
    pub(super) base: Option<Key>,
    /// What became of the kickstart that made this of its base.
    pub(in super::super) kickstart: Option<KickstartRecord>,
}

/// A root in its place.
#[derive(Debug)]
pub(in super::super) struct Root {
    overlay: Overlay,
    /// What was changed since it is there, in the build's own folder.
    changes: PathBuf,
    layers: Vec<Layer>,
}

/// A part of a root.
#[derive(Debug)]
pub(in super::super) struct Layer {
    path: PathBuf,
    key: Key,
    note: RootNote,
    keeping: Keeping,
    /// Held as long as it is in use; none for one that is this build's own.
    _held: Option<Entry<RootNote>>,
}

/// Whether a layer is there for other builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeping {
    /// It is.
    Kept,
    /// It is this build's own, to be copied while programs run: [`Job::keep_layers`].
    Later,
    /// It is this build's own.
    Never,
}

impl Layer {
    /// This build's own, to be copied by [`Job::keep_layers`].
    pub(super) fn to_be_kept(path: PathBuf, key: Key, note: RootNote) -> Self {
        Self::own(path, key, note, Keeping::Later)
    }

    fn own(path: PathBuf, key: Key, note: RootNote, keeping: Keeping) -> Self {
        Self {
            path,
            key,
            note,
            keeping,
            _held: None,
        }
    }

    /// What became of the kickstart that made it.
    pub(in super::super) fn kickstart(&self) -> Option<&KickstartRecord> {
        self.note.kickstart.as_ref()
    }
}

impl From<Entry<RootNote>> for Layer {
    fn from(entry: Entry<RootNote>) -> Self {
        Self {
            path: entry.data(),
            key: entry.key.clone(),
            note: entry.note.clone(),
            keeping: Keeping::Kept,
            _held: Some(entry),
        }
    }
}

impl Job<'_> {
    /// Shows `layers` in the root's place; what is changed there is for this build alone.
    pub(in super::super) fn open(
        &mut self,
        layers: Vec<Layer>,
        key: &Key,
    ) -> Result<(), ComposeError> {
        let lowers: Vec<PathBuf> = layers.iter().map(|layer| layer.path.clone()).collect();
        let (overlay, changes) = self.mount(&self.layers(), &lowers)?;
        self.root_key = Some(key.clone());
        self.root = Some(Root {
            overlay,
            changes,
            layers,
        });
        Ok(())
    }

    /// Where changes go: in the work folder, whose disk is the one that a build may fill.
    pub(super) fn layers(&self) -> PathBuf {
        self.layout.job().join("layers")
    }

    /// Shows `lowers` in the root's place. Gives the folder that changes go to, below `layers`.
    pub(super) fn mount(
        &self,
        layers: &Path,
        lowers: &[PathBuf],
    ) -> Result<(Overlay, PathBuf), ComposeError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| ComposeError::Io { path, source }
        };
        let root = &self.places.root;
        make_folder(layers)?;
        let layer = tempfile::Builder::new().prefix("layer-").tempdir_in(layers);
        let layer = layer.map_err(at(layers))?.keep();
        let changes = layer.join("changes");
        let overlay = Overlay::mount(lowers, &changes, &layer.join("scratch"), root);
        Ok((overlay.map_err(at(root))?, changes))
    }

    /// Keeps what is in `changes` as the root `key`, on the layers `below`. Gives the layers that the build goes on
    /// with: the same as those of somebody who was faster, whatever base he took; its own where they cannot be kept.
    pub(super) async fn keep_layer(
        &self,
        ctx: &BuildContext,
        key: &Key,
        changes: PathBuf,
        note: RootNote,
        below: Vec<Layer>,
    ) -> Result<Vec<Layer>, ComposeError> {
        let store = self.store(Kind::Root);
        let why = match self.put_layer(ctx, &store, key, &changes, &note).await? {
            Ok(entry) if entry.note.base == note.base => {
                return Ok(on(entry.into(), below));
            }
            Ok(entry) => {
                drop(entry);
                match kept(&store, key) {
                    Ok(Some(layers)) => return Ok(layers),
                    Ok(None) => "another build just kept it on a root that is gone".to_owned(),
                    Err(error) => error.to_string(),
                }
            }
            Err(error) => error.to_string(),
        };
        self.not_kept(ctx, "Install root", &why);
        let own = Layer::own(changes, key.clone(), note, Keeping::Never);
        Ok(on(own, below))
    }

    /// Makes what is in `changes` the entry `key`, if there is none. What is not taken is in `changes` still, whatever
    /// went wrong in the cache.
    async fn put_layer(
        &self,
        ctx: &BuildContext,
        store: &Store,
        key: &Key,
        changes: &Path,
        note: &RootNote,
    ) -> Result<Result<Entry<RootNote>, PutError>, ComposeError> {
        let fresh = match store.fresh() {
            Ok(fresh) => fresh,
            Err(error) => return Ok(Err(error.into())),
        };
        match std::fs::rename(changes, fresh.data()) {
            Ok(()) => {}
            // The cache is on another disk.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                return self.put_copy(ctx, store, key, changes, note).await;
            }
            Err(error) => return Ok(Err(error.into())),
        }
        let put = store.put(key, &fresh, note.clone());
        if fresh.data().exists() {
            std::fs::rename(fresh.data(), changes).map_err(self.cache_error())?;
        }
        Ok(put.map_err(PutError::from))
    }

    /// Makes a copy of what is in `changes` the entry `key`, if there is none.
    async fn put_copy(
        &self,
        ctx: &BuildContext,
        store: &Store,
        key: &Key,
        changes: &Path,
        note: &RootNote,
    ) -> Result<Result<Entry<RootNote>, PutError>, ComposeError> {
        let size = root::size(changes);
        let fresh = size.and_then(|size| {
            self.make_room(ctx, size);
            store.fresh()
        });
        let fresh = match fresh {
            Ok(fresh) => fresh,
            Err(error) => return Ok(Err(error.into())),
        };
        match ctx.run(&copy(changes, &fresh.data())).await {
            Ok(_) => Ok(store.put(key, &fresh, note.clone()).map_err(PutError::from)),
            Err(error @ CommandError::Cancelled { .. }) => Err(error.into()),
            Err(error) => Ok(Err(error.into())),
        }
    }

    /// Keeps what was changed in the root since it was opened as the root `key`, and goes on with that.
    pub(in super::super) async fn keep_changes(
        &mut self,
        ctx: &BuildContext,
        key: &Key,
        kickstart: KickstartRecord,
    ) -> Result<(), ComposeError> {
        let Some(Root {
            overlay,
            changes,
            mut layers,
        }) = self.root.take()
        else {
            return Ok(());
        };
        overlay.unmount().map_err(self.cache_error())?;
        let Some(base) = layers.first() else {
            return Ok(());
        };
        let note = RootNote {
            source_date_epoch: self.source_date.seconds,
            family: base.note.family.clone(),
            packages: base.note.packages.clone(),
            base: Some(base.key.clone()),
            kickstart: Some(kickstart),
        };
        layers = match base.keeping {
            Keeping::Kept => self.keep_layer(ctx, key, changes, note, layers).await?,
            // As the one below it.
            keeping @ (Keeping::Later | Keeping::Never) => {
                on(Layer::own(changes, key.clone(), note, keeping), layers)
            }
        };
        self.open(layers, key)
    }

    /// Keeps the layers of `root` that are still this build's own, each after the one below it. The build
    /// goes on with its own, so one that cannot be kept is no more than a warning.
    pub(in super::super) async fn keep_layers(
        &self,
        ctx: &BuildContext,
        root: Option<&Root>,
    ) -> Result<(), ComposeError> {
        let store = self.store(Kind::Root);
        let layers = root.into_iter().flat_map(|root| root.layers.iter().rev());
        for layer in layers.filter(|layer| layer.keeping == Keeping::Later) {
            let put = self.put_copy(ctx, &store, &layer.key, &layer.path, &layer.note);
            if let Err(error) = put.await? {
                self.not_kept(ctx, "Install root", &error.to_string());
                return Ok(());
            }
        }
        Ok(())
    }

    /// The layers of the root `key`, if it is kept.
    pub(in super::super) fn kept_root(&self, ctx: &BuildContext, key: &Key) -> Option<Vec<Layer>> {
        self.found(ctx, kept(&self.store(Kind::Root), key))
    }

    /// Takes the root away: nothing more is made of it.
    pub(in super::super) fn take_root(&mut self) -> Spent {
        Spent {
            root: self.root.take(),
            memory: self.memory.take(),
            folders: [self.places.root.clone(), self.layers()],
        }
    }
}

/// A root of which everything is made.
#[derive(Debug)]
pub(in super::super) struct Spent {
    root: Option<Root>,
    memory: Option<Memory>,
    folders: [PathBuf; 2],
}

impl Spent {
    pub(in super::super) fn root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    /// Removes it. Blocks.
    pub(in super::super) fn remove(self) -> io::Result<()> {
        // Unmounted first, here where it is mounted.
        drop(self.root);
        drop(self.memory);
        for folder in self.folders {
            if folder.exists() {
                workdir::remove(&folder)?;
            }
        }
        Ok(())
    }
}

/// Why the cache did not take a root.
#[derive(Debug, thiserror::Error)]
enum PutError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// `layer` on the layers `below`.
fn on(layer: Layer, below: Vec<Layer>) -> Vec<Layer> {
    [layer].into_iter().chain(below).collect()
}

/// Copies a folder as it is, to where nothing is yet.
fn copy(from: &Path, to: &Path) -> Invocation {
    let cp = Invocation::new("cp").args(["--archive", "--reflink=auto", "--"]);
    cp.path(from).path(to)
}

/// The layers of the root `key`, the uppermost first; `None` if one of them is not there. Those above one
/// that is gone mean nothing any more, and go as well.
fn kept(store: &Store, key: &Key) -> io::Result<Option<Vec<Layer>>> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut next = Some(key.clone());
    while let Some(key) = next.take() {
        let Some(entry) = store.get::<RootNote>(&key)? else {
            // What is held cannot be removed.
            let above = std::mem::take(&mut layers)
                .into_iter()
                .map(|layer| layer.key);
            for key in above {
                store.remove(&key)?;
            }
            return Ok(None);
        };
        next.clone_from(&entry.note.base);
        layers.push(entry.into());
    }
    Ok(Some(layers))
}

#[cfg(test)]
mod tests;
