//! Records of jobs: one contract, kept by a SQLite file and by a real PostgreSQL.

mod accounts;
mod contract;
mod images;
mod postgres;
mod sqlite;
mod story;

use std::sync::Arc;

use async_trait::async_trait;
use image_builder::accounts::AccountStore;
use image_builder::jobs::{JobStore, StoreError};
use image_builder::retention::ImageStore;

/// A place for records that is empty at first.
#[async_trait]
trait Home: Send + Sync {
    /// Opens it, as a program does that starts. Several may have it open.
    async fn open(&self) -> Result<Arc<dyn JobStore>, StoreError>;

    /// The same, for what it keeps of images.
    async fn images(&self) -> Arc<dyn ImageStore>;

    /// The same, for what it keeps of accounts.
    async fn accounts(&self) -> Arc<dyn AccountStore>;
}
