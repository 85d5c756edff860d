//! Records of jobs in a database that speaks SQL: the same statements for SQLite and PostgreSQL.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::database::HasStatementCache;
use sqlx::{
    ColumnIndex, Database, Decode, Encode, Executor, IntoArguments, Pool, QueryBuilder, Type,
};

use super::batch::{Batch, Way};
use super::record::{self, JobRow, Prefixes};
use super::{
    Bookmark, Job, JobEvent, JobFilter, JobId, JobStore, JobSummary, Line, LineLoad, StoreError,
    Waiting, Wish,
};
use crate::database::reason;
use crate::database::script::{ROWS, padded};

/// The end of a statement that begins with the jobs that are `asked` about, each with the prefixes of its id. A CROSS
/// JOIN is one that SQLite [does not turn round](https://www.sqlite.org/optoverview.html#manual_control_of_query_plans_using_cross_join):
/// it would go through all jobs that wait.
const PLACES_OF_ASKED: &str = ") SELECT own.id, own.arch, own.release, CAST(
        (SELECT COALESCE(SUM(jobs), 0) FROM waiting WHERE arch = own.arch AND release = own.release AND level = 0
            AND priority > own.priority)
        + (SELECT COALESCE(SUM(jobs), 0) FROM waiting WHERE arch = own.arch AND release = own.release AND level = 1
            AND priority = own.priority AND prefix < asked.hour)
        + (SELECT COALESCE(SUM(jobs), 0) FROM waiting WHERE arch = own.arch AND release = own.release AND level = 2
            AND priority = own.priority AND prefix >= asked.hour AND prefix < asked.minute)
        + (SELECT COALESCE(SUM(jobs), 0) FROM waiting WHERE arch = own.arch AND release = own.release AND level = 3
            AND priority = own.priority AND prefix >= asked.minute AND prefix < asked.tenth)
        + (SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND arch = own.arch AND release = own.release
            AND priority = own.priority AND id >= asked.tenth AND id < own.id)
        AS BIGINT)
    FROM asked CROSS JOIN jobs AS own WHERE own.id = asked.job AND own.state = 'queued'";

/// Says how far a ledger was taken in, and keeps others from taking it in until the transaction ends.
const LOCK: &str = "INSERT INTO ledgers (name, place) VALUES ($1, -1)
    ON CONFLICT (name) DO UPDATE SET place = ledgers.place RETURNING place";

const PLACE: &str = "SELECT place FROM ledgers WHERE name = $1";

const BOOKMARK: &str = "SELECT place, read, digest FROM ledgers WHERE name = $1";

const MARK_READ: &str = "INSERT INTO ledgers (name, place, read, digest) VALUES ($1, -1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET read = excluded.read, digest = excluded.digest
        WHERE ledgers.read < excluded.read";

/// What a job is built from, the job, and each step of its history by its number: one statement, which sees nothing of
/// what others write meanwhile.
const JOB: &str = "SELECT CAST(-2 AS BIGINT), payload, '', '' FROM payloads WHERE job = $1
    UNION ALL
    SELECT CAST(-1 AS BIGINT), job, '', '' FROM jobs WHERE id = $1
    UNION ALL
    SELECT CAST(number AS BIGINT), time, state, cause FROM transitions WHERE job = $1
    ORDER BY 1";

const TALLY: &str = "SELECT state, CAST(COUNT(*) AS BIGINT) FROM jobs GROUP BY state";

/// Who waits is counted already. Ids begin with the time, and an index has those that wait in their order.
const LINES: &str =
    "SELECT arch, release, CAST(SUM(jobs) AS BIGINT), CAST(0 AS BIGINT), MIN((SELECT submitted FROM jobs
            WHERE state = 'queued' AND arch = waiting.arch AND release = waiting.release
                AND priority = waiting.priority
            ORDER BY id LIMIT 1))
        FROM waiting WHERE level = 0 GROUP BY arch, release
    UNION ALL
    SELECT arch, release, CAST(0 AS BIGINT), CAST(COUNT(*) AS BIGINT), NULL FROM jobs
        WHERE state IN ('running', 'delivering') GROUP BY arch, release";

const FORGET_WISHES: &str = "DELETE FROM wishes WHERE time < $1";

const KNOWN_WISH: &str = "SELECT job, digest, time FROM wishes WHERE key = $1";

const WISH: &str = "INSERT INTO wishes (key, job, digest, time) VALUES ($1, $2, $3, $4)
    ON CONFLICT (key) DO UPDATE SET key = wishes.key RETURNING job, digest, time";

/// A store in such a database.
#[derive(Debug)]
pub struct SqlStore<DB: Database> {
    pub(crate) writer: Pool<DB>,
    pub(crate) readers: Pool<DB>,
    /// How it takes entries of a ledger in.
    pub(crate) take_in: Way,
}

impl<DB: Database> SqlStore<DB> {
    /// Closes it. What was taken in is there when it is opened again.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl<DB> JobStore for SqlStore<DB>
where
    DB: Database + HasStatementCache,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Type<DB> + Encode<'q, DB> + Decode<'q, DB>,
    for<'q> String: Type<DB> + Encode<'q, DB> + Decode<'q, DB>,
    for<'q> &'q str: Type<DB> + Encode<'q, DB>,
    for<'q> Option<i64>: Encode<'q, DB>,
    for<'q> Option<&'q str>: Encode<'q, DB>,
    usize: ColumnIndex<DB::Row>,
{
    async fn apply_all(
        &self,
        ledger: &str,
        entries: &[(u64, &JobEvent)],
    ) -> Result<Vec<Job>, StoreError> {
        let mut transaction = self.writer.begin_with(self.take_in.begin).await?;
        let taken: i64 = sqlx::query_scalar(LOCK)
            .bind(ledger)
            .fetch_one(&mut *transaction)
            .await?;
        let mut last = taken;
        let mut events = Vec::with_capacity(entries.len());
        for &(place, event) in entries {
            let place = i64::try_from(place)
                .map_err(|_| StoreError::Database(format!("no ledger has a place {place}")))?;
            if place > last {
                events.push(event);
                last = place;
            }
        }
        let ids = events.iter().map(|event| &event.job).collect();
        let mut batch = Batch::begin(self.take_in, transaction, ids).await?;
        let changed = events
            .iter()
            .filter_map(|event| batch.apply(event))
            .collect();
        let transaction = batch.write(ledger, last).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    async fn place(&self, ledger: &str) -> Result<Option<u64>, StoreError> {
        let place: Option<i64> = sqlx::query_scalar(PLACE)
            .bind(ledger)
            .fetch_optional(&self.readers)
            .await?;
        // Less than the first place: somebody has only looked.
        Ok(place.and_then(|place| u64::try_from(place).ok()))
    }

    async fn bookmark(&self, ledger: &str) -> Result<Option<Bookmark>, StoreError> {
        let row: Option<(i64, i64, i64)> = sqlx::query_as(BOOKMARK)
            .bind(ledger)
            .fetch_optional(&self.readers)
            .await?;
        Ok(
            row.and_then(|(place, read, digest)| match u64::try_from(read) {
                Ok(place) => Some(Bookmark {
                    place,
                    digest: u64::try_from(digest).ok(),
                }),
                Err(_) => u64::try_from(place).ok().map(Bookmark::from),
            }),
        )
    }

    async fn mark_read(&self, ledger: &str, place: u64, digest: u64) -> Result<(), StoreError> {
        let number = |number: u64| {
            i64::try_from(number)
                .map_err(|_| StoreError::Database(format!("{number} is in no ledger")))
        };
        sqlx::query(MARK_READ)
            .bind(ledger)
            .bind(number(place)?)
            .bind(number(digest)?)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        let rows: Vec<JobRow> = sqlx::query_as(JOB)
            .bind(id.as_str())
            .fetch_all(&self.readers)
            .await?;
        record::job(id, rows)
    }

    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobSummary>, StoreError> {
        let mut query = QueryBuilder::<DB>::new("SELECT id, job, since FROM jobs WHERE 1 = 1");
        if !filter.states.is_empty() {
            query.push(" AND state IN (");
            let mut states = query.separated(", ");
            for state in &filter.states {
                states.push_bind(record::key(state));
            }
            query.push(")");
        }
        for (column, wanted) in [
            (" AND arch = ", &filter.arch),
            (" AND release = ", &filter.release),
            (" AND requester = ", &filter.requester),
        ] {
            if let Some(wanted) = wanted {
                query.push(column).push_bind(record::key(wanted));
            }
        }
        for word in record::searched(&filter.words) {
            query
                .push(" AND EXISTS (SELECT 1 FROM words WHERE words.job = jobs.id AND words LIKE ");
            query.push_bind(word).push(" ESCAPE '!')");
        }
        if let Some(viewer) = &filter.viewer {
            query.push(" AND (private = 0 OR requester = ");
            query.push_bind(record::key(viewer)).push(")");
        }
        if let Some(before) = &filter.before {
            query.push(" AND id < ").push_bind(before.to_string());
        }
        query.push(" ORDER BY id DESC LIMIT ");
        query.push_bind(i64::from(filter.limit));
        let rows: Vec<(String, String, String)> =
            query.build_query_as().fetch_all(&self.readers).await?;
        let summary =
            |(id, job, since): (String, String, String)| record::summary(&id, &job, &since);
        rows.into_iter().map(summary).collect()
    }

    async fn places(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, Waiting>, StoreError> {
        let mut places = BTreeMap::new();
        for jobs in jobs.chunks(ROWS) {
            let mut query = places_of::<DB>(jobs);
            let rows: Vec<(String, String, String, i64)> =
                query.build_query_as().fetch_all(&self.readers).await?;
            for (id, arch, release, before) in rows {
                let waiting = Waiting {
                    line: Line { arch, release },
                    before: usize::try_from(before).unwrap_or_default(),
                };
                places.extend(JobId::parse(&id).map(|id| (id, waiting)));
            }
        }
        Ok(places)
    }

    async fn tally(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(TALLY).fetch_all(&self.readers).await?;
        let counted = |(state, jobs)| (state, u64::try_from(jobs).unwrap_or_default());
        Ok(rows.into_iter().map(counted).collect())
    }

    async fn lines(&self) -> Result<Vec<LineLoad>, StoreError> {
        let rows: Vec<(String, String, i64, i64, Option<String>)> =
            sqlx::query_as(LINES).fetch_all(&self.readers).await?;
        let mut lines = BTreeMap::<Line, (u64, u64, Option<Timestamp>)>::new();
        for (arch, release, waiting, running, oldest) in rows {
            let load = lines.entry(Line { arch, release }).or_default();
            load.0 += u64::try_from(waiting).unwrap_or_default();
            load.1 += u64::try_from(running).unwrap_or_default();
            if let Some(oldest) = oldest {
                load.2 = Some(record::read_time("that waits longest", &oldest)?);
            }
        }
        let load = |(line, (waiting, running, oldest))| LineLoad {
            line,
            waiting,
            running,
            oldest,
        };
        Ok(lines.into_iter().map(load).collect())
    }

    async fn remember(&self, key: &str, wish: &Wish) -> Result<Wish, StoreError> {
        let key = record::key(key);
        let oldest = wish.time.checked_sub(Wish::REMEMBERED).unwrap_or(wish.time);
        let mut transaction = self.writer.begin().await?;
        sqlx::query(FORGET_WISHES)
            .bind(record::time(oldest))
            .execute(&mut *transaction)
            .await?;
        let (job, digest, time): (String, String, String) = sqlx::query_as(WISH)
            .bind(key)
            .bind(wish.job.as_str())
            .bind(wish.digest.as_str())
            .bind(record::time(wish.time))
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        record::wish(job, digest, &time)
    }

    async fn wish(&self, key: &str) -> Result<Option<Wish>, StoreError> {
        let row: Option<(String, String, String)> = sqlx::query_as(KNOWN_WISH)
            .bind(record::key(key))
            .fetch_optional(&self.readers)
            .await?;
        row.map(|(job, digest, time)| record::wish(job, digest, &time))
            .transpose()
    }
}

/// Asks who goes before each of some jobs: all of a higher priority, then of its own in ever smaller steps, of which each
/// counts as far as the prefix of the next one.
fn places_of<DB>(jobs: &[JobId]) -> QueryBuilder<DB>
where
    DB: Database,
    for<'q> Option<&'q str>: Type<DB> + Encode<'q, DB>,
{
    let mut query = QueryBuilder::new("WITH asked (job, hour, minute, tenth) AS (");
    query.push_values(padded(jobs), |mut values, id| {
        values.push_bind(id.map(JobId::as_str));
        for prefix in id.map_or([None; 3], |id| Prefixes::of(id).0.map(Some)) {
            values.push_bind(prefix);
        }
    });
    query.push(PLACES_OF_ASKED);
    query
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(reason(&error))
    }
}
