//! Putting an image with its logs where the user asked for it.
//!
//! | staging | how |
//! |---|---|
//! | a folder, `file:///folder` | [`Local`] |
//! | a host, `ftp://`, `ftps://` | FTP, plain or over TLS (feature `ftp`) |
//! | `sftp://` | SFTP through the `ssh` of OpenSSH (feature `sftp`) |
//! | `s3://bucket/prefix` | an object store (feature `s3`) |
//!
//! All keep the same promises: each build has a folder of its own; a file has its name only when it
//! is whole; nothing is written over; what a broken connection left is taken up again.

mod courier;
mod error;
#[cfg(feature = "ftp")]
mod ftp;
mod local;
#[cfg(any(feature = "ftp", feature = "sftp"))]
mod remote;
#[cfg(any(feature = "ftp", feature = "sftp", feature = "s3"))]
mod retry;
#[cfg(feature = "s3")]
mod s3;
mod settings;
#[cfg(feature = "sftp")]
mod sftp;
#[cfg(any(feature = "ftp", feature = "sftp", feature = "s3"))]
mod source;
#[cfg(feature = "ftp")]
mod tls;

pub use courier::{Courier, DeliveryRecord};
pub use error::TransferError;
pub use local::Local;
pub use settings::StagingSettings;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::context::CancellationToken;
use crate::plan::Staging;

/// One file to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The file on this host.
    pub file: PathBuf,
    /// Its name at the staging place.
    pub name: String,
    /// Its SHA-256 as hex, where it is known already.
    pub sha256: Option<String>,
}

/// How it was seen that a file arrived as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// By its size: the far side lets nobody read it.
    Size,
    /// It was read back, and its SHA-256 compared.
    Sha256,
    /// The operating system copied it, or gave the same file a second name.
    Local,
}

/// A file that was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its address: a path, or a URL without a password.
    pub address: String,
    /// How it was seen that it arrived whole.
    pub checked: Checked,
}

/// Hears how many bytes of a file are there.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(u64) + Send + Sync>);

impl Progress {
    /// Calls `listener` with the number of bytes, now and then.
    pub fn new(listener: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// Nobody listens.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// Tells it: for those who implement [`Transfer`].
    pub fn at(&self, bytes: u64) {
        (self.0)(bytes);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// A staging place.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Transfer: Send + Sync + fmt::Debug {
    /// Finds out before the build starts whether files can be put there: that it is reached, may
    /// be written to, and has some space where that can be asked. Leaves nothing there but the
    /// staging folder itself.
    ///
    /// # Errors
    ///
    /// [`TransferError`].
    async fn check(&self) -> Result<(), TransferError>;

    /// Reserves a folder called `name` of its own for one build, and gives its name. Another
    /// build's folder is never given: a number is added to the name then.
    ///
    /// # Errors
    ///
    /// [`TransferError`].
    async fn reserve(&self, name: &str) -> Result<String, TransferError>;

    /// The address of a reserved folder: a path, or a URL without a password.
    fn address(&self, folder: &str) -> String;

    /// Puts a file into a reserved folder, under a temporary name until it is whole. What an
    /// earlier call left of it is taken up again.
    ///
    /// # Errors
    ///
    /// [`TransferError`], and [`TransferError::Cancelled`] when `cancel` said stop before the
    /// file was whole: nothing of it is left then. What was delivered before stays.
    async fn put(
        &self,
        folder: &str,
        delivery: &Delivery,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<Delivered, TransferError>;
}

/// How many builds of one name and second are told apart.
const ATTEMPTS: u32 = 1000;

/// The names that a build's folder may have: its own, then its own with a number.
fn folder_names(name: &str) -> impl Iterator<Item = String> {
    let numbered = (2..=ATTEMPTS).map({
        let name = name.to_owned();
        move |n| format!("{name}-{n}")
    });
    std::iter::once(name.to_owned()).chain(numbered)
}

/// The folder of a server as a URL without a password and without a slash at its end.
#[cfg(any(feature = "ftp", feature = "sftp", feature = "s3"))]
fn shown(url: &url::Url) -> String {
    let shown = crate::redact::passwords(url.as_str()).into_owned();
    shown.trim_end_matches('/').to_owned()
}

/// The backend of a staging place.
///
/// # Errors
///
/// [`TransferError::Settings`] for a place that this program was built without, or whose settings
/// cannot be used.
pub fn open(
    staging: &Staging,
    settings: &StagingSettings,
) -> Result<Box<dyn Transfer>, TransferError> {
    let url = match staging {
        Staging::Folder(folder) => return Ok(Box::new(Local::new(folder))),
        Staging::Server(url) => url,
    };
    // Without any of the features nobody reads them.
    let _ = settings;
    match url.scheme() {
        #[cfg(feature = "ftp")]
        "ftp" | "ftps" => {
            let server = ftp::FtpServer::new(url, settings)?;
            Ok(Box::new(remote::Remote::new(server, settings)))
        }
        #[cfg(feature = "sftp")]
        "sftp" => {
            let server = sftp::SshServer::new(url, settings)?;
            Ok(Box::new(remote::Remote::new(server, settings)))
        }
        #[cfg(feature = "s3")]
        "s3" => Ok(Box::new(s3::ObjectStaging::open(url, settings)?)),
        scheme => Err(TransferError::Settings {
            place: staging.to_string(),
            problem: format!("this program was built without {scheme}"),
            hint: "build it with the feature of that name, or name another place with `staging`"
                .to_owned(),
        }),
    }
}
