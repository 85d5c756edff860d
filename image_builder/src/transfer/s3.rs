//! Staging in an object store that speaks S3.
//!
//! There are no folders in it, and an object is seen only when it is whole: large ones are sent in
//! parts, each of which is sent again when the connection breaks. Its name is seen before it was
//! compared: one that is there already counts where its bytes are the same.

mod client;
mod leftovers;
mod parts;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use sha2::{Digest, Sha256};
use url::Url;

use super::retry::{Attempts, CHECK_PATIENCE, Far, Fault, PATIENCE};
use super::source::Source;
use super::{
    Checked, Delivered, Delivery, Progress, StagingSettings, Transfer, TransferError, folder_names,
};
use crate::context::CancellationToken;
use crate::digest::{self, hex};
use crate::error::chain;
use crate::percent;
use client::{KEYS, builder};
use leftovers::Leftovers;
use parts::{PART, Parts};

/// The object that says that a build has this prefix.
const MARK: &str = "fbs-build";

/// A bucket, or a prefix in one.
#[derive(Debug)]
pub(super) struct ObjectStaging {
    /// For what is sent and read: waits for a server that is gone.
    store: AmazonS3,
    /// For the check before a build, and for clearing away.
    hasty: AmazonS3,
    prefix: Path,
    url: String,
    read_back: bool,
}

impl ObjectStaging {
    /// # Errors
    ///
    /// [`TransferError::Settings`]
    pub(super) fn open(url: &Url, settings: &StagingSettings) -> Result<Self, TransferError> {
        let shown = super::shown(url);
        let wrong = |problem: String, hint: &str| TransferError::Settings {
            place: shown.clone(),
            problem,
            hint: hint.to_owned(),
        };
        let path = percent::decoded(url.path().trim_matches('/')).unwrap_or_default();
        let prefix =
            Path::parse(&path).map_err(|error| wrong(error.to_string(), "name another"))?;
        if url.password().is_some() || !url.username().is_empty() {
            return Err(wrong(
                "keys do not belong into its address".to_owned(),
                KEYS,
            ));
        }
        let store = |patience| {
            let builder = builder(url, settings, patience)?;
            builder.build().map_err(|error| wrong(words(&error), KEYS))
        };
        Ok(Self {
            store: store(PATIENCE)?,
            hasty: store(CHECK_PATIENCE)?,
            prefix,
            read_back: settings.read_back.unwrap_or(true),
            url: shown,
        })
    }

    fn object(&self, name: &str) -> Path {
        let inner = name.split('/');
        self.prefix.parts().chain(inner.map(Into::into)).collect()
    }

    /// The address of an object.
    fn place(&self, object: &Path) -> String {
        let name = object.as_ref();
        let inner = name.strip_prefix(self.prefix.as_ref()).unwrap_or(name);
        format!("{}/{}", self.url, inner.trim_start_matches('/'))
    }

    fn fault(&self, error: &Error, what: &str) -> TransferError {
        let problem = format!("{what}: {}", words(error));
        let refused = |hint: &str| TransferError::Refused {
            place: self.url.clone(),
            problem: problem.clone(),
            hint: hint.to_owned(),
        };
        match error {
            Error::AlreadyExists { .. } | Error::Precondition { .. } => {
                TransferError::Exists(format!("{}/{what}", self.url))
            }
            Error::NotFound { .. } => refused("the bucket has to be there, and the endpoint right"),
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => refused(KEYS),
            _ if problem.contains("NoSuchBucket") => {
                refused("the bucket has to be there, and the endpoint right")
            }
            _ if problem.contains("certificate") => refused(
                "name its authority with `ca_file` in [[staging]] of the service's configuration, \
                 or trust any certificate with `verify_certificate = false`",
            ),
            _ => TransferError::Unreachable {
                place: self.url.clone(),
                problem,
            },
        }
    }

    /// Makes a small object, and never another of a name that is taken; tells whether it is there.
    async fn create(
        &self,
        object: &Path,
        content: Vec<u8>,
        what: &str,
    ) -> Result<bool, TransferError> {
        let sha256 = hex(&Sha256::digest(&content));
        let size = content.len() as u64;
        let content = PutPayload::from(content);
        let mut attempts = Attempts::new(&self.url, PATIENCE);
        loop {
            let put = self.store.put_opts(object, content.clone(), create());
            match put.await.map_err(|error| self.fault(&error, what)) {
                Ok(_) => return Ok(true),
                // The answer to an earlier attempt may have been lost, here or in the library.
                Err(TransferError::Exists(_)) => {
                    return self.is_same(object, size, &sha256).await;
                }
                Err(TransferError::Unreachable { problem, .. }) => {
                    let fault = Fault::Broken(problem);
                    attempts.after(fault, Far::default()).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether an object has these bytes; not where nobody may read it.
    async fn is_same(&self, object: &Path, size: u64, sha256: &str) -> Result<bool, TransferError> {
        match self.store.head(object).await {
            Ok(found) if found.size == size => {}
            Ok(_) | Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => {
                return Ok(false);
            }
            Err(error) => return Err(self.fault(&error, object.as_ref())),
        }
        let found = self.read_back(object).await?;
        Ok(found.is_some_and(|found| found == sha256))
    }

    /// Sends a file and gives its SHA-256.
    async fn send(
        &self,
        to: &Path,
        delivery: &Delivery,
        progress: &Progress,
        left: &Leftovers,
    ) -> Result<String, TransferError> {
        let unreadable = |source| unreadable(delivery, &self.place(to), source);
        let name = &delivery.name;
        let size = delivery.file.metadata().map_err(unreadable)?.len();
        let mut source = Source::open(&delivery.file, &self.place(to), 0, true)?;
        if size <= PART as u64 {
            let mut bytes = Vec::new();
            while let Some(chunk) = source.next().await? {
                bytes.extend_from_slice(chunk);
            }
            left.object_begun();
            if !self.create(to, bytes, name).await? {
                return Err(TransferError::Exists(self.place(to)));
            }
        } else {
            let parts = Parts::begin(&self.store, to).await;
            let mut parts = parts.map_err(|error| self.fault(&error, name))?;
            left.parts_begun(parts.id());
            let mut done = 0;
            while let Some(chunk) = source.next().await? {
                let written = parts.write(chunk).await;
                written.map_err(|error| self.fault(&error, name))?;
                done += chunk.len() as u64;
                progress.at(done);
            }
            left.object_begun();
            if let Err(error) = parts.end().await {
                // The last answer may have been lost.
                let found = self.store.head(to).await;
                if !found.is_ok_and(|found| found.size == size) {
                    return Err(self.fault(&error, name));
                }
            }
            left.parts_ended();
        }
        progress.at(size);
        source
            .sha256()
            .await
            .ok_or_else(|| unreadable(std::io::Error::other("it could not be read to its end")))
    }

    /// The SHA-256 of an object; none when nobody may read it.
    async fn read_back(&self, object: &Path) -> Result<Option<String>, TransferError> {
        let name = object.as_ref();
        let size = match self.store.head(object).await {
            Ok(found) => found.size,
            Err(Error::PermissionDenied { .. }) => return Ok(None),
            Err(error) => return Err(self.fault(&error, name)),
        };
        let (mut hash, mut at) = (Sha256::new(), 0);
        while at < size {
            let end = (at + PART as u64).min(size);
            match self.store.get_range(object, at..end).await {
                Ok(bytes) => hash.update(&bytes),
                Err(Error::PermissionDenied { .. }) => return Ok(None),
                Err(error) => return Err(self.fault(&error, name)),
            }
            at = end;
        }
        Ok(Some(hex(&hash.finalize())))
    }

    async fn deliver(
        &self,
        to: &Path,
        delivery: &Delivery,
        progress: &Progress,
        left: &Leftovers,
    ) -> Result<Checked, TransferError> {
        match self.store.head(to).await {
            Ok(found) => return self.compare(to, found.size, delivery, progress).await,
            Err(Error::NotFound { .. }) => left.object_is_new(),
            // Who may write may not always ask.
            Err(Error::PermissionDenied { .. }) => {}
            Err(error) => return Err(self.fault(&error, &delivery.name)),
        }
        let place = self.place(to);
        let mut attempts = Attempts::new(&place, PATIENCE);
        loop {
            let sent = self.send(to, delivery, progress, left).await?;
            let sha256 = delivery.sha256.as_ref().unwrap_or(&sent);
            if !self.read_back {
                return Ok(Checked::Size);
            }
            let problem = match self.read_back(to).await? {
                None => return Ok(Checked::Size),
                Some(found) if found == *sha256 => return Ok(Checked::Sha256),
                Some(found) => format!("its SHA-256 is {found}, and not {sha256}"),
            };
            if let Err(error) = self.store.delete(to).await {
                let problem = format!("{problem}; it was not removed: {}", words(&error));
                let place = self.place(to);
                return Err(TransferError::Corrupt { place, problem });
            }
            left.object_stays();
            let fault = Fault::Corrupt(problem);
            attempts.after(fault, Far::default()).await?;
        }
    }

    /// Counts an object that is there already, if it is the same: what was sent by a delivery that
    /// was stopped before it had compared it.
    async fn compare(
        &self,
        object: &Path,
        found: u64,
        delivery: &Delivery,
        progress: &Progress,
    ) -> Result<Checked, TransferError> {
        let place = self.place(object);
        let unreadable = |source| unreadable(delivery, &place, source);
        let size = delivery.file.metadata().map_err(unreadable)?.len();
        if found == size {
            let sha256 = match &delivery.sha256 {
                Some(sha256) => sha256.clone(),
                None => digest::sha256_file(&delivery.file)
                    .await
                    .map_err(unreadable)?,
            };
            if self.read_back(object).await? == Some(sha256) {
                progress.at(size);
                return Ok(Checked::Sha256);
            }
        }
        Err(TransferError::Exists(place))
    }
}

/// That a file of this host cannot be read.
fn unreadable(delivery: &Delivery, to: &str, source: std::io::Error) -> TransferError {
    TransferError::Put {
        file: delivery.file.clone(),
        to: to.into(),
        source,
    }
}

/// A word that nobody else has.
fn unique() -> String {
    let time = jiff::Timestamp::now().as_nanosecond();
    format!("{:x}-{time:x}", std::process::id())
}

fn create() -> PutOptions {
    PutOptions::from(PutMode::Create)
}

/// What happened, on one line.
fn words(error: &dyn std::error::Error) -> String {
    chain(error).replace(['\n', '\r'], " ")
}

#[async_trait]
impl Transfer for ObjectStaging {
    async fn check(&self) -> Result<(), TransferError> {
        let object = self.object(&format!("fbs-check-{}", unique()));
        let put = self.hasty.put_opts(&object, "fbs".into(), create()).await;
        match put.map_err(|error| self.fault(&error, "writing")) {
            // Nobody else has that name: an answer was lost.
            Ok(_) | Err(TransferError::Exists(_)) => {}
            Err(error) => return Err(error),
        }
        let removed = self.hasty.delete(&object).await;
        removed.map_err(|error| self.fault(&error, &format!("removing {object}")))
    }

    async fn reserve(&self, name: &str) -> Result<String, TransferError> {
        // By its content a mark is known as ours when the answer was lost.
        let ours = unique();
        for name in folder_names(name) {
            let mark = self.object(&format!("{name}/{MARK}"));
            let content = ours.clone().into_bytes();
            if self.create(&mark, content, "writing").await? {
                return Ok(name);
            }
        }
        Err(TransferError::Exists(self.address(name)))
    }

    fn address(&self, folder: &str) -> String {
        format!("{}/{folder}", self.url)
    }

    async fn put(
        &self,
        folder: &str,
        delivery: &Delivery,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<Delivered, TransferError> {
        let to = self.object(&format!("{folder}/{}", delivery.name));
        let left = Leftovers::new(&self.hasty, &to);
        let done = tokio::select! {
            done = self.deliver(&to, delivery, progress, &left) => done,
            () = cancel.cancelled() => Err(TransferError::Cancelled),
        };
        let stays = match &done {
            Ok(_) | Err(TransferError::Exists(_)) => true,
            Err(TransferError::Cancelled) => false,
            // Sent again, it is compared; but what has no checksum is another file by then.
            Err(_) => delivery.sha256.is_some(),
        };
        if stays {
            left.object_stays();
        }
        left.clear().await;
        Ok(Delivered {
            address: format!("{}/{}", self.address(folder), delivery.name),
            checked: done?,
        })
    }
}
