//! One file on its way.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::super::retry::{Far, Fault};
use super::super::source::Source;
use super::super::{Checked, Delivery};
use super::{Progress, Session, Task, TransferError, join};
use crate::digest::hex;

/// An upload: what is known of it after the attempts up to now.
#[derive(Debug)]
pub(super) struct Upload<'a> {
    file: PathBuf,
    size: u64,
    sha256: Option<String>,
    folder: String,
    part: String,
    to: String,
    address: &'a str,
    read_back: bool,
    hint: String,
    progress: Progress,
    /// Bytes that are there.
    there: u64,
    /// Up to where bytes were written, whether they are there or not.
    written: Arc<AtomicU64>,
    /// What was read back.
    back: Option<(u64, Sha256)>,
    /// How much that was, also when it is done.
    read: u64,
    checked: Checked,
    /// The last thing that was asked for: its answer may have been lost.
    renaming: bool,
}

impl<'a> Upload<'a> {
    pub(super) fn new(
        folder: &str,
        delivery: &Delivery,
        address: &'a str,
        read_back: bool,
        hint: String,
        progress: &Progress,
    ) -> Result<Self, TransferError> {
        let file = delivery.file.metadata();
        let file = file.map_err(|source| TransferError::Put {
            file: delivery.file.clone(),
            to: address.into(),
            source,
        })?;
        let to = join(folder, &delivery.name);
        let written = Arc::new(AtomicU64::new(0));
        let progress = Progress::new({
            let (written, heard) = (Arc::clone(&written), progress.clone());
            move |bytes| {
                written.fetch_max(bytes, Ordering::Relaxed);
                heard.at(bytes);
            }
        });
        Ok(Self {
            file: delivery.file.clone(),
            size: file.len(),
            sha256: delivery.sha256.clone(),
            folder: folder.to_owned(),
            part: format!("{to}.part"),
            to,
            address,
            read_back,
            hint,
            progress,
            there: 0,
            written,
            back: None,
            read: 0,
            checked: Checked::Size,
            renaming: false,
        })
    }

    /// The temporary name. It has no dot in front: some servers show no such files.
    pub(super) fn part(&self) -> &str {
        &self.part
    }

    /// Sends what is missing.
    async fn send(&mut self, session: &mut dyn Session) -> Result<(), Fault> {
        let found = session.size(&self.part).await?;
        self.there = match found {
            Some(size) if size > self.size => {
                session.remove_file(&self.part).await?;
                0
            }
            Some(size) => size,
            None => 0,
        };
        if found == Some(self.size) && self.sha256.is_some() {
            return Ok(());
        }
        if let Some(free) = session.free(&self.folder).await
            && free < self.size - self.there
        {
            return Err(Fault::Final(TransferError::Full {
                place: self.address.to_owned(),
                problem: format!(
                    "{} MiB are needed, {} MiB are free",
                    (self.size - self.there).div_ceil(1 << 20),
                    free >> 20
                ),
            }));
        }
        let hashed = self.sha256.is_none();
        let mut source =
            Source::open(&self.file, self.address, self.there, hashed).map_err(Fault::Final)?;
        let written = session
            .write(&self.part, self.there, &mut source, &self.progress)
            .await;
        match written {
            Ok(()) => {}
            // A server that takes no rest of a file may take the whole.
            Err(Fault::Final(TransferError::Refused { .. })) if self.there > 0 => {
                self.forget(session).await?;
                return Err(Fault::Corrupt(
                    "the rest of the file was refused".to_owned(),
                ));
            }
            Err(fault) => return Err(fault),
        }
        if let Some(sha256) = source.sha256().await {
            self.sha256 = Some(sha256);
        }
        match session.size(&self.part).await? {
            Some(size) if size == self.size => {
                self.there = size;
                Ok(())
            }
            size => Err(Fault::Broken(format!(
                "{} of {} bytes arrived",
                size.unwrap_or_default(),
                self.size
            ))),
        }
    }

    /// Compares what is there with what was sent.
    async fn compare(&mut self, session: &mut dyn Session) -> Result<(), Fault> {
        if !self.read_back {
            return Ok(());
        }
        let Some(sha256) = &self.sha256 else {
            return Ok(());
        };
        let (mut at, mut hash) = self.back.take().unwrap_or_else(|| (0, Sha256::new()));
        let read = session.read(&self.part, &mut at, &mut hash).await;
        self.read = self.read.max(at);
        match read {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(fault) => {
                self.back = Some((at, hash));
                return Err(fault);
            }
        }
        let found = hex(&hash.finalize());
        if found == *sha256 {
            self.checked = Checked::Sha256;
            return Ok(());
        }
        let problem = format!("its SHA-256 is {found}, and not {sha256}");
        self.forget(session).await?;
        Err(Fault::Corrupt(problem))
    }

    /// Removes what is there, to begin anew.
    async fn forget(&mut self, session: &mut dyn Session) -> Result<(), Fault> {
        session.remove_file(&self.part).await?;
        (self.there, self.read) = (0, 0);
        self.written.store(0, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl Task for Upload<'_> {
    type Output = Checked;

    async fn attempt(&mut self, session: &mut dyn Session) -> Result<Checked, Fault> {
        match session.size(&self.to).await? {
            Some(size) if self.renaming && size == self.size => return Ok(self.checked),
            Some(_) => {
                return Err(Fault::Final(TransferError::Exists(self.address.to_owned())));
            }
            None => {}
        }
        self.send(session).await?;
        self.compare(session).await?;
        self.renaming = true;
        match session.rename(&self.part, &self.to).await {
            Ok(()) => Ok(self.checked),
            Err(Fault::Said(problem)) => Err(Fault::Final(TransferError::Refused {
                place: self.address.to_owned(),
                problem,
                hint: self.hint.clone(),
            })),
            Err(fault) => Err(fault),
        }
    }

    fn far(&self) -> Far {
        let written = self.written.load(Ordering::Relaxed);
        Far {
            there: self.there + self.read,
            moved: self.there.max(written) + self.read,
        }
    }
}
