//! One request for a file, or for the rest of it.

use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE,
    RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode};
use tokio::time::timeout;

use super::download::RemoteCopy;
use super::part_file::{Pump, Stopped};
use super::progress::Share;
use super::retry_after;
use crate::http;

/// Collected before it goes to the disk, in bytes.
const BATCH: usize = 256 * 1024;

/// No RPM is larger; a server that sends more without saying how much will not fill the disk.
const LARGEST: u64 = 32 << 30;

/// The client's own limit on a whole answer is for small ones. Here a connection that stalls is
/// given up, and one that flows is not.
const NEVER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a request did not bring the rest of the file.
#[derive(Debug)]
pub(super) enum Broken {
    /// The server does not have it, or not for us.
    Missing,
    /// The server's file is another one.
    Size { expected: u64, found: u64 },
    /// It makes no sense to try again.
    Refused(String),
    /// It does, and not before `wait` if the server asked for that.
    Transient {
        problem: String,
        wait: Option<Duration>,
    },
    /// The partial file took no more.
    Stopped,
}

impl From<Stopped> for Broken {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

fn transient(problem: impl Into<String>) -> Broken {
    Broken::Transient {
        problem: problem.into(),
        wait: None,
    }
}

/// The requests for one copy.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    client: &'a Client,
    copy: &'a RemoteCopy,
    stall: Duration,
    /// What the server calls the version of the file of which we have a part.
    version: Option<String>,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(client: &'a Client, copy: &'a RemoteCopy, stall: Duration) -> Self {
        Self {
            client,
            copy,
            stall,
            version: None,
        }
    }

    /// Asks for what `pump` does not have yet, and passes it on.
    pub(super) async fn run(&mut self, pump: &mut Pump, share: &mut Share) -> Result<(), Broken> {
        if self.copy.size.is_some_and(|size| size == pump.length) {
            return Ok(());
        }
        let mut response = self.request(pump.length).await?;
        let total = match self.begin(&response, pump.length)? {
            Begin::Here { total } => total,
            Begin::Anew { total } => {
                pump.restart().await?;
                total
            }
            Begin::Complete => return Ok(()),
            Begin::Again => {
                pump.restart().await?;
                return Err(transient("the server cannot go on from there"));
            }
        };
        self.version = version(response.headers());
        if let Some(total) = total {
            if let Some(expected) = self.copy.size
                && expected != total
            {
                let found = total;
                return Err(Broken::Size { expected, found });
            }
            share.total(total);
        }
        let limit = total.unwrap_or(LARGEST);
        let mut batch = Vec::with_capacity(BATCH);
        let ended = loop {
            let next = timeout(self.stall, response.chunk()).await;
            match next {
                Ok(Ok(Some(bytes))) => batch.extend_from_slice(&bytes),
                Ok(Ok(None)) => break Ok(()),
                Ok(Err(error)) => break Err(format!("the connection broke: {}", reason(&error))),
                Err(_) => {
                    let seconds = self.stall.as_secs_f64();
                    break Err(format!("nothing came for {seconds:.1} s"));
                }
            }
            share.done(pump.length + batch.len() as u64);
            if pump.length + batch.len() as u64 > limit {
                return Err(Broken::Refused(format!("it has more than {limit} bytes")));
            }
            if batch.len() >= BATCH {
                pump.write(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))
                    .await?;
            }
        };
        if !batch.is_empty() {
            pump.write(batch).await?;
        }
        match ended {
            Err(problem) => Err(transient(problem)),
            Ok(()) if total.is_some_and(|total| pump.length < total) => {
                Err(transient("the connection closed early"))
            }
            Ok(()) => Ok(()),
        }
    }

    async fn request(&self, from: u64) -> Result<Response, Broken> {
        let mut request = self
            .client
            .get(self.copy.url.clone())
            .timeout(NEVER)
            .header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
            if let Some(version) = &self.version {
                request = request.header(IF_RANGE, version);
            }
        }
        match timeout(self.stall, request.send()).await {
            Err(_) => Err(transient(format!(
                "no answer within {:.1} s",
                self.stall.as_secs_f64()
            ))),
            Ok(Err(error)) if error.is_builder() || error.is_redirect() => {
                Err(Broken::Refused(reason(&error)))
            }
            Ok(Err(error)) => Err(transient(reason(&error))),
            Ok(Ok(response)) => Ok(response),
        }
    }

    /// What the answer to a request for all from byte `from` on is about to bring.
    fn begin(&self, response: &Response, from: u64) -> Result<Begin, Broken> {
        let status = response.status();
        let range = header(response.headers(), &CONTENT_RANGE);
        match status {
            StatusCode::OK => Ok(Begin::Anew {
                total: response.content_length(),
            }),
            StatusCode::PARTIAL_CONTENT if from > 0 => {
                let Some(range) = range.and_then(Range::parse) else {
                    return Ok(Begin::Again);
                };
                if range.from != from {
                    return Ok(Begin::Again);
                }
                // What the answer says of itself must fit as well.
                let total = range
                    .total
                    .or_else(|| response.content_length().map(|length| from + length));
                Ok(Begin::Here { total })
            }
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
                let total = range.and_then(|range| range.strip_prefix("bytes */"));
                let total: Option<u64> = total.and_then(|total| total.parse().ok());
                // All is there already; what follows is the check.
                if total == Some(from) && self.copy.size.is_none() {
                    Ok(Begin::Complete)
                } else {
                    Ok(Begin::Again)
                }
            }
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => {
                Err(Broken::Missing)
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(later(response))
            }
            status if status.is_server_error() => Err(later(response)),
            status => Err(Broken::Refused(format!("the server says {status}"))),
        }
    }
}

/// How an answer goes on.
enum Begin {
    /// Where we are.
    Here { total: Option<u64> },
    /// From the first byte.
    Anew { total: Option<u64> },
    /// Not at all: we have everything.
    Complete,
    /// Not in a way that is of use; the next request must be for the whole.
    Again,
}

/// `Content-Range: bytes 5-9/10`, of which the end says nothing new.
struct Range {
    from: u64,
    total: Option<u64>,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (from, _) = range.split_once('-')?;
        Some(Self {
            from: from.trim().parse().ok()?,
            total: total.trim().parse().ok(),
        })
    }
}

fn later(response: &Response) -> Broken {
    Broken::Transient {
        problem: format!("the server says {}", response.status()),
        wait: header(response.headers(), &RETRY_AFTER).and_then(retry_after::asked_for),
    }
}

/// What tells one version of a file from another: a strong entity tag, or else the date.
fn version(headers: &HeaderMap) -> Option<String> {
    let tag = header(headers, &ETAG).filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| header(headers, &LAST_MODIFIED))
        .map(str::to_owned)
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// As [`http::reason`], but for its limit of time, which is not the one here.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() && !error.is_connect() {
        return "the server took too long".to_owned();
    }
    http::reason(error)
}
