//! Queues of jobs: one contract, kept by RabbitMQ for many machines and by a SQLite file for one.

mod amqp;
pub(crate) mod contract;
mod local;

use std::sync::Arc;

use async_trait::async_trait;
use image_builder::queue::{JobQueue, QueueError};

/// A place for jobs. What others have left there before does no harm.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Another connection to it, as another process has one.
    async fn open(&self) -> Result<Arc<dyn JobQueue>, QueueError>;
}
