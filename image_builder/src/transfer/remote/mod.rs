//! Staging on a server that has folders and files: what FTP and SFTP have in common.
//!
//! A [`Server`] opens a [`Session`], which can do one thing at a time. The tasks here are made of
//! these things, and each can be taken up again on a new session where a broken one left it.

mod probe;
mod reserve;
#[cfg(test)]
mod tests;
mod upload;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use sha2::Sha256;
use tokio::sync::Mutex;

use super::retry::{Attempts, CHECK_PATIENCE, Far, Fault, PATIENCE};
use super::source::Source;
use super::{Delivered, Delivery, Progress, StagingSettings, Transfer, TransferError};
use crate::context::CancellationToken;
use probe::Probe;
use reserve::Reserve;
use upload::Upload;

/// How long nothing may move before a connection counts as broken.
pub(super) const STALL: Duration = Duration::from_secs(60);

/// How long a server may take to accept a connection and a login.
pub(super) const CONNECT: Duration = Duration::from_secs(15);

/// How long the rest of a cancelled upload may take to be removed.
const CLEARING: Duration = Duration::from_secs(5);

/// Opens sessions.
#[async_trait]
pub(super) trait Server: Send + Sync + fmt::Debug {
    /// A session, logged in.
    async fn open(&self) -> Result<Box<dyn Session>, Fault>;

    /// The staging folder, as the session's paths begin; may be empty.
    fn folder(&self) -> &str;

    /// Whether the staging folder is made when it is not there.
    fn makes_folder(&self) -> bool;

    /// The staging folder as a URL, without a password and without a slash at its end.
    fn url(&self) -> &str;

    /// The way out where the server refuses a login, a folder or a file.
    fn hint(&self) -> String;
}

/// One connection to a server. After a [`Fault::Broken`] it is not used again.
#[async_trait]
pub(super) trait Session: Send {
    /// Makes a folder; tells whether it was made, and not there already.
    async fn make_folder(&mut self, path: &str) -> Result<bool, Fault>;

    /// Whether there is a folder.
    async fn is_folder(&mut self, path: &str) -> Result<bool, Fault>;

    /// The size of a file in bytes, if it is there.
    async fn size(&mut self, path: &str) -> Result<Option<u64>, Fault>;

    /// Writes a file from `start` on, which is its size up to now; made anew where that is 0.
    async fn write(
        &mut self,
        path: &str,
        start: u64,
        source: &mut Source,
        progress: &Progress,
    ) -> Result<(), Fault>;

    /// Hashes a file from `start` on, and tells how far it came whatever happened; false when the
    /// server lets nobody read it.
    async fn read(&mut self, path: &str, start: &mut u64, hash: &mut Sha256)
    -> Result<bool, Fault>;

    /// Gives a file another name.
    async fn rename(&mut self, from: &str, to: &str) -> Result<(), Fault>;

    /// Removes a file.
    async fn remove_file(&mut self, path: &str) -> Result<(), Fault>;

    /// Removes an empty folder.
    async fn remove_folder(&mut self, path: &str) -> Result<(), Fault>;

    /// The free space around a folder in bytes, where the server tells.
    async fn free(&mut self, path: &str) -> Option<u64>;

    /// Takes leave of the server.
    async fn close(self: Box<Self>);
}

/// Something to do in a session, which can be taken up again in another.
#[async_trait]
trait Task: Send {
    type Output;

    async fn attempt(&mut self, session: &mut dyn Session) -> Result<Self::Output, Fault>;

    /// How far it has come, in all attempts.
    fn far(&self) -> Far {
        Far::default()
    }
}

/// A staging folder of a server.
#[derive(Debug)]
pub(super) struct Remote<S> {
    server: S,
    read_back: bool,
    /// The session of the last task, if it ended well.
    session: Mutex<Kept>,
}

#[derive(Default)]
struct Kept(Option<Box<dyn Session>>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "open" } else { "closed" })
    }
}

impl<S: Server> Remote<S> {
    pub(super) fn new(server: S, settings: &StagingSettings) -> Self {
        Self {
            server,
            read_back: settings.read_back.unwrap_or(true),
            session: Mutex::default(),
        }
    }

    /// Attempts a task until it is done or there is no hope.
    async fn run<T: Task>(
        &self,
        task: &mut T,
        place: &str,
        patience: Duration,
    ) -> Result<T::Output, TransferError> {
        let mut attempts = Attempts::new(place, patience);
        loop {
            // Taken out: a task that is dropped in its middle leaves no session of use.
            let kept = self.session.lock().await.0.take();
            let opened = match kept {
                Some(session) => Ok(session),
                None => self.server.open().await,
            };
            let fault = match opened {
                Err(fault) => fault,
                Ok(mut session) => match task.attempt(&mut *session).await {
                    Ok(done) => {
                        self.session.lock().await.0 = Some(session);
                        return Ok(done);
                    }
                    Err(fault) => fault,
                },
            };
            attempts.after(fault, task.far()).await?;
        }
    }

    fn path(&self, folder: &str) -> String {
        join(self.server.folder(), folder)
    }
}

#[async_trait]
impl<S: Server> Transfer for Remote<S> {
    async fn check(&self) -> Result<(), TransferError> {
        let mut probe = Probe::new(&self.server);
        self.run(&mut probe, self.server.url(), CHECK_PATIENCE)
            .await?;
        // The build takes longer than a server waits for a word.
        if let Some(session) = self.session.lock().await.0.take() {
            session.close().await;
        }
        Ok(())
    }

    async fn reserve(&self, name: &str) -> Result<String, TransferError> {
        let mut reserve = Reserve::new(&self.server, name);
        self.run(&mut reserve, self.server.url(), PATIENCE).await
    }

    fn address(&self, folder: &str) -> String {
        format!("{}/{folder}", self.server.url())
    }

    async fn put(
        &self,
        folder: &str,
        delivery: &Delivery,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<Delivered, TransferError> {
        let address = format!("{}/{}", self.address(folder), delivery.name);
        let mut upload = Upload::new(
            &self.path(folder),
            delivery,
            &address,
            self.read_back,
            self.server.hint(),
            progress,
        )?;
        let part = upload.part().to_owned();
        let done = tokio::select! {
            done = self.run(&mut upload, &address, PATIENCE) => done,
            () = cancel.cancelled() => Err(TransferError::Cancelled),
        };
        match done {
            Ok(checked) => Ok(Delivered { address, checked }),
            Err(TransferError::Cancelled) => {
                let clear = async {
                    let mut session = self.server.open().await?;
                    session.remove_file(&part).await
                };
                // A server that is gone keeps the part.
                let _ = tokio::time::timeout(CLEARING, clear).await;
                Err(TransferError::Cancelled)
            }
            Err(error) => Err(error),
        }
    }
}

/// A name in a folder, which may be empty: that of the login.
fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        "/" => format!("/{name}"),
        folder => format!("{folder}/{name}"),
    }
}
