//! Where jobs wait, and how clients, workers and masters hear of each other.
//!
//! A [`JobQueue`] is three things:
//!
//! - the **ledger**: all that happened to jobs, in one order, on disk. Who wrote first is decided by it, and by
//!   nothing else; [`crate::jobs::Job::apply`] says what counts;
//! - **hints**: one for each job that waits, given to one worker of its line at a time. A worker with a free
//!   slot takes one, picks the job of its lines that goes first, and claims it in the ledger. A
//!   hint too many finds nothing that waits, and does no harm;
//! - the **bus**: messages that nobody keeps, such as the presence of workers and pieces of logs.
//!
//! `Amqp` is RabbitMQ, `Local` a SQLite file for the processes of one machine. docs/queue.md has the
//! formats, and why a claim holds for as long as a build takes.

#[cfg(feature = "amqp")]
mod amqp;
mod catch_up;
mod error;
#[cfg(feature = "sqlite")]
mod local;
mod nodes_conf;
mod overview;
mod wire;

use std::fmt;

use async_trait::async_trait;
use tokio::sync::mpsc;

#[cfg(feature = "amqp")]
pub use amqp::{Amqp, AmqpBroker};
pub use catch_up::catch_up;
pub use error::QueueError;
#[cfg(feature = "sqlite")]
pub use local::Local;
pub use nodes_conf::{NODES_CONF, broker_url};
pub use overview::Overview;
pub use wire::{LARGEST, VERSION, decode, encode};

use crate::jobs::{Bookmark, Entry, JobEvent, JobRequest, Line};

/// So many days a ledger keeps an entry.
#[cfg(any(feature = "amqp", feature = "sqlite"))]
const LEDGER_DAYS: u32 = 90;

/// Where jobs wait.
#[async_trait]
pub trait JobQueue: Send + Sync + fmt::Debug {
    /// The place, without password: `amqp://fbs@broker/%2F`. Equal names are the same ledger.
    fn name(&self) -> String;

    /// Adds entries to the end of the ledger, in this order, and hints for those after which a job may
    /// wait. They are on disk when it returns. What failed may have happened all the same: it
    /// does no harm to add an entry twice.
    ///
    /// # Errors
    ///
    /// [`QueueError`]; nothing is tried twice here.
    async fn append(&self, entries: &[NewEntry]) -> Result<(), QueueError>;

    /// Reads the ledger behind `after`, or from its beginning, and then whatever is added, until the receiver
    /// is dropped. Connections that break are made again. Where something else stands at `after`, or nothing ever did,
    /// there is [`LedgerItem::Disconnected`] with that reason, and nothing else.
    fn ledger(&self, after: Option<Bookmark>) -> mpsc::Receiver<LedgerItem>;

    /// What was asked for at `place` of the ledger, with its payload.
    ///
    /// # Errors
    ///
    /// [`QueueError`]; [`QueueError::Forgotten`] if the ledger does not reach back so far.
    async fn request(&self, place: u64) -> Result<JobRequest, QueueError>;

    /// Hints of `lines`, at most `limit` that are not settled at a time, until the receiver is dropped: what was
    /// not settled then goes to others.
    fn hints(&self, lines: &[Line], limit: u16) -> mpsc::Receiver<Hint>;

    /// Sends a message to all who listen to `to` now.
    ///
    /// # Errors
    ///
    /// [`QueueError`].
    async fn send(&self, to: &Address, message: &BusMessage) -> Result<(), QueueError>;

    /// Listens to `topics`, and to what is sent to the inbox that comes with it.
    ///
    /// # Errors
    ///
    /// [`QueueError`], if the first connection fails; later ones are made again.
    async fn listen(&self, topics: &[&str]) -> Result<Inbox, QueueError>;
}

/// An entry on its way to the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// The entry.
    pub entry: Entry,
    /// Where workers get a hint.
    pub wakes: Option<Line>,
}

impl NewEntry {
    /// Of a job that is asked for in `line`.
    #[must_use]
    pub fn of_job(event: JobEvent, line: &Line) -> Self {
        Self {
            wakes: event.kind.wakes().then(|| line.clone()),
            entry: Entry::Job(event),
        }
    }
}

impl From<Entry> for NewEntry {
    fn from(entry: Entry) -> Self {
        Self { entry, wakes: None }
    }
}

/// What comes when the ledger is read.
#[derive(Debug, Clone, PartialEq)]
pub enum LedgerItem {
    /// The next entry.
    Entry {
        /// Its place: a later entry has a larger one.
        place: u64,
        /// The entry.
        entry: Box<Entry>,
        /// The first 63 bits of the SHA-256 of its message: a number that databases have.
        digest: u64,
    },
    /// An entry that cannot be read: of a newer version, or rubbish. It counts for nothing here.
    Unreadable {
        /// Its place.
        place: u64,
        /// Why.
        reason: String,
    },
    /// The connection stands, for the first time or again.
    Connected,
    /// The connection is gone; another one is tried.
    Disconnected {
        /// Why.
        reason: String,
    },
}

/// That a job waits.
#[derive(Debug)]
pub struct Hint {
    /// After what it waits, where the queue says so.
    pub event: Option<JobEvent>,
    settle: Option<mpsc::UnboundedSender<Settled>>,
    tag: u64,
}

/// What became of a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Which one.
    pub tag: u64,
    /// Whether it has done its work; else others get it.
    pub taken: bool,
}

impl Hint {
    /// One that is told to `settle`.
    #[must_use]
    pub fn new(event: Option<JobEvent>, tag: u64, settle: mpsc::UnboundedSender<Settled>) -> Self {
        Self {
            event,
            settle: Some(settle),
            tag,
        }
    }

    /// It has done its work: a job was claimed, or none waits.
    pub fn done(mut self) {
        self.settle(true);
    }

    fn settle(&mut self, taken: bool) {
        if let Some(settle) = self.settle.take() {
            // Nobody there: the connection has gone, and the broker gives it to others.
            let _ = settle.send(Settled {
                tag: self.tag,
                taken,
            });
        }
    }
}

impl Drop for Hint {
    fn drop(&mut self) {
        self.settle(false);
    }
}

/// To whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// All who listen to the topic.
    Topic(String),
    /// The one with this inbox.
    Inbox(String),
}

/// A message that nobody keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BusMessage {
    /// The inbox for an answer.
    pub reply_to: Option<String>,
    /// What an answer repeats.
    pub correlation: Option<String>,
    /// Its content.
    pub body: Vec<u8>,
}

/// What was sent to somebody.
#[derive(Debug)]
pub struct Inbox {
    /// Its name, for answers. Another one after a connection was made again.
    pub name: tokio::sync::watch::Receiver<String>,
    /// The messages, each with its topic; an answer has none.
    pub messages: mpsc::Receiver<(Option<String>, BusMessage)>,
}
