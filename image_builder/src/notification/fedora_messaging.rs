//! A notice as a message on Fedora's bus, or on any RabbitMQ, in the form that
//! [fedora-messaging](https://fedora-messaging.readthedocs.io/en/stable/user-guide/messages.html)
//! gives its own.

use async_trait::async_trait;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::protocol::AMQPErrorKind;
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::{AMQPUri, SASLMechanism};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionBuilder, ConnectionProperties,
    ErrorKind, ExchangeKind,
};

use super::{Notice, NoticeKind, Notification, NotificationError, message};
use crate::error::chain;
use crate::http;
use crate::redact;
use crate::secret::Secret;

/// What RabbitMQ says of a login that it refuses, and of rights that somebody lacks.
const ACCESS_REFUSED: u16 = 403;

/// A broker and how messages are published there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its address, without a password: `amqps://user@host/%2Fvhost`.
    pub url: String,
    /// The user's password.
    pub password: Option<Secret>,
    /// The topic exchange.
    pub exchange: String,
    /// What stands before `fbs.build. ...`: `org.fedoraproject.prod`.
    pub topic_prefix: String,
    /// Certificates of further authorities, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// Our own certificate and its key, as PEM, where the broker knows its users by that.
    pub identity: Option<(Vec<u8>, Secret)>,
}

/// Publishes to a topic exchange; the broker confirms each message.
#[derive(Debug)]
pub struct FedoraMessaging {
    broker: Broker,
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

impl FedoraMessaging {
    /// One that publishes at `broker`.
    ///
    /// # Errors
    ///
    /// [`NotificationError::Unusable`]: an address that is none, certificates that are no text.
    pub fn new(broker: Broker) -> Result<Self, NotificationError> {
        let unusable = |what: &str, reason: String| NotificationError::Unusable {
            what: redact::passwords(what).into_owned(),
            reason,
        };
        let mut uri: AMQPUri = broker
            .url
            .parse()
            .map_err(|reason: String| unusable(&broker.url, reason))?;
        if let Some(password) = &broker.password {
            uri.authority.userinfo.password = password.reveal().to_owned();
        }
        if broker.identity.is_some() && uri.query.auth_mechanism.is_none() {
            uri.query.auth_mechanism = Some(SASLMechanism::External);
        }
        let chain = broker.authorities.clone().map(String::from_utf8);
        let cert_chain = chain
            .transpose()
            .map_err(|_| unusable("the authorities' certificates", "no PEM".to_owned()))?;
        let identity = broker
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
        Ok(Self { broker, uri, tls })
    }

    /// `host:port`
    fn address(&self) -> String {
        let authority = &self.uri.authority;
        format!("{}:{}", authority.host, authority.port)
    }

    async fn connect(&self) -> Result<(Connection, Channel), NotificationError> {
        let properties = ConnectionProperties::default()
            .with_connection_name("fbs".into())
            .with_client_property("app".into(), "On-Demand Fedora Build Service".into());
        let opened = async {
            let connection = ConnectionBuilder::new()?
                .with_uri(self.uri.clone())
                .with_properties(properties)
                .with_tls_config(self.tls.0.clone())
                .connect()
                .await?;
            let channel = connection.create_channel().await?;
            Ok((connection, channel))
        };
        opened.await.map_err(|error| match self.failure(&error) {
            NotificationError::Refused { server, reason } if code(&error) == ACCESS_REFUSED => {
                NotificationError::Login { server, reason }
            }
            other => other,
        })
    }

    fn failure(&self, error: &lapin::Error) -> NotificationError {
        let server = self.address();
        match error.kind() {
            ErrorKind::ProtocolError(said) => {
                let reason = said.get_message().to_string();
                // A soft error is about what was asked for; of the hard ones only this one is.
                match said.kind() {
                    AMQPErrorKind::Soft(_) => NotificationError::Refused { server, reason },
                    AMQPErrorKind::Hard(_) if said.get_id() == ACCESS_REFUSED => {
                        NotificationError::Refused { server, reason }
                    }
                    AMQPErrorKind::Hard(_) => NotificationError::Busy { server, reason },
                }
            }
            _ => {
                let reason = chain(error);
                match reason.contains("certificate") {
                    true => NotificationError::Untrusted { server, reason },
                    false => NotificationError::Unreachable { server, reason },
                }
            }
        }
    }

    fn topic(&self, notice: &Notice) -> String {
        let prefix = self.broker.topic_prefix.trim_end_matches('.');
        let topic = message::topic(&notice.kind);
        match prefix {
            "" => topic,
            prefix => format!("{prefix}.{topic}"),
        }
    }

    async fn publish(&self, channel: &Channel, notice: &Notice) -> Result<(), NotificationError> {
        let body = message::body(notice).to_string();
        let published = async {
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            let confirm = channel
                .basic_publish(
                    self.broker.exchange.as_str().into(),
                    self.topic(notice).into(),
                    // Nobody has to be listening.
                    BasicPublishOptions::default(),
                    body.as_bytes(),
                    properties(notice),
                )
                .await?;
            confirm.await
        };
        match published.await.map_err(|error| self.failure(&error))? {
            Confirmation::Ack(_) => Ok(()),
            Confirmation::Nack(_) | Confirmation::NotRequested => Err(NotificationError::Busy {
                server: self.address(),
                reason: "the message was not confirmed".to_owned(),
            }),
        }
    }
}

fn code(error: &lapin::Error) -> u16 {
    match error.kind() {
        ErrorKind::ProtocolError(said) => said.get_id(),
        _ => 0,
    }
}

/// As `Message._build_properties` of the Python client makes them.
fn properties(notice: &Notice) -> BasicProperties {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut headers = FieldTable::default();
    let mut header = |name: &str, value: AMQPValue| {
        // A name that is too long for AMQP is only a filter less.
        if let Ok(name) = ShortString::try_new(name) {
            headers.insert(name, value);
        }
    };
    header(
        "fedora_messaging_schema",
        text(&message::topic(&notice.kind)),
    );
    header(
        "fedora_messaging_severity",
        AMQPValue::LongInt(severity(&notice.kind)),
    );
    let sent = notice.time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    header("sent-at", text(&sent));
    header("priority", AMQPValue::LongInt(0));
    // Consumers bind to these: who is concerned, and which packages.
    if !notice.requester.contains('@') {
        let name = format!("fedora_messaging_user_{}", notice.requester);
        header(&name, AMQPValue::Boolean(true));
    }
    for package in message::packages(notice) {
        let name = format!("fedora_messaging_rpm_{package}");
        header(&name, AMQPValue::Boolean(true));
    }
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(2)
        .with_message_id(notice.id().into())
        .with_headers(headers)
}

/// INFO, WARNING and ERROR of fedora-messaging.
fn severity(kind: &NoticeKind) -> i32 {
    match kind {
        NoticeKind::Queued { .. } | NoticeKind::Started { .. } | NoticeKind::Finished(_) => 20,
        NoticeKind::Cancelled(_) => 30,
        NoticeKind::Failed(_) => 40,
    }
}

#[async_trait]
impl Notification for FedoraMessaging {
    fn name(&self) -> String {
        format!("fedora-messaging at {}", self.address())
    }

    fn wants(&self, _notice: &Notice) -> bool {
        true
    }

    /// Connects, logs in and looks for the exchange.
    async fn check(&self) -> Result<(), NotificationError> {
        let (connection, channel) = self.connect().await?;
        let passive = ExchangeDeclareOptions {
            passive: true,
            ..ExchangeDeclareOptions::default()
        };
        let exchange = self.broker.exchange.as_str().into();
        let found = channel
            .exchange_declare(
                exchange,
                ExchangeKind::Topic,
                passive,
                FieldTable::default(),
            )
            .await;
        // The answer is known; that a connection does not end well changes nothing.
        let _ = connection.close(200, "done".into()).await;
        found.map_err(|error| self.failure(&error))
    }

    async fn send(&self, notice: &Notice) -> Result<(), NotificationError> {
        let (connection, channel) = self.connect().await?;
        let published = self.publish(&channel, notice).await;
        let _ = connection.close(200, "done".into()).await;
        published
    }
}
