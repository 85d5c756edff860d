//! What is kept of accounts.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Account, AuditEntry, AuditFilter, KnownToken, NumberedEntry, Token, Work};
use crate::jobs::StoreError;

/// Accounts, their sessions and tokens, and who did what. Secrets are given as their
/// [hash](super::Credential::hash).
#[async_trait]
pub trait AccountStore: Send + Sync + std::fmt::Debug {
    /// Remembers an account as it is now, and a session of it. If the name was another subject's until now, all
    /// sessions and tokens of that one end.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is remembered then.
    async fn log_in(
        &self,
        account: &Account,
        session: &str,
        expires: Timestamp,
    ) -> Result<(), StoreError>;

    /// Whose session it is, unless that has ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn session(&self, session: &str, now: Timestamp) -> Result<Option<Account>, StoreError>;

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn log_out(&self, session: &str) -> Result<(), StoreError>;

    /// Remembers a login that has begun, and forgets what has expired.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is remembered then.
    async fn begin_login(
        &self,
        secret: &str,
        login: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError>;

    /// What was remembered of a login: once, and not after it has expired.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn take_login(&self, secret: &str, now: Timestamp) -> Result<Option<String>, StoreError>;

    /// Remembers a token.
    ///
    /// # Errors
    ///
    /// [`StoreError`], also if its account is not known.
    async fn add_token(&self, token: &Token, secret: &str) -> Result<(), StoreError>;

    /// The token that has this secret, unless it has expired, and whose it is. That it was used is remembered.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn token(&self, secret: &str, now: Timestamp) -> Result<Option<KnownToken>, StoreError>;

    /// The tokens of an account, or all, the newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn tokens(&self, account: Option<&str>) -> Result<Vec<Token>, StoreError>;

    /// Makes an end of a token of an account, or of anybody's; gives whose it was.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn revoke_token(
        &self,
        id: &str,
        account: Option<&str>,
    ) -> Result<Option<Token>, StoreError>;

    /// Remembers what somebody did.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn note(&self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// What was done, the newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn audit(&self, filter: &AuditFilter) -> Result<Vec<NumberedEntry>, StoreError>;

    /// Forgets what was done before a time; gives how many entries it were.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn forget_audit(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// How many jobs somebody has that wait or are built, and how many they have submitted since a time.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn work(&self, requester: &str, since: Timestamp) -> Result<Work, StoreError>;
}
