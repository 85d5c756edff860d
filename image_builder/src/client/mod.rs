//! A client of the service: what `fbs submit --server` uses, for programs that embed it.
//!
//! ```no_run
//! # async fn example() -> Result<(), image_builder::client::ClientError> {
//! use image_builder::client::{Client, LogEvent, Order};
//!
//! let client = Client::new("https://builds.example.org")?;
//! let job = client.submit(&Order::ini("[DEFAULT]\ntype = boot\nrelease = 43\n")).await?;
//! let mut log = client.follow(job.as_str());
//! while let Some(event) = log.next().await? {
//!     if let LogEvent::Lines(lines) = event {
//!         print!("{lines}");
//!     }
//! }
//! println!("{}", client.job(job.as_str()).await?.state);
//! # Ok(())
//! # }
//! ```
//!
//! The addresses and the forms are those of the service's OpenAPI description, `/api/v1/openapi.json`.

mod error;
mod log;
mod sse;
mod types;

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

pub use error::{ClientError, Mistake};
pub use log::{LogEvent, LogStream};
pub use types::{Order, RemoteJob, RemoteWorker, Waits};

use crate::backoff;
use crate::error::StageError;
use crate::http;
use crate::jobs::JobId;
use crate::secret::Secret;
use crate::spec::password::hidden;

/// What can be sent again is tried so often.
const TRIES: u32 = 4;

/// The first pause between two of them.
const SOON: Duration = Duration::from_millis(500);

/// The longest.
const LATE: Duration = Duration::from_secs(5);

/// The largest answer, in bytes: a list of jobs, a job with its kickstart.
const LARGEST: usize = 32 << 20;

/// A client of one service.
#[derive(Debug, Clone)]
pub struct Client {
    base: Url,
    http: reqwest::Client,
    token: Option<Secret>,
}

impl Client {
    /// Of the service at an address: `https://builds.example.org`, with a path where it has one. Nothing is connected
    /// yet.
    ///
    /// # Errors
    ///
    /// [`ClientError::Address`].
    pub fn new(address: &str) -> Result<Self, ClientError> {
        let wrong = |reason: String| ClientError::Address {
            address: hidden(address).into_owned(),
            reason,
        };
        let mut base = Url::parse(address).map_err(|error| wrong(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(wrong("it is no http or https address".to_owned()));
        }
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let http = http::client(None).map_err(wrong)?;
        Ok(Self {
            base,
            http,
            token: None,
        })
    }

    /// With a token of the service's.
    #[must_use]
    pub fn with_token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// Asks for an image, and gives the job's id. Where the network has a bad moment it is asked again, and there is one job all the same.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; [`ClientError::Refused`] has every mistake of the spec.
    pub async fn submit(&self, order: &Order) -> Result<JobId, ClientError> {
        let key = JobId::new(Timestamp::now()).to_string();
        let request = || {
            let request = self
                .request(Method::POST, "jobs")
                .header("idempotency-key", &key);
            json(request, order)
        };
        let submitted: types::Submitted = self.patiently(request).await?;
        Ok(submitted.id)
    }

    /// A job.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn job(&self, id: &str) -> Result<RemoteJob, ClientError> {
        let path = format!("jobs/{}", segment(id));
        self.patiently(|| self.request(Method::GET, &path)).await
    }

    /// The newest jobs, at most `limit`; of `states` alone, if any are named.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn jobs(&self, states: &[&str], limit: usize) -> Result<Vec<RemoteJob>, ClientError> {
        let mut jobs: Vec<RemoteJob> = Vec::new();
        while jobs.len() < limit {
            let page = (limit - jobs.len()).min(types::PAGE);
            let mut path = format!("jobs?limit={page}");
            if !states.is_empty() {
                path = format!("{path}&state={}", states.join(","));
            }
            if let Some(last) = jobs.last() {
                path = format!("{path}&before={}", last.id);
            }
            let list: types::JobList = self.patiently(|| self.request(Method::GET, &path)).await?;
            let last = list.jobs.len() < page;
            jobs.extend(list.jobs);
            if last {
                break;
            }
        }
        Ok(jobs)
    }

    /// Cancels a job, and gives it as it is then.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn cancel(&self, id: &str, reason: Option<&str>) -> Result<RemoteJob, ClientError> {
        let path = format!("jobs/{}/cancel", segment(id));
        let reason = serde_json::json!({ "reason": reason });
        self.answer(json(self.request(Method::POST, &path), &reason))
            .await
    }

    /// Asks for the same as an ended job once more, and gives the new job's id.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn retry(&self, id: &str) -> Result<JobId, ClientError> {
        let path = format!("jobs/{}/retry", segment(id));
        let key = JobId::new(Timestamp::now()).to_string();
        let request = || {
            self.request(Method::POST, &path)
                .header("idempotency-key", &key)
        };
        let submitted: types::Submitted = self.patiently(request).await?;
        Ok(submitted.id)
    }

    /// The log of a job so far, as it is.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn log(&self, id: &str) -> Result<LogText, ClientError> {
        let path = format!("jobs/{}/log", segment(id));
        let response = self.send(self.request(Method::GET, &path)).await?;
        Ok(LogText {
            server: self.name(),
            response,
        })
    }

    /// The log of a job from its beginning to its end, while it grows.
    #[must_use]
    pub fn follow(&self, id: &str) -> LogStream {
        LogStream::new(self.clone(), format!("jobs/{}/log/events", segment(id)))
    }

    /// The workers that the service has heard of.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn workers(&self) -> Result<Vec<RemoteWorker>, ClientError> {
        let list: types::WorkerList = self
            .patiently(|| self.request(Method::GET, "workers"))
            .await?;
        Ok(list.workers)
    }

    /// The service's address, without a password.
    #[must_use]
    pub fn name(&self) -> String {
        hidden(self.base.as_str().trim_end_matches('/')).into_owned()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        // The path is ours, but for ids, which are one segment each.
        let url = format!("{}api/v1/{path}", self.base);
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }

    /// Sends what may be sent again.
    async fn patiently<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, ClientError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.answer(request()).await {
                Err(error) if error.is_transient() && tries < TRIES => {
                    tracing::debug!("{error}; it is tried again");
                    tokio::time::sleep(backoff::wait(SOON, LATE, tries)).await;
                }
                answer => return answer,
            }
        }
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let mut response = self.send(request).await?;
        let body = http::body(&mut response, LARGEST).await;
        let body = body.and_then(|body| body.ok_or_else(|| "the answer is too long".to_owned()));
        let body = body.map_err(|reason| self.unreachable(reason))?;
        serde_json::from_slice(&body).map_err(|error| ClientError::Unreadable {
            server: self.name(),
            reason: error.to_string(),
        })
    }

    /// An answer that is none of an error.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let sent = request.send().await;
        let mut response = sent.map_err(|error| self.unreachable(http::reason(&error)))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = http::body(&mut response, LARGEST).await;
        let body = body.ok().flatten().unwrap_or_default();
        Err(ClientError::refused(self.name(), status, &body))
    }

    fn unreachable(&self, reason: String) -> ClientError {
        ClientError::Unreachable {
            server: self.name(),
            reason,
        }
    }
}

/// A log as it comes.
#[derive(Debug)]
pub struct LogText {
    server: String,
    response: Response,
}

impl LogText {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`ClientError::Unreachable`]
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let chunk = self.response.chunk().await;
        let chunk = chunk.map_err(|error| ClientError::Unreachable {
            server: self.server.clone(),
            reason: http::reason(&error),
        })?;
        Ok(chunk.map(|chunk| chunk.to_vec()))
    }
}

fn json(request: RequestBuilder, body: &impl Serialize) -> RequestBuilder {
    // What is sent is of strings and numbers.
    let body = serde_json::to_vec(body).unwrap_or_default();
    request
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
}

/// What a user names, as one segment of a path.
fn segment(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let quote = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    id.bytes().map(quote).collect()
}

/// Whether the same may go well later.
fn passes(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

#[cfg(test)]
mod tests;
