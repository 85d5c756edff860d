//! The connection that all parts of a queue share.

use std::sync::Arc;
use std::time::Duration;

use lapin::{Channel, Connection};
use tokio::sync::Mutex;

use super::{PATIENCE, topology};
use crate::amqp::{Endpoint, Fault};
use crate::backoff;
use crate::queue::QueueError;

/// The shortest time between two tries.
const SOON: Duration = Duration::from_millis(200);

/// The longest.
const LATE: Duration = Duration::from_secs(5);

/// What RabbitMQ says of a queue that it has not opened yet.
const STARTING: &str = "is down or inaccessible";

/// A connection that is made when it is needed, and again when it is gone.
#[derive(Debug)]
pub(super) struct Link {
    endpoint: Endpoint,
    connection: Mutex<Option<Arc<Connection>>>,
}

impl Link {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            connection: Mutex::new(None),
        }
    }

    pub(super) fn place(&self) -> String {
        self.endpoint.place()
    }

    /// A channel of the connection that stands.
    pub(super) async fn channel(&self) -> Result<Channel, QueueError> {
        let opened = async {
            let mut slot = self.connection.lock().await;
            if slot.as_ref().is_none_or(|one| !one.status().connected()) {
                *slot = None;
                *slot = Some(Arc::new(self.connect().await?));
            }
            let connection = slot.as_ref().cloned();
            drop(slot);
            match connection {
                Some(connection) => connection
                    .create_channel()
                    .await
                    .map_err(|error| self.failure(&error)),
                None => Err(self.silent()),
            }
        };
        self.in_time(opened).await
    }

    /// A broker that has just begun has not got all of its queues yet; it is waited for.
    async fn connect(&self) -> Result<Connection, QueueError> {
        let mut backoff = Backoff::default();
        loop {
            match self.try_to_connect().await {
                Err(QueueError::Refused { reason, .. }) if reason.contains(STARTING) => {
                    backoff.wait().await;
                }
                connected => return connected,
            }
        }
    }

    async fn try_to_connect(&self) -> Result<Connection, QueueError> {
        let connection = self
            .endpoint
            .connect()
            .await
            .map_err(|error| self.error(Fault::of_connecting(&error)))?;
        let channel = connection
            .create_channel()
            .await
            .map_err(|error| self.failure(&error))?;
        topology::declare(&channel)
            .await
            .map_err(|error| self.failure(&error))?;
        // What is not closed stays open as long as the connection.
        let _ = channel.close(200, "done".into()).await;
        Ok(connection)
    }

    /// What a failure means.
    pub(super) fn failure(&self, error: &lapin::Error) -> QueueError {
        self.error(Fault::of(error))
    }

    fn error(&self, fault: Fault) -> QueueError {
        let broker = self.place();
        match fault {
            Fault::Unreachable(reason) | Fault::Untrusted(reason) | Fault::Busy(reason) => {
                QueueError::Unreachable { broker, reason }
            }
            Fault::Login(reason) => QueueError::Login { broker, reason },
            Fault::Refused(reason) => QueueError::Refused { broker, reason },
        }
    }

    fn silent(&self) -> QueueError {
        QueueError::Unreachable {
            broker: self.place(),
            reason: format!("no answer within {} s", PATIENCE.as_secs()),
        }
    }

    /// `work`, but not for ever.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        // The work ends here, with the locks that it holds.
        let done = tokio::time::timeout(PATIENCE, work).await;
        match done {
            Ok(result) => result,
            Err(_) => {
                // Whatever it waits for: the next one begins anew.
                if let Ok(mut slot) = self.connection.try_lock() {
                    *slot = None;
                }
                Err(self.silent())
            }
        }
    }
}

/// How long to wait before the next try.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Waits, longer each time, and never as long as all the others.
    pub(super) async fn wait(&mut self) {
        self.failures += 1;
        tokio::time::sleep(backoff::wait(SOON, LATE, self.failures)).await;
    }

    /// It went well.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}
