//! Files of repositories, over HTTP or from this machine.

use std::io::{self, Read};

use reqwest::{Client, Response};
use tokio::sync::mpsc;
use url::Url;

use super::error::Fault;
use super::limits::Limits;
use crate::http;
use crate::internal::{InternalName, Public};
use crate::spec::Trust;

/// Pieces that may wait for who reads.
const WAITING: usize = 16;

/// How long a server may say nothing, of the time that all may take.
const SILENCE: u32 = 4;

/// Fetches files for one catalogue.
#[derive(Debug)]
pub(super) struct Fetch {
    trust: Trust,
    public: Public,
    client: Client,
}

impl Fetch {
    /// # Errors
    ///
    /// There is no HTTP here.
    pub(super) fn new(trust: Trust, public: &Public, limits: &Limits) -> Result<Self, Fault> {
        let builder = http::builder(None).map_err(Fault::Network)?;
        let builder = builder
            .timeout(limits.time)
            .read_timeout(limits.time / SILENCE);
        let builder = match trust {
            Trust::Local => builder,
            Trust::Remote => public.guard(builder, false),
        };
        let client = builder.build();
        Ok(Self {
            trust,
            public: public.clone(),
            client: client.map_err(|error| Fault::Network(http::reason(&error)))?,
        })
    }

    /// A file, as it comes; to be read where blocking is no harm.
    ///
    /// # Errors
    ///
    /// Why it cannot be had; what is known only later is an error of the reader.
    pub(super) async fn open(&self, url: &Url) -> Result<Box<dyn Read + Send>, Fault> {
        match url.scheme() {
            "file" if self.trust == Trust::Remote => Err(Fault::Local),
            "file" => {
                let path = url.to_file_path().map_err(|()| Fault::Address)?;
                let opened = tokio::fs::File::open(path).await;
                let opened = opened.map_err(|error| Fault::Io(error.to_string()))?;
                Ok(Box::new(opened.into_std().await))
            }
            "http" | "https" => {
                if self.trust == Trust::Remote
                    && let Some(address) = self.public.by_number(url)
                {
                    return Err(Fault::Internal(address.to_string()));
                }
                let answer = self.client.get(url.clone()).send().await;
                let answer = answer.map_err(|error| failed(&error))?;
                if !answer.status().is_success() {
                    return Err(Fault::Refused(answer.status().to_string()));
                }
                let (sender, receiver) = mpsc::channel(WAITING);
                tokio::spawn(pump(answer, sender));
                Ok(Box::new(Feed {
                    receiver,
                    piece: io::Cursor::new(Vec::new()),
                }))
            }
            _ => Err(Fault::Address),
        }
    }

    /// A small file, whole.
    ///
    /// # Errors
    ///
    /// Why it cannot be had; more than `limit` bytes.
    pub(super) async fn read(&self, url: &Url, limit: u64) -> Result<Vec<u8>, Fault> {
        let file = self.open(url).await?;
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            file.take(limit + 1).read_to_end(&mut bytes).map(|_| bytes)
        });
        let read = read.await.map_err(|error| Fault::Io(error.to_string()))?;
        let bytes = read.map_err(|error| Fault::of_io(&error))?;
        match bytes.len() as u64 > limit {
            true => Err(Fault::TooLarge {
                limit,
                what: "bytes",
            }),
            false => Ok(bytes),
        }
    }
}

/// Hands on what comes until it ends, or nobody reads any more.
async fn pump(mut answer: Response, to: mpsc::Sender<Result<Vec<u8>, Fault>>) {
    loop {
        let piece = match answer.chunk().await {
            Ok(Some(piece)) => Ok(piece.to_vec()),
            Ok(None) => return,
            Err(error) => Err(failed(&error)),
        };
        let was_last = piece.is_err();
        if to.send(piece).await.is_err() || was_last {
            return;
        }
    }
}

/// What is pumped.
struct Feed {
    receiver: mpsc::Receiver<Result<Vec<u8>, Fault>>,
    piece: io::Cursor<Vec<u8>>,
}

impl Read for Feed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.piece.read(into)? {
                0 if !into.is_empty() => match self.receiver.blocking_recv() {
                    Some(piece) => self.piece = io::Cursor::new(piece.map_err(Fault::into_io)?),
                    None => return Ok(0),
                },
                count => return Ok(count),
            }
        }
    }
}

fn failed(error: &reqwest::Error) -> Fault {
    match InternalName::in_cause_of(error) {
        Some(name) => Fault::Internal(name),
        // The times are not those of other requests.
        None if error.is_timeout() => Fault::Network("no answer in time".to_owned()),
        None => Fault::Network(http::reason(error)),
    }
}
