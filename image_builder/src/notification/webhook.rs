//! A notice as a signed HTTP request.

use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::{Certificate, Client, StatusCode, Url, redirect};
use sha2::Sha256;

use super::tls::Trust;
use super::{Notice, Notification, NotificationError, message};
use crate::error::chain;
use crate::http;
use crate::redact;
use crate::secret::Secret;

/// How long a server may take to accept a connection in [`Webhook::check`].
const CONNECT: Duration = Duration::from_secs(10);

/// Posts the JSON of [`message::body`] to an address.
///
/// | header | value |
/// |---|---|
/// | `X-FBS-Event` | the kind, as [`message::topic`] has it: `fbs.build.complete.v1` |
/// | `X-FBS-Delivery` | [`Notice::id`]: the same when it is sent again |
/// | `X-FBS-Timestamp` | when it was sent, in seconds since 1970 |
/// | `X-FBS-Signature-256` | `sha256=` and [`signature`] as hex, where there is a secret |
///
/// Redirects are not followed. A 5xx, a 408 or a 429 is worth another try.
#[derive(Debug)]
pub struct Webhook {
    url: Url,
    secret: Option<Secret>,
    client: Client,
}

impl Webhook {
    /// One that posts to `url`.
    ///
    /// # Errors
    ///
    /// [`NotificationError::Unusable`]: an address that is none, or a certificate that is none.
    pub fn new(
        url: &str,
        secret: Option<Secret>,
        trust: &Trust,
    ) -> Result<Self, NotificationError> {
        let unusable = |reason: String| NotificationError::Unusable {
            what: redact::passwords(url).into_owned(),
            reason,
        };
        let parsed = Url::parse(url).map_err(|error| unusable(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(unusable("an http or https address is wanted".to_owned()));
        }
        let mut builder = http::builder(None)
            .map_err(unusable)?
            .redirect(redirect::Policy::none())
            .danger_accept_invalid_certs(trust.anybody);
        if let Some(pem) = &trust.authorities {
            let found = Certificate::from_pem_bundle(pem);
            for certificate in found.map_err(|error| unusable(chain(&error)))? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|error| unusable(chain(&error)))?;
        Ok(Self {
            url: parsed,
            secret,
            client,
        })
    }

    /// Host and port.
    fn server(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

/// The HMAC-SHA256 ([RFC 2104](https://www.rfc-editor.org/rfc/rfc2104)) with which a webhook is
/// signed, as hex: of the timestamp, a dot and the body, so that nobody can send an old one again.
#[must_use]
pub fn signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl Notification for Webhook {
    fn name(&self) -> String {
        // An address often has a token in its path or query.
        format!("webhook at {}", self.server())
    }

    fn wants(&self, _notice: &Notice) -> bool {
        true
    }

    /// Connects, and says nothing: what a server makes of an empty request is not known.
    async fn check(&self) -> Result<(), NotificationError> {
        let server = self.server();
        let host = self.url.host_str().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = self.url.port_or_known_default().unwrap_or_default();
        let connect = tokio::net::TcpStream::connect((host, port));
        let reason = match tokio::time::timeout(CONNECT, connect).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no connection within {} s", CONNECT.as_secs()),
        };
        Err(NotificationError::Unreachable { server, reason })
    }

    async fn send(&self, notice: &Notice) -> Result<(), NotificationError> {
        let body = message::body(notice).to_string();
        let timestamp = Timestamp::now().as_second().to_string();
        let mut request = self
            .client
            .post(self.url.clone())
            .header("Content-Type", "application/json")
            .header("X-FBS-Event", message::topic(&notice.kind))
            .header("X-FBS-Delivery", notice.id())
            .header("X-FBS-Timestamp", &timestamp);
        if let Some(secret) = &self.secret {
            let signature = signature(secret.reveal(), &timestamp, body.as_bytes());
            request = request.header("X-FBS-Signature-256", format!("sha256={signature}"));
        }
        let server = self.server();
        let answer = match request.body(body).send().await {
            Ok(answer) => answer,
            Err(error) => return Err(unreachable(server, &error)),
        };
        // The answer's text is of no interest, and could be of any length.
        let status = answer.status();
        let reason = format!("it answers {status}");
        match status {
            _ if status.is_success() => Ok(()),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Err(NotificationError::Busy { server, reason })
            }
            _ if status.is_server_error() => Err(NotificationError::Busy { server, reason }),
            _ => Err(NotificationError::Refused { server, reason }),
        }
    }
}

fn unreachable(server: String, error: &reqwest::Error) -> NotificationError {
    let words = chain(error);
    // The library has no word of its own for it.
    let reason = http::reason(error);
    match words.contains("certificate") {
        true => NotificationError::Untrusted { server, reason },
        false => NotificationError::Unreachable { server, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_openssl() {
        // printf '1763717164.{"a":1}' | openssl dgst -sha256 -hmac secret
        assert_eq!(
            signature("secret", "1763717164", b"{\"a\":1}"),
            "6822e1a9eb6a4f34ead615066a97c2af8f0559483c634386cab5a493777dc5a9"
        );
    }

    #[test]
    fn an_address_must_be_one_and_its_secrets_stay_in_it() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for wrong in ["ftp://h/", "x", "http://"] {
            let error = Webhook::new(wrong, None, &Trust::default()).unwrap_err();
            assert!(
                matches!(error, NotificationError::Unusable { .. }),
                "{wrong}"
            );
        }
        let hook = Webhook::new("https://me:pw@h/token/abc?key=1", None, &Trust::default());
        assert_eq!(hook.unwrap().name(), "webhook at h:443");
    }
}
