//! Telling people and programs what becomes of a build: by mail, on Fedora's message bus, by
//! webhook.
//!
//! A [`Notice`] is what there is to tell, as plain data. A [`Notification`] tells it in one way. A
//! [`Notifier`] holds several and sends to each side by side, again where a fault may pass; what
//! fails in the end is a warning in the job's events and never a failed build.

mod configured;
#[cfg(feature = "fedora-messaging")]
mod fedora_messaging;
mod memory;
pub mod message;
mod notice;
mod notifier;
#[cfg(feature = "smtp")]
mod smtp;
mod tls;
mod webhook;

#[cfg(feature = "fedora-messaging")]
pub use fedora_messaging::{Broker, FedoraMessaging};
pub use memory::Memory;
pub use notice::{Ending, Notice, NoticeKind, Screenshot};
pub use notifier::{Answers, Dispatch, Limits, Notifier};
#[cfg(feature = "smtp")]
pub use smtp::{MailServer, Security, Smtp};
pub use tls::Trust;
pub use webhook::{Webhook, signature};

use async_trait::async_trait;

use crate::error::{ErrorKind, StageError};

/// Why nobody could be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// The server is not there, or does not answer.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// Its address, without a password.
        server: String,
        /// Why.
        reason: String,
    },
    /// The server's certificate is not one to trust.
    #[error("{server} cannot be trusted: {reason}")]
    Untrusted {
        /// Its address, without a password.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server knows neither user nor password.
    #[error("{server} refuses the login: {reason}")]
    Login {
        /// Its address, without a password.
        server: String,
        /// Its words.
        reason: String,
    },
    /// The server is busy or broken, as it says itself.
    #[error("{server} cannot take it now: {reason}")]
    Busy {
        /// Its address, without a password.
        server: String,
        /// Its words.
        reason: String,
    },
    /// Some have it by now, and others may get it later.
    #[error("{server} has not taken it for all: {reason}")]
    Partly {
        /// Its address, without a password.
        server: String,
        /// Who lacks it, and its words.
        reason: String,
    },
    /// The server does not want this, now or later.
    #[error("{server} refuses it: {reason}")]
    Refused {
        /// Its address, without a password.
        server: String,
        /// Its words.
        reason: String,
    },
    /// What it was given cannot be used: an address, a certificate, a key.
    #[error("{what}: {reason}")]
    Unusable {
        /// What.
        what: String,
        /// Why.
        reason: String,
    },
}

impl StageError for NotificationError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. } | Self::Busy { .. } | Self::Partly { .. } => {
                ErrorKind::Network
            }
            Self::Untrusted { .. }
            | Self::Login { .. }
            | Self::Refused { .. }
            | Self::Unusable { .. } => ErrorKind::Usage,
        }
    }

    fn is_transient(&self) -> bool {
        self.kind() == ErrorKind::Network
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Untrusted { .. } => "name its authority's certificate with `ca_file`".to_owned(),
            Self::Unreachable { .. } | Self::Busy { .. } => {
                "`fbs check --service` tries the same".to_owned()
            }
            Self::Login { .. } => "look at the user and the password's file".to_owned(),
            // So says a broker of the virtual host.
            Self::Refused { reason, .. } if reason.starts_with("NOT_ALLOWED") => {
                "look at the virtual host at the end of the broker's `url`, and at the user's rights in it".to_owned()
            }
            Self::Partly { .. } | Self::Refused { .. } | Self::Unusable { .. } => return None,
        })
    }
}

/// A way of telling.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Notification: Send + Sync + std::fmt::Debug {
    /// What it is, for a warning: `mail by smtp.example.org:587`. Without passwords.
    fn name(&self) -> String;

    /// Whether it has anything to say of `notice`: a mail that nobody is to get is not sent.
    fn wants(&self, notice: &Notice) -> bool;

    /// Finds out whether it could tell, without telling: connects, and logs in.
    ///
    /// # Errors
    ///
    /// [`NotificationError`].
    async fn check(&self) -> Result<(), NotificationError>;

    /// Tells it. May be called again with the same notice where the error was transient: what is
    /// sent has the same id then ([`Notice::id`]).
    ///
    /// # Errors
    ///
    /// [`NotificationError`].
    async fn send(&self, notice: &Notice) -> Result<(), NotificationError>;
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::report as test_report;
