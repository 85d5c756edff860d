//! What keeps other people's web pages and names away, and the headers of every answer.
//!
//! A service on a loopback address is open to every web page that its user looks at: a page can send forms to it, and
//! a name of the page's owner can be made to lead to 127.0.0.1 ([DNS
//! rebinding](https://en.wikipedia.org/wiki/DNS_rebinding)). So the name that was asked for has to be ours, and what
//! changes something has to come from our own pages, or from no page at all.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use image_builder::network::leads_here;
use url::Url;

use crate::app::App;
use crate::auth::refused;
use crate::problem::Problem;

/// What a page may load, and who may show it in a frame.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
                      object-src 'none'";

/// Swagger UI sets styles from its script.
const DOCS_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
                           object-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

/// For a year browsers come by https only, whatever a link says.
const STRICT: &str = "max-age=31536000";

/// The longest words of the library, in bytes.
const LONGEST_WORDS: usize = 64 * 1024;

/// Below it is Swagger UI.
pub(crate) const DOCS: &str = "/api/docs";

/// The names that are ours.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts {
    /// As they stand in `Host`: with the port, unless it is the scheme's own.
    hosts: BTreeSet<String>,
    /// As they stand in `Origin`.
    origins: BTreeSet<String>,
    /// Whether browsers are told to come by https only.
    strict: bool,
}

impl Hosts {
    /// Those of the address that is listened to, and of the public one.
    pub(crate) fn new(listen: SocketAddr, public_url: Option<&Url>) -> Self {
        let mut hosts = Self::default();
        let port = listen.port();
        let own = [
            listen.ip().to_string().replace("::1", "[::1]"),
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "[::1]".to_owned(),
        ];
        for name in own {
            hosts.add("http", &format!("{name}:{port}"));
            if port == 80 {
                hosts.add("http", &name);
            }
        }
        if let Some(url) = public_url
            && let Some(name) = url.host_str()
        {
            let host = match url.port() {
                Some(port) => format!("{name}:{port}"),
                None => name.to_owned(),
            };
            hosts.add(url.scheme(), &host);
            // Of this machine's names it would hold for every other service.
            hosts.strict = url.scheme() == "https" && !leads_here(url);
        }
        hosts
    }

    fn add(&mut self, scheme: &str, host: &str) {
        self.hosts.insert(host.to_owned());
        self.origins.insert(format!("{scheme}://{host}"));
    }
}

/// Refuses what was sent to another name, or by another site's page.
pub(crate) async fn check(
    app: &App,
    peer: SocketAddr,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let headers = request.headers();
    let host = text(headers, &header::HOST).map(str::to_ascii_lowercase);
    let host = host.or_else(|| request.uri().authority().map(ToString::to_string));
    if !host.is_some_and(|host| app.hosts.hosts.contains(&host)) {
        return Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this service is not known under that name",
        )
        .with_hint("ask for the address that it listens to, or name its own with --public-url")
        .into_response();
    }
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if !reads && !is_ours(headers, &app.hosts) {
        let address = app.origins.client(peer.ip(), headers);
        let what = format!("{} {}", request.method(), request.uri().path());
        app.note(refused(address, &what, "another site's page"))
            .await;
        return Problem::new(
            StatusCode::FORBIDDEN,
            "another site's page may not change anything here",
        )
        .into_response();
    }
    next(request).await
}

/// Whether what changes something comes from our own pages, or from no page: browsers say which.
fn is_ours(headers: &HeaderMap, hosts: &Hosts) -> bool {
    let site = text(headers, &HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    match headers.get(header::ORIGIN) {
        None => true,
        Some(origin) => origin
            .to_str()
            .is_ok_and(|origin| hosts.origins.contains(&origin.to_ascii_lowercase())),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Makes problems of the library's words about a request that it does not understand.
pub(crate) async fn problems(
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let response = next(request).await;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let plain = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !plain || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let words = axum::body::to_bytes(response.into_body(), LONGEST_WORDS).await;
    let words = words.unwrap_or_default();
    Problem::new(status, String::from_utf8_lossy(&words)).into_response()
}

/// Adds the headers of every answer, where there are none yet.
pub(crate) async fn headers(
    app: &App,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let docs = request.uri().path().starts_with(DOCS);
    let mut response = next(request).await;
    let headers = response.headers_mut();
    let policy = if docs { DOCS_POLICY } else { POLICY };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // With `no-referrer` browsers would not say of our own forms that they are ours.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-cache"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if app.hosts.strict {
        let year = HeaderValue::from_static(STRICT);
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_pages_change_something() {
        let public = Url::parse("https://images.example.org").unwrap();
        let hosts = Hosts::new("127.0.0.1:8080".parse().unwrap(), Some(&public));
        for (site, origin, ours) in [
            (None, None, true),
            (Some("same-origin"), Some("http://127.0.0.1:8080"), true),
            (
                Some("same-origin"),
                Some("https://images.example.org"),
                true,
            ),
            (Some("none"), None, true),
            (None, Some("http://localhost:8080"), true),
            (Some("cross-site"), None, false),
            (Some("same-site"), Some("http://localhost:8080"), false),
            (None, Some("null"), false),
            (None, Some("http://localhost:9090"), false),
            (None, Some("https://127.0.0.1:8080"), false),
            (None, Some("http://evil.example.org"), false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            assert_eq!(is_ours(&headers, &hosts), ours, "{site:?} {origin:?}");
        }
        assert!(hosts.hosts.contains("[::1]:8080") && hosts.hosts.contains("images.example.org"));
        assert!(!hosts.hosts.contains("localhost"));
    }
}
