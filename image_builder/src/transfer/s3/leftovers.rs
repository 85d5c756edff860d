//! What an upload leaves that does not come to its end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use object_store::aws::AmazonS3;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{MultipartId, ObjectStoreExt};
use tokio::runtime::Handle;

/// How long the clearing may take.
const CLEARING: Duration = Duration::from_secs(5);

/// What was begun of one object. It is cleared away at the latest when this is dropped.
#[derive(Debug)]
pub(super) struct Leftovers {
    store: AmazonS3,
    to: Path,
    begun: Mutex<Begun>,
}

#[derive(Debug, Default)]
struct Begun {
    /// Whether there was no such object before.
    is_new: bool,
    /// Parts, which nobody sees and which cost room.
    parts: Option<MultipartId>,
    /// The object, which may be there, and was not compared yet.
    object: bool,
}

impl Leftovers {
    /// Nothing yet.
    pub(super) fn new(store: &AmazonS3, to: &Path) -> Self {
        Self {
            store: store.clone(),
            to: to.clone(),
            begun: Mutex::default(),
        }
    }

    fn begun(&self) -> MutexGuard<'_, Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is no such object: what will be there is ours.
    pub(super) fn object_is_new(&self) {
        self.begun().is_new = true;
    }

    /// From now on there may be one.
    pub(super) fn object_begun(&self) {
        let mut begun = self.begun();
        // Somebody else's is never removed.
        begun.object = begun.is_new;
    }

    /// What is there stays.
    pub(super) fn object_stays(&self) {
        self.begun().object = false;
    }

    pub(super) fn parts_begun(&self, id: &MultipartId) {
        self.begun().parts = Some(id.clone());
    }

    pub(super) fn parts_ended(&self) {
        self.begun().parts = None;
    }

    /// Removes it, as far as that goes within a few seconds.
    pub(super) async fn clear(&self) {
        let begun = std::mem::take(&mut *self.begun());
        clear(&self.store, &self.to, begun).await;
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let begun = std::mem::take(&mut *self.begun());
        if (begun.parts.is_some() || begun.object)
            && let Ok(runtime) = Handle::try_current()
        {
            let (store, to) = (self.store.clone(), self.to.clone());
            runtime.spawn(async move { clear(&store, &to, begun).await });
        }
    }
}

async fn clear(store: &AmazonS3, to: &Path, begun: Begun) {
    let clearing = async {
        // A server that is gone keeps them.
        if let Some(id) = &begun.parts {
            let _ = store.abort_multipart(to, id).await;
        }
        if begun.object {
            let _ = store.delete(to).await;
        }
    };
    let _ = tokio::time::timeout(CLEARING, clearing).await;
}
