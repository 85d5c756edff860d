//! Connections to AMQP 0-9-1 brokers: RabbitMQ.

use std::time::Duration;

use lapin::protocol::AMQPErrorKind;
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPUri, SASLMechanism};
use lapin::{Connection, ConnectionBuilder, ConnectionProperties, ErrorKind};

use crate::error::chain;
use crate::http;
use crate::redact;
use crate::secret::Secret;

/// What RabbitMQ says of a login that it refuses, and of rights that somebody lacks.
const ACCESS_REFUSED: u16 = 403;

/// What it says of a virtual host that is not there, or not there for us.
const NOT_ALLOWED: u16 = 530;

/// How it ends when it says that of a limit, as of the number of connections: others may leave.
const AT_ITS_LIMIT: &str = " reached";

/// Where a broker is, and who we are there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Account {
    /// `amqps://user@host/%2Fvhost`
    pub(crate) url: String,
    /// The user's password.
    pub(crate) password: Option<Secret>,
    /// Certificates of further authorities, as PEM.
    pub(crate) authorities: Option<Vec<u8>>,
    /// Our own certificate and its key, as PEM, where the broker knows its users by that.
    pub(crate) identity: Option<(Vec<u8>, Secret)>,
}

/// What is wrong with an [`Account`].
#[derive(Debug)]
pub(crate) struct BadAccount {
    /// The address without password, or a name.
    pub(crate) what: String,
    pub(crate) reason: String,
}

/// What a failure means.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nobody answers.
    Unreachable(String),
    /// The broker's certificate is not to be trusted.
    Untrusted(String),
    /// The broker does not know us.
    Login(String),
    /// It refuses what we want.
    Refused(String),
    /// It is about to end, or does something else that we did not cause.
    Busy(String),
}

/// A broker.
#[derive(Debug)]
pub(crate) struct Endpoint {
    uri: AMQPUri,
    tls: OwnedTls,
}

/// The library's own prints its key.
struct OwnedTls(OwnedTLSConfig);

impl std::fmt::Debug for OwnedTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Endpoint {
    pub(crate) fn new(account: &Account) -> Result<Self, BadAccount> {
        let bad = |what: &str, reason: String| BadAccount {
            what: redact::passwords(what).into_owned(),
            reason,
        };
        let mut uri: AMQPUri = account
            .url
            .parse()
            .map_err(|reason: String| bad(&account.url, reason))?;
        if let Some(password) = &account.password {
            uri.authority.userinfo.password = password.reveal().to_owned();
        }
        if account.identity.is_some() && uri.query.auth_mechanism.is_none() {
            uri.query.auth_mechanism = Some(SASLMechanism::External);
        }
        let chain = account.authorities.clone().map(String::from_utf8);
        let cert_chain = chain
            .transpose()
            .map_err(|_| bad("the authorities' certificates", "no PEM".to_owned()))?;
        let identity = account
            .identity
            .as_ref()
            .map(|(pem, key)| OwnedIdentity::PKCS8 {
                pem: pem.clone(),
                key: key.reveal().as_bytes().to_vec(),
            });
        let tls = OwnedTls(OwnedTLSConfig {
            identity,
            cert_chain,
        });
        http::install_tls_provider();
        Ok(Self { uri, tls })
    }

    /// Asks for a sign of life in such intervals, unless the address has one.
    pub(crate) fn with_heartbeat(mut self, interval: Duration) -> Self {
        let seconds = u16::try_from(interval.as_secs()).unwrap_or(u16::MAX);
        self.uri.query.heartbeat.get_or_insert(seconds);
        self
    }

    /// `host:port`
    pub(crate) fn address(&self) -> String {
        let authority = &self.uri.authority;
        format!("{}:{}", authority.host, authority.port)
    }

    /// `amqp://host:port/vhost`, without user and password.
    pub(crate) fn place(&self) -> String {
        let scheme = match self.uri.scheme {
            lapin::uri::AMQPScheme::AMQP => "amqp",
            lapin::uri::AMQPScheme::AMQPS => "amqps",
        };
        let vhost = self.uri.vhost.replace('/', "%2F");
        format!("{scheme}://{}/{vhost}", self.address())
    }

    pub(crate) async fn connect(&self) -> lapin::Result<Connection> {
        let properties = ConnectionProperties::default()
            .with_connection_name("fbs".into())
            .with_client_property("app".into(), "On-Demand Fedora Build Service".into());
        ConnectionBuilder::new()?
            .with_uri(self.uri.clone())
            .with_properties(properties)
            .with_tls_config(self.tls.0.clone())
            .connect()
            .await
    }
}

impl Fault {
    /// What it means that a connection was not made.
    pub(crate) fn of_connecting(error: &lapin::Error) -> Self {
        match Self::of(error) {
            Self::Refused(reason) if code(error) == ACCESS_REFUSED => Self::Login(reason),
            other => other,
        }
    }

    /// What it means that something else failed.
    pub(crate) fn of(error: &lapin::Error) -> Self {
        let ErrorKind::ProtocolError(said) = error.kind() else {
            let reason = chain(error);
            return match reason.contains("certificate") {
                true => Self::Untrusted(reason),
                false => Self::Unreachable(reason),
            };
        };
        let reason = said.get_message().to_string();
        // A soft error is about what was asked for; of the hard ones only these are.
        let refused = match (said.kind(), said.get_id()) {
            (AMQPErrorKind::Soft(_), _) | (_, ACCESS_REFUSED) => true,
            (_, NOT_ALLOWED) => !reason.contains(AT_ITS_LIMIT),
            _ => false,
        };
        match refused {
            true => Self::Refused(reason),
            false => Self::Busy(reason),
        }
    }
}

fn code(error: &lapin::Error) -> u16 {
    match error.kind() {
        ErrorKind::ProtocolError(said) => said.get_id(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::AMQPError;

    use super::*;

    fn of_connecting(code: u16, words: &str) -> Fault {
        let said = AMQPError::from_id(code, words.into()).unwrap();
        Fault::of_connecting(&ErrorKind::ProtocolError(said).into())
    }

    #[test]
    fn what_a_broker_says_tells_whether_it_gets_better_by_itself() {
        for (code, words) in [
            (530, "NOT_ALLOWED - vhost nope not found"),
            (
                530,
                "NOT_ALLOWED - access to vhost 'v' refused for user 'fbs'",
            ),
            (404, "NOT_FOUND - no exchange 'x' in vhost '/'"),
        ] {
            let fault = of_connecting(code, words);
            assert!(
                matches!(&fault, Fault::Refused(reason) if reason == words),
                "{fault:?}"
            );
        }
        for (code, words) in [
            (320, "CONNECTION_FORCED - broker forced connection closure"),
            (541, "INTERNAL_ERROR - vhost '/' is down"),
            (
                530,
                "NOT_ALLOWED - access to vhost '/' refused for user 'fbs': connection limit (1) is reached",
            ),
        ] {
            let fault = of_connecting(code, words);
            assert!(matches!(fault, Fault::Busy(_)), "{fault:?}");
        }
        let fault = of_connecting(403, "ACCESS_REFUSED - Login was refused");
        assert!(matches!(fault, Fault::Login(_)), "{fault:?}");
    }
}
