//! One text: from a file, over HTTP or FTP, within limits.

use std::io::ErrorKind;
use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use url::Url;

use super::error::Unreadable;
use super::place::Source;
use crate::http;
use crate::internal::{InternalName, Public};
use crate::spec::Trust;

/// How texts are fetched.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    trust: Trust,
    /// What may be reached for who is not trusted.
    pub(super) public: Public,
    pub(super) proxy: Option<String>,
}

impl Fetch {
    pub(super) fn new(trust: Trust) -> Self {
        Self {
            trust,
            public: Public::default(),
            proxy: None,
        }
    }

    /// The text of a source, of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// Why it cannot be had.
    pub(super) async fn text(&self, source: &Source, limit: u64) -> Result<String, Unreadable> {
        let bytes = match source {
            Source::File(path) if self.trust == Trust::Local => file(path, limit).await?,
            Source::File(_) | Source::Text(_) => return Err(Unreadable::Local),
            Source::Url(url) => {
                if self.trust == Trust::Remote
                    && let Some(address) = self.public.by_number(url)
                {
                    return Err(Unreadable::Internal(address.to_string()));
                }
                match url.scheme() {
                    "ftp" => self.ftp(url, limit).await?,
                    _ => self.http(url, limit).await?,
                }
            }
        };
        String::from_utf8(bytes).map_err(|error| not_utf8(&error))
    }

    async fn http(&self, url: &Url, limit: u64) -> Result<Vec<u8>, Unreadable> {
        let mut builder = http::builder(self.proxy.as_deref()).map_err(Unreadable::Network)?;
        if self.trust == Trust::Remote {
            builder = self.public.guard(builder, self.proxy.is_some());
        }
        let client = builder
            .build()
            .map_err(|error| Unreadable::Network(http::reason(&error)))?;
        let request = client.get(url.clone()).send();
        let mut answer = request.await.map_err(|error| failed(&error))?;
        if !answer.status().is_success() {
            return Err(Unreadable::Refused(answer.status().to_string()));
        }
        if answer.content_length().is_some_and(|length| length > limit) {
            return Err(Unreadable::TooLarge { limit });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| failed(&error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > limit {
                return Err(Unreadable::TooLarge { limit });
            }
        }
        Ok(bytes)
    }

    #[cfg(not(feature = "ftp"))]
    async fn ftp(&self, _url: &Url, _limit: u64) -> Result<Vec<u8>, Unreadable> {
        Err(Unreadable::NoFtp)
    }

    #[cfg(feature = "ftp")]
    async fn ftp(&self, url: &Url, limit: u64) -> Result<Vec<u8>, Unreadable> {
        let public = (self.trust == Trust::Remote).then_some(&self.public);
        let bytes = super::ftp::fetch(url, limit, public).await?;
        match bytes.len() as u64 > limit {
            true => Err(Unreadable::TooLarge { limit }),
            false => Ok(bytes),
        }
    }
}

fn failed(error: &reqwest::Error) -> Unreadable {
    match InternalName::in_cause_of(error) {
        Some(name) => Unreadable::Internal(name),
        None => Unreadable::Network(http::reason(error)),
    }
}

async fn file(path: &Path, limit: u64) -> Result<Vec<u8>, Unreadable> {
    let metadata = tokio::fs::metadata(path).await;
    let metadata = metadata.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Unreadable::NotFound,
        _ => Unreadable::Io(error),
    })?;
    // A pipe or a device may never end.
    if !metadata.is_file() {
        return Err(Unreadable::NoFile);
    }
    if metadata.len() > limit {
        return Err(Unreadable::TooLarge { limit });
    }
    let file = tokio::fs::File::open(path).await?;
    let bytes = at_most(file, limit).await?;
    match bytes.len() as u64 > limit {
        true => Err(Unreadable::TooLarge { limit }),
        false => Ok(bytes),
    }
}

/// Reads until one byte beyond the limit.
pub(super) async fn at_most(
    reader: impl AsyncRead + Unpin,
    limit: u64,
) -> Result<Vec<u8>, std::io::Error> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn not_utf8(error: &std::string::FromUtf8Error) -> Unreadable {
    let offset = error.utf8_error().valid_up_to();
    let before = &error.as_bytes()[..offset];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    Unreadable::NotUtf8 { line, offset }
}
