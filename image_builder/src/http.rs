//! The HTTP client of the library: one TLS provider, time limits on everything.

use std::error::Error as _;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Proxy, Response};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a small answer may take in all.
const ANSWER: Duration = Duration::from_secs(30);

/// A client that goes through `proxy` if there is one.
///
/// # Errors
///
/// The words of the HTTP library: a proxy address that it does not take.
pub fn client(proxy: Option<&str>) -> Result<Client, String> {
    builder(proxy)?.build().map_err(|error| reason(&error))
}

/// The same, for callers that set more than that.
///
/// # Errors
///
/// As [`client`].
pub fn builder(proxy: Option<&str>) -> Result<ClientBuilder, String> {
    install_tls_provider();
    let mut builder = Client::builder()
        .user_agent(concat!("fbs/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(ANSWER);
    if let Some(proxy) = proxy {
        builder = builder.proxy(Proxy::all(proxy).map_err(|error| reason(&error))?);
    }
    Ok(builder)
}

/// Makes ring the TLS provider of the process; one that an embedding program installed stays.
pub(crate) fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The body of an answer; none if it has more than `most` bytes.
///
/// # Errors
///
/// What is wrong, in words.
pub(crate) async fn body(answer: &mut Response, most: usize) -> Result<Option<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| reason(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

/// Fetches a small text, such as a key.
///
/// # Errors
///
/// What is wrong, in words.
pub(crate) async fn fetch(url: &str, proxy: Option<&str>) -> Result<String, String> {
    const LARGEST: usize = 1024 * 1024;
    let request = client(proxy)?.get(url).send();
    let mut answer = request.await.map_err(|error| reason(&error))?;
    if !answer.status().is_success() {
        return Err(format!("the server answers {}", answer.status()));
    }
    let bytes = body(&mut answer, LARGEST).await?;
    let bytes = bytes.ok_or("it is larger than 1 MiB")?;
    String::from_utf8(bytes).map_err(|_| "it is not text".to_owned())
}

/// Why a request failed, in words, without the address (the caller names it) and with the cause
/// that the library keeps at the end of its chain.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() {
            format!("no connection within {} s", CONNECT.as_secs())
        } else {
            format!("no answer within {} s", ANSWER.as_secs())
        };
    }
    let mut cause = error.source();
    let mut words = String::new();
    while let Some(error) = cause {
        words = error.to_string();
        cause = error.source();
    }
    if words.is_empty() {
        error.to_string()
    } else {
        words
    }
}
