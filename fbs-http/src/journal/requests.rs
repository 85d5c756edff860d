//! A line for each request, and the word by which it is found again.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use image_builder::job_id::JobId;
use jiff::Timestamp;

use crate::app::App;

/// The target of these lines.
const REQUESTS: &str = "request";

/// Says by which word a request is found again in the journal.
const ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest word of a proxy's, in bytes.
const LONGEST_ID: usize = 64;

/// Who was answered: it goes with the answer to who writes the line.
#[derive(Debug, Clone)]
pub(crate) struct Answered(pub(crate) String);

/// Writes a line for a request that was answered, unless only programs look whether the service is there. Of an answer
/// that goes on it is when it began.
pub(crate) async fn told(
    app: &App,
    peer: SocketAddr,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let begun = Instant::now();
    let address = app.origins.client(peer.ip(), request.headers());
    let id = match app.origins.believes(peer.ip()) {
        true => given(request.headers()),
        false => None,
    };
    let id = id.unwrap_or_else(|| JobId::new(Timestamp::now()).to_string());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next(request).await;
    if app.tells_requests && !is_routine(&path) {
        let account = response.extensions().get::<Answered>();
        let account = account.map(|Answered(account)| account.as_str());
        let millis = begun.elapsed().as_secs_f64() * 1000.0;
        tracing::info!(
            target: REQUESTS,
            method = method.as_str(),
            path,
            status = response.status().as_u16(),
            ms = (millis * 10.0).round() / 10.0,
            account,
            address = %address,
            request = id,
        );
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(ID, id);
    }
    response
}

/// The word that a proxy has for a request.
fn given(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(ID)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(plain);
    fits.then(|| id.to_owned())
}

/// What is asked again and again, and tells nothing of anybody.
fn is_routine(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics") || path.starts_with("/assets/")
}
