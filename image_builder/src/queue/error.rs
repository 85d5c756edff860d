//! What can go wrong with a queue.

use crate::error::{ErrorKind, StageError};

/// Why a queue does not do what was wanted.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The address is none.
    #[error("the broker {address}: {reason}")]
    Address {
        /// As it was written, without password.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers there, or the connection broke.
    #[error("the broker {broker} cannot be reached: {reason}")]
    Unreachable {
        /// Its address.
        broker: String,
        /// Why.
        reason: String,
    },
    /// It does not know us.
    #[error("the broker {broker} refuses the login: {reason}")]
    Login {
        /// Its address.
        broker: String,
        /// Its words.
        reason: String,
    },
    /// It refuses what we want there.
    #[error("the broker {broker} refuses: {reason}")]
    Refused {
        /// Its address.
        broker: String,
        /// Its words.
        reason: String,
    },
    /// It did not say that it has a message on disk.
    #[error("the broker {broker} did not confirm: {reason}")]
    Unconfirmed {
        /// Its address.
        broker: String,
        /// Its words.
        reason: String,
    },
    /// The local queue's database.
    #[error("the queue {place}: {reason}")]
    Database {
        /// Its file.
        place: String,
        /// Its words.
        reason: String,
    },
    /// A message is larger than any can be.
    #[error("the job has {bytes} bytes with its kickstart; {limit} is the largest")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size.
        limit: usize,
    },
    /// A message of a newer version, or rubbish.
    #[error("{0}")]
    Unreadable(String),
    /// It is not the ledger that was read before.
    #[error(
        "the ledger of {queue} does not have entry {place}, up to which it was read: it was set up anew. \
         Workers have to be started again; a service needs another virtual host or file"
    )]
    OtherLedger {
        /// Its address or file.
        queue: String,
        /// The last place that was read.
        place: u64,
    },
    /// The ledger does not reach back so far.
    #[error("the ledger has forgotten what was asked for: it keeps entries for a time only")]
    Forgotten,
}

impl StageError for QueueError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Address { .. } | Self::TooLarge { .. } => ErrorKind::Usage,
            Self::Database { .. } | Self::OtherLedger { .. } => ErrorKind::Host,
            Self::Unreachable { .. }
            | Self::Login { .. }
            | Self::Refused { .. }
            | Self::Unconfirmed { .. } => ErrorKind::Network,
            Self::Unreadable(_) | Self::Forgotten => ErrorKind::Failed,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unconfirmed { .. })
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Address { .. } => {
                Some("an address is amqp://user:password@host:port/vhost, or amqps://".to_owned())
            }
            Self::Unreachable { .. } => Some(
                "see whether it runs (`rabbitmqctl status`), and try again; `fbs submit --spool` keeps jobs until it does"
                    .to_owned(),
            ),
            Self::Login { .. } => Some(
                "the user needs a password and rights in this virtual host: `rabbitmqctl set_permissions`".to_owned(),
            ),
            Self::Refused { reason, .. } if reason.starts_with("NOT_ALLOWED") => Some(
                "the virtual host at the end of the address has to be there, and the user needs rights in it: \
                 `rabbitmqctl add_vhost`, `rabbitmqctl set_permissions`"
                    .to_owned(),
            ),
            Self::TooLarge { .. } => Some("put what is large where the kickstart can fetch it".to_owned()),
            _ => None,
        }
    }
}
