//! RabbitMQ as the place where jobs wait.
//!
//! | what | is |
//! |---|---|
//! | exchange `fbs` | topic; all that happens is published there |
//! | queue `fbs.ledger` | a [stream](https://www.rabbitmq.com/docs/streams) of all of it |
//! | queue `fedora-43`, `fedora-43-aarch64` | a [quorum queue](https://www.rabbitmq.com/docs/quorum-queues) of hints a line |
//! | queue `fbs.dead` | what nobody can read, with the reason in the header `x-fbs-reason` |
//! | exchange `fbs.bus` | topic; messages that nobody keeps |

mod bus;
mod configured;
mod hints;
mod ledger;
mod link;
mod publisher;
mod topology;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Address, BusMessage, Hint, Inbox, JobQueue, LedgerItem, NewEntry, QueueError, encode};
use crate::amqp::{Account, BadAccount, Endpoint};
use crate::jobs::{Bookmark, JobRequest, Line};
use crate::secret::Secret;
use link::Link;
use publisher::Publisher;

/// A broker that does not answer in this time is taken for one that cannot be reached.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often either side asks the other for a sign of life: a connection that is cut is known after
/// two of these.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Items of the ledger that are read ahead.
const READ_AHEAD: usize = 1024;

/// Where a broker is, and who we are there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AmqpBroker {
    /// Its address: `amqps://user@host/%2Fvhost`.
    pub url: String,
    /// The user's password, where the address has none.
    pub password: Option<Secret>,
    /// Certificates of further authorities, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// Our own certificate and its key, as PEM, where the broker knows its users by that.
    pub identity: Option<(Vec<u8>, Secret)>,
}

/// Jobs that wait at a RabbitMQ, 3.10 or newer.
///
/// Nothing is connected before it is needed.
#[derive(Debug, Clone)]
pub struct Amqp {
    link: Arc<Link>,
    publisher: Arc<Publisher>,
}

impl Amqp {
    /// That at `broker`.
    ///
    /// # Errors
    ///
    /// [`QueueError::Address`].
    pub fn new(broker: &AmqpBroker) -> Result<Self, QueueError> {
        let account = Account {
            url: broker.url.clone(),
            password: broker.password.clone(),
            authorities: broker.authorities.clone(),
            identity: broker.identity.clone(),
        };
        let endpoint =
            Endpoint::new(&account).map_err(|BadAccount { what, reason }| QueueError::Address {
                address: what,
                reason,
            })?;
        let link = Arc::new(Link::new(endpoint.with_heartbeat(HEARTBEAT)));
        Ok(Self {
            publisher: Arc::new(Publisher::new(link.clone())),
            link,
        })
    }
}

#[async_trait]
impl JobQueue for Amqp {
    fn name(&self) -> String {
        self.link.place()
    }

    async fn append(&self, entries: &[NewEntry]) -> Result<(), QueueError> {
        let encoded = entries
            .iter()
            .map(|new| Ok((encode(&new.entry)?, new.wakes.as_ref())))
            .collect::<Result<Vec<_>, QueueError>>()?;
        self.publisher.append(&encoded).await
    }

    fn ledger(&self, after: Option<Bookmark>) -> mpsc::Receiver<LedgerItem> {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        tokio::spawn(ledger::read(self.link.clone(), after, sender));
        receiver
    }

    async fn request(&self, place: u64) -> Result<JobRequest, QueueError> {
        self.link.in_time(ledger::request(&self.link, place)).await
    }

    fn hints(&self, lines: &[Line], limit: u16) -> mpsc::Receiver<Hint> {
        let (sender, receiver) = mpsc::channel(usize::from(limit.max(1)));
        let lines = lines.to_vec();
        let publisher = self.publisher.clone();
        tokio::spawn(hints::hand_out(
            self.link.clone(),
            publisher,
            lines,
            limit,
            sender,
        ));
        receiver
    }

    async fn send(&self, to: &Address, message: &BusMessage) -> Result<(), QueueError> {
        self.link.in_time(self.publisher.send(to, message)).await
    }

    async fn listen(&self, topics: &[&str]) -> Result<Inbox, QueueError> {
        let topics = topics.iter().map(|&topic| topic.to_owned()).collect();
        bus::listen(self.link.clone(), topics).await
    }
}
