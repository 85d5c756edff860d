//! A notice as a message on Fedora's bus, or on any RabbitMQ, in the form that
//! [fedora-messaging](https://fedora-messaging.readthedocs.io/en/stable/user-guide/messages.html)
//! gives its own.

use async_trait::async_trait;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ExchangeKind};

use super::{Notice, NoticeKind, Notification, NotificationError, message};
use crate::amqp::{Account, BadAccount, Endpoint, Fault};
use crate::secret::Secret;

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
    exchange: String,
    topic_prefix: String,
    endpoint: Endpoint,
}

impl FedoraMessaging {
    /// One that publishes at `broker`.
    ///
    /// # Errors
    ///
    /// [`NotificationError::Unusable`]: an address that is none, certificates that are no text.
    pub fn new(broker: Broker) -> Result<Self, NotificationError> {
        let account = Account {
            url: broker.url,
            password: broker.password,
            authorities: broker.authorities,
            identity: broker.identity,
        };
        let endpoint = Endpoint::new(&account)
            .map_err(|BadAccount { what, reason }| NotificationError::Unusable { what, reason })?;
        Ok(Self {
            exchange: broker.exchange,
            topic_prefix: broker.topic_prefix,
            endpoint,
        })
    }

    /// `host:port`
    fn address(&self) -> String {
        self.endpoint.address()
    }

    async fn connect(&self) -> Result<(Connection, Channel), NotificationError> {
        let opened = async {
            let connection = self.endpoint.connect().await?;
            let channel = connection.create_channel().await?;
            Ok((connection, channel))
        };
        opened
            .await
            .map_err(|error| self.failure(Fault::of_connecting(&error)))
    }

    fn failure(&self, fault: Fault) -> NotificationError {
        let server = self.address();
        match fault {
            Fault::Unreachable(reason) => NotificationError::Unreachable { server, reason },
            Fault::Untrusted(reason) => NotificationError::Untrusted { server, reason },
            Fault::Login(reason) => NotificationError::Login { server, reason },
            Fault::Refused(reason) => NotificationError::Refused { server, reason },
            Fault::Busy(reason) => NotificationError::Busy { server, reason },
        }
    }

    fn topic(&self, notice: &Notice) -> String {
        let prefix = self.topic_prefix.trim_end_matches('.');
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
                    self.exchange.as_str().into(),
                    self.topic(notice).into(),
                    // Nobody has to be listening.
                    BasicPublishOptions::default(),
                    body.as_bytes(),
                    properties(notice),
                )
                .await?;
            confirm.await
        };
        match published
            .await
            .map_err(|error| self.failure(Fault::of(&error)))?
        {
            Confirmation::Ack(_) => Ok(()),
            Confirmation::Nack(_) | Confirmation::NotRequested => Err(NotificationError::Busy {
                server: self.address(),
                reason: "the message was not confirmed".to_owned(),
            }),
        }
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
    match kind.name() {
        "cancelled" => 30,
        "failed" => 40,
        _ => 20,
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
        let exchange = self.exchange.as_str().into();
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
        found.map_err(|error| self.failure(Fault::of(&error)))
    }

    async fn send(&self, notice: &Notice) -> Result<(), NotificationError> {
        let (connection, channel) = self.connect().await?;
        let published = self.publish(&channel, notice).await;
        let _ = connection.close(200, "done".into()).await;
        published
    }
}
