//! Accounts in a database that speaks SQL.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{ColumnIndex, Database, Decode, Encode, Executor, IntoArguments, QueryBuilder, Type};

use super::{
    Account, AccountStore, AuditEntry, AuditFilter, KnownToken, NumberedEntry, Token, Work,
};
use crate::jobs::record::{key, time};
use crate::jobs::{SqlStore, StoreError};

/// That a token was used is written down so often at most.
const USED: SignedDuration = SignedDuration::from_mins(5);

const ACCOUNT: &str = "SELECT account FROM accounts WHERE name = $1";

const SAVE_ACCOUNT: &str = "INSERT INTO accounts (name, account) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET account = excluded.account";

const FORGET_ACCOUNT: &str = "DELETE FROM accounts WHERE name = $1";

const FORGET_SESSIONS: &str = "DELETE FROM sessions WHERE expires <= $1";

const SAVE_SESSION: &str = "INSERT INTO sessions (secret, account, expires) VALUES ($1, $2, $3)";

const SESSION: &str = "SELECT accounts.account FROM sessions
    JOIN accounts ON accounts.name = sessions.account
    WHERE sessions.secret = $1 AND sessions.expires > $2";

const END_SESSION: &str = "DELETE FROM sessions WHERE secret = $1";

const FORGET_LOGINS: &str = "DELETE FROM logins WHERE expires <= $1";

const SAVE_LOGIN: &str = "INSERT INTO logins (secret, login, expires) VALUES ($1, $2, $3)";

const TAKE_LOGIN: &str = "DELETE FROM logins WHERE secret = $1 RETURNING login, expires";

const SAVE_TOKEN: &str = "INSERT INTO tokens (id, secret, account, token, expires)
    VALUES ($1, $2, $3, $4, $5)";

const TOKEN: &str = "SELECT tokens.token, tokens.used, accounts.account FROM tokens
    JOIN accounts ON accounts.name = tokens.account
    WHERE tokens.secret = $1 AND tokens.expires > $2";

const USE_TOKEN: &str = "UPDATE tokens SET used = $2 WHERE secret = $1";

const REVOKE: &str = "DELETE FROM tokens WHERE id = $1 RETURNING token, used";

const REVOKE_OWN: &str = "DELETE FROM tokens WHERE id = $1 AND account = $2 RETURNING token, used";

const NOTE: &str = "INSERT INTO audit (account, entry) VALUES ($1, $2)";

const OLDEST_NOTES: &str = "SELECT number, entry FROM audit ORDER BY number LIMIT $1";

const FORGET_NOTES: &str = "DELETE FROM audit WHERE number <= $1";

/// So many entries of the audit log are looked at and forgotten at a time.
const MOST_NOTES: i64 = 1000;

const WORK: &str = "SELECT
    (SELECT CAST(COUNT(*) AS BIGINT) FROM jobs
        WHERE requester = $1 AND state IN ('queued', 'running', 'delivering')),
    (SELECT CAST(COUNT(*) AS BIGINT) FROM jobs WHERE requester = $1 AND id >= $2)";

fn read<T: DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Database(error.to_string()))
}

fn write(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Database(error.to_string()))
}

fn token((json, used): (String, Option<String>)) -> Result<Token, StoreError> {
    let used = used.map(|used| used.parse());
    Ok(Token {
        used: used
            .transpose()
            .map_err(|error: jiff::Error| StoreError::Database(error.to_string()))?,
        ..read(&json)?
    })
}

#[async_trait]
impl<DB> AccountStore for SqlStore<DB>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Type<DB> + Encode<'q, DB> + Decode<'q, DB>,
    for<'q> String: Type<DB> + Encode<'q, DB> + Decode<'q, DB>,
    for<'q> &'q str: Type<DB> + Encode<'q, DB>,
    for<'q> Option<String>: Encode<'q, DB> + Decode<'q, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    async fn log_in(
        &self,
        account: &Account,
        session: &str,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let name = key(&account.name);
        let mut transaction = self.writer.begin().await?;
        let known: Option<String> = sqlx::query_scalar(ACCOUNT)
            .bind(name.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        let known: Option<Account> = known.map(|json| read(&json)).transpose()?;
        if known.is_some_and(|known| known.subject != account.subject) {
            // With it go its sessions and tokens.
            sqlx::query(FORGET_ACCOUNT)
                .bind(name.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query(SAVE_ACCOUNT)
            .bind(name.as_str())
            .bind(write(account)?)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(FORGET_SESSIONS)
            .bind(time(account.seen))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(SAVE_SESSION)
            .bind(session)
            .bind(name)
            .bind(time(expires))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn session(&self, session: &str, now: Timestamp) -> Result<Option<Account>, StoreError> {
        let account: Option<String> = sqlx::query_scalar(SESSION)
            .bind(session)
            .bind(time(now))
            .fetch_optional(&self.readers)
            .await?;
        account.map(|json| read(&json)).transpose()
    }

    async fn log_out(&self, session: &str) -> Result<(), StoreError> {
        sqlx::query(END_SESSION)
            .bind(session)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn begin_login(
        &self,
        secret: &str,
        login: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query(FORGET_LOGINS)
            .bind(time(now))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(SAVE_LOGIN)
            .bind(secret)
            .bind(login)
            .bind(time(expires))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn take_login(&self, secret: &str, now: Timestamp) -> Result<Option<String>, StoreError> {
        let taken: Option<(String, String)> = sqlx::query_as(TAKE_LOGIN)
            .bind(secret)
            .fetch_optional(&self.writer)
            .await?;
        let now = time(now);
        Ok(taken.and_then(|(login, expires)| (expires > now).then_some(login)))
    }

    async fn add_token(&self, token: &Token, secret: &str) -> Result<(), StoreError> {
        sqlx::query(SAVE_TOKEN)
            .bind(key(&token.id))
            .bind(secret)
            .bind(key(&token.account))
            .bind(write(token)?)
            .bind(time(token.expires))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn token(&self, secret: &str, now: Timestamp) -> Result<Option<KnownToken>, StoreError> {
        let row: Option<(String, Option<String>, String)> = sqlx::query_as(TOKEN)
            .bind(secret)
            .bind(time(now))
            .fetch_optional(&self.readers)
            .await?;
        let Some((json, used, account)) = row else {
            return Ok(None);
        };
        let token = token((json, used))?;
        let fresh = |used: Timestamp| now.duration_since(used) < USED;
        if !token.used.is_some_and(fresh) {
            sqlx::query(USE_TOKEN)
                .bind(secret)
                .bind(time(now))
                .execute(&self.writer)
                .await?;
        }
        Ok(Some(KnownToken {
            token,
            account: read(&account)?,
        }))
    }

    async fn tokens(&self, account: Option<&str>) -> Result<Vec<Token>, StoreError> {
        let mut query = QueryBuilder::<DB>::new("SELECT token, used FROM tokens");
        if let Some(account) = account {
            query.push(" WHERE account = ").push_bind(key(account));
        }
        query.push(" ORDER BY id DESC");
        let rows: Vec<(String, Option<String>)> =
            query.build_query_as().fetch_all(&self.readers).await?;
        rows.into_iter().map(token).collect()
    }

    async fn revoke_token(
        &self,
        id: &str,
        account: Option<&str>,
    ) -> Result<Option<Token>, StoreError> {
        let query = match account {
            Some(account) => sqlx::query_as(REVOKE_OWN).bind(key(id)).bind(key(account)),
            None => sqlx::query_as(REVOKE).bind(key(id)),
        };
        let row: Option<(String, Option<String>)> = query.fetch_optional(&self.writer).await?;
        row.map(token).transpose()
    }

    async fn note(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        sqlx::query(NOTE)
            .bind(key(&entry.account))
            .bind(write(entry)?)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn audit(&self, filter: &AuditFilter) -> Result<Vec<NumberedEntry>, StoreError> {
        let mut query = QueryBuilder::<DB>::new("SELECT number, entry FROM audit WHERE 1 = 1");
        if let Some(account) = &filter.account {
            query.push(" AND account = ").push_bind(key(account));
        }
        if let Some(before) = filter.before {
            let before = i64::try_from(before).unwrap_or(i64::MAX);
            query.push(" AND number < ").push_bind(before);
        }
        query.push(" ORDER BY number DESC LIMIT ");
        query.push_bind(i64::from(filter.limit));
        let rows: Vec<(i64, String)> = query.build_query_as().fetch_all(&self.readers).await?;
        let numbered = |(number, json): (i64, String)| {
            Ok(NumberedEntry {
                number: u64::try_from(number).unwrap_or_default(),
                entry: read(&json)?,
            })
        };
        rows.into_iter().map(numbered).collect()
    }

    async fn forget_audit(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let oldest: Vec<(i64, String)> = sqlx::query_as(OLDEST_NOTES)
                .bind(MOST_NOTES)
                .fetch_all(&self.readers)
                .await?;
            // Numbers grow with the time, so nobody has to look behind the first that stays.
            let mut last = None;
            for (number, json) in &oldest {
                if read::<AuditEntry>(json)?.time >= before {
                    break;
                }
                last = Some(*number);
                forgotten += 1;
            }
            let Some(last) = last else {
                return Ok(forgotten);
            };
            sqlx::query(FORGET_NOTES)
                .bind(last)
                .execute(&self.writer)
                .await?;
            if oldest.last().is_some_and(|(number, _)| *number > last) {
                return Ok(forgotten);
            }
        }
    }

    async fn work(&self, requester: &str, since: Timestamp) -> Result<Work, StoreError> {
        // Ids begin with the time, and are found by an index.
        let first = since.strftime("%Y%m%dT%H%M%S%3f").to_string();
        let (open, recent): (i64, i64) = sqlx::query_as(WORK)
            .bind(key(requester))
            .bind(first)
            .fetch_one(&self.readers)
            .await?;
        Ok(Work {
            open: u64::try_from(open).unwrap_or_default(),
            recent: u64::try_from(recent).unwrap_or_default(),
        })
    }
}
