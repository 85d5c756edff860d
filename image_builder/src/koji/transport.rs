//! Requests over HTTP: limited in time and size, sent again when the network or the server had a
//! bad moment.

use std::time::Duration;

use reqwest::{Client, StatusCode, header, redirect};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::error::line;
use super::limits::Limits;
use crate::backoff;
use crate::error::{ErrorKind, StageError};
use crate::http;
use crate::spec::password::hidden;

/// Why a server gave no whole answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The proxy's address is not one.
    #[error("the proxy cannot be used: {0}")]
    Proxy(String),
    /// No connection, no answer in time, or a broken connection.
    #[error("{server} cannot be reached: {problem}{}", tried(*.attempts))]
    Unreachable {
        /// Which: `the hub at URL`, without a password.
        server: String,
        /// Why.
        problem: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// It answers with an error.
    #[error("{server} answers {status}{}{}", said(.text), tried(*.attempts))]
    Status {
        /// Which.
        server: String,
        /// The HTTP status, `404 Not Found`.
        status: String,
        /// The first line of its words, if it is plain text.
        text: String,
        /// How often it was tried.
        attempts: u32,
        /// Whether it may be well later.
        transient: bool,
    },
    /// It sends callers elsewhere, which a call does not survive.
    #[error("{server} sends callers on to {to}; use that address")]
    Moved {
        /// Which.
        server: String,
        /// Where to.
        to: String,
    },
    /// A page for people came in place of data.
    #[error("{server} answered HTML, not {expected}: is this {whose} address?")]
    Html {
        /// Which.
        server: String,
        /// `XML-RPC`.
        expected: &'static str,
        /// `the hub's`.
        whose: &'static str,
    },
    /// The answer stops before its end, again and again.
    #[error("the answer of {server} ends in the middle{}", tried(*.attempts))]
    CutOff {
        /// Which.
        server: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The answer is larger than any answer should be.
    #[error("{server} answers more than {limit} bytes; that is no answer")]
    TooLarge {
        /// Which.
        server: String,
        /// The limit.
        limit: usize,
    },
    /// Somebody stopped it.
    #[error("cancelled while {0} was asked")]
    Cancelled(String),
}

fn said(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

fn tried(attempts: u32) -> String {
    match attempts {
        0 | 1 => String::new(),
        attempts => format!(" (tried {attempts} times)"),
    }
}

impl StageError for TransportError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Proxy(_) => ErrorKind::Usage,
            Self::Cancelled(_) => ErrorKind::Cancelled,
            _ => ErrorKind::Network,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::CutOff { .. } => true,
            Self::Status { transient, .. } => *transient,
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Proxy(_) => "check `proxy` in the spec".to_owned(),
            Self::Unreachable { .. } | Self::Status { .. } | Self::Html { .. } => {
                "check the address, and `proxy` in the spec".to_owned()
            }
            _ => return None,
        })
    }
}

/// What kind of server is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    /// `the hub`.
    pub(super) name: &'static str,
    /// `the hub's`.
    pub(super) whose: &'static str,
    /// What it answers: `XML-RPC`.
    pub(super) speaks: &'static str,
    /// Whether an answer has its end.
    pub(super) is_whole: fn(&[u8]) -> bool,
}

/// What is asked.
#[derive(Debug)]
pub(super) enum Request<'a> {
    /// A call.
    Post(&'a str),
    /// A document, as JSON.
    Get,
}

/// A client for one kind of server.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    client: Client,
    service: Service,
    pub(super) limits: Limits,
    pub(super) cancel: CancellationToken,
}

/// Whether it is worth another try.
enum Failure {
    ForGood(TransportError),
    ForNow(TransportError),
}

impl Transport {
    pub(super) fn new(service: Service, proxy: Option<&str>) -> Result<Self, TransportError> {
        let client = http::builder(proxy)
            .map_err(TransportError::Proxy)?
            // A POST that is sent on arrives as a GET.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| TransportError::Proxy(http::reason(&error)))?;
        Ok(Self {
            client,
            service,
            limits: Limits::default(),
            cancel: CancellationToken::new(),
        })
    }

    /// How the server at `url` is named in messages.
    pub(super) fn server(&self, url: &Url) -> String {
        format!("{} at {}", self.service.name, hidden(url.as_str()))
    }

    /// The body of the answer; the request is sent again while that may help.
    pub(super) async fn send(
        &self,
        url: &Url,
        request: &Request<'_>,
    ) -> Result<Vec<u8>, TransportError> {
        let work = async {
            let mut attempt = 1;
            loop {
                match self.attempt(url, request, attempt).await {
                    Ok(body) => return Ok(body),
                    Err(Failure::ForGood(error)) => return Err(error),
                    Err(Failure::ForNow(error)) if attempt >= self.limits.attempts => {
                        return Err(error);
                    }
                    Err(Failure::ForNow(error)) => tracing::warn!("{error}; trying again"),
                }
                tokio::time::sleep(self.pause(attempt)).await;
                attempt += 1;
            }
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(TransportError::Cancelled(self.server(url))),
            result = work => result,
        }
    }

    /// How long to wait after attempt number `attempt`: doubling, and between a half and the whole
    /// of that, so that clients that failed together do not come back together.
    fn pause(&self, attempt: u32) -> Duration {
        backoff::wait(self.limits.pause, self.limits.longest_pause, attempt)
    }

    async fn attempt(
        &self,
        url: &Url,
        request: &Request<'_>,
        attempts: u32,
    ) -> Result<Vec<u8>, Failure> {
        let server = self.server(url);
        let builder = match request {
            Request::Post(body) => self
                .client
                .post(url.clone())
                .header(header::CONTENT_TYPE, "text/xml")
                .body((*body).to_owned()),
            Request::Get => self
                .client
                .get(url.clone())
                .header(header::ACCEPT, "application/json"),
        };
        let broken = |error: &reqwest::Error| {
            let problem = if error.is_timeout() && !error.is_connect() {
                format!("no whole answer within {:?}", self.limits.answer)
            } else {
                http::reason(error)
            };
            Failure::ForNow(TransportError::Unreachable {
                server: server.clone(),
                problem,
                attempts,
            })
        };
        let mut response = builder
            .timeout(self.limits.answer)
            .send()
            .await
            .map_err(|error| broken(&error))?;
        let status = response.status();
        if status.is_redirection() {
            let to = response.headers().get(header::LOCATION);
            let to = to.and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
            return Err(Failure::ForGood(TransportError::Moved {
                server,
                to: line(&hidden(to)),
            }));
        }
        let named_html = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/html"));
        let mut body = Vec::new();
        let stopped = |error: reqwest::Error| match error.is_timeout() {
            true => broken(&error),
            false => Failure::ForNow(TransportError::CutOff {
                server: server.clone(),
                attempts,
            }),
        };
        while let Some(chunk) = response.chunk().await.map_err(stopped)? {
            if body.len() + chunk.len() > self.limits.body {
                return Err(Failure::ForGood(TransportError::TooLarge {
                    server,
                    limit: self.limits.body,
                }));
            }
            body.extend_from_slice(&chunk);
        }
        let html = named_html || looks_like_html(&body);
        if !status.is_success() {
            return Err(self.refused(server, status, html, &body, attempts));
        }
        if html {
            return Err(Failure::ForGood(TransportError::Html {
                server,
                expected: self.service.speaks,
                whose: self.service.whose,
            }));
        }
        if !(self.service.is_whole)(&body) {
            return Err(Failure::ForNow(TransportError::CutOff { server, attempts }));
        }
        Ok(body)
    }

    fn refused(
        &self,
        server: String,
        status: StatusCode,
        html: bool,
        body: &[u8],
        attempts: u32,
    ) -> Failure {
        let transient = status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT;
        let text = if html { "" } else { first_line(body) };
        let error = TransportError::Status {
            server,
            status: status.to_string(),
            text: line(text),
            attempts,
            transient,
        };
        if transient {
            Failure::ForNow(error)
        } else {
            Failure::ForGood(error)
        }
    }
}

/// The first line that says something, of a body that is text.
fn first_line(body: &[u8]) -> &str {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}

/// Whether a body is a page for people, whatever the server calls it.
fn looks_like_html(body: &[u8]) -> bool {
    let start = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start();
    ["<!doctype html", "<html", "<head", "<body"]
        .iter()
        .any(|tag| {
            start
                .get(..tag.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_for_people() {
        for body in ["<!DOCTYPE html><html>", "\u{feff}\n <HTML lang=en>"] {
            assert!(looks_like_html(body.as_bytes()), "{body}");
        }
        for body in ["<?xml version='1.0'?>", "<methodResponse>", "", "{}"] {
            assert!(!looks_like_html(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let service = Service {
            name: "the hub",
            whose: "the hub's",
            speaks: "XML-RPC",
            is_whole: |_| true,
        };
        let transport = Transport::new(service, None).unwrap();
        for (attempt, whole) in [(1, 500), (2, 1000), (3, 2000), (10, 10_000), (40, 10_000)] {
            let pause = transport.pause(attempt).as_millis();
            assert!(pause >= whole / 2 && pause <= whole, "{attempt}: {pause}");
        }
    }
}
