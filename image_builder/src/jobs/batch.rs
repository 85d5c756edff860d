//! Events of a ledger on their way into a database: the jobs that they are about are read together, changed in memory,
//! and written together.
//!
//! A statement costs a way to the database and back, for one row as for many.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::database::HasStatementCache;
use sqlx::{
    ColumnIndex, Database, Decode, Encode, Executor, IntoArguments, QueryBuilder, Transaction, Type,
};

use super::record::{self, Change, Count, JobRow, Row, Step};
use super::{Job, JobEvent, JobId, StoreError};

/// As many rows go into one statement: SQLite takes 32,766 values at most, PostgreSQL 65,535.
const ROWS: usize = 64;

/// Rows of so many bytes go together at most. What does not fit into one record of TLS leaves sqlx in several writes, and
/// each of them waits 40 ms for a server that does not answer before it has all: sqlx does not turn Nagle's algorithm
/// off.
const BYTES: usize = 8 * 1024;

/// A row of some job and its history: whose it is, and what [`record::job`] takes.
type OwnedRow = (String, i64, String, String, String);

/// A transaction that takes events in.
pub(super) struct Batch<DB: Database> {
    transaction: Transaction<'static, DB>,
    /// The jobs that events are about, as far as there are any.
    changes: BTreeMap<JobId, Change>,
}

impl<DB> Batch<DB>
where
    DB: Database + HasStatementCache,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Type<DB> + Encode<'q, DB> + Decode<'q, DB>,
    for<'q> String: Type<DB> + Encode<'q, DB> + Decode<'q, DB>,
    for<'q> &'q str: Type<DB> + Encode<'q, DB>,
    for<'q> Option<String>: Encode<'q, DB>,
    usize: ColumnIndex<DB::Row>,
{
    /// One for events about the jobs `ids`.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub(super) async fn begin(
        transaction: Transaction<'static, DB>,
        ids: BTreeSet<&JobId>,
    ) -> Result<Self, StoreError> {
        let mut batch = Self {
            transaction,
            changes: BTreeMap::new(),
        };
        let ids: Vec<&JobId> = ids.into_iter().collect();
        for ids in ids.chunks(ROWS) {
            batch.read(ids).await?;
        }
        Ok(batch)
    }

    /// Reads jobs with their histories, without what they are built from.
    async fn read(&mut self, ids: &[&JobId]) -> Result<(), StoreError> {
        let mut query =
            QueryBuilder::new("SELECT id, CAST(-1 AS BIGINT), job, '', '' FROM jobs WHERE id IN ");
        push_ids(&mut query, ids);
        query.push(
            " UNION ALL SELECT job, CAST(number AS BIGINT), time, state, cause FROM transitions
            WHERE job IN ",
        );
        push_ids(&mut query, ids);
        query.push(" ORDER BY 1, 2");
        let rows: Vec<OwnedRow> = query
            .build_query_as()
            .persistent(ids.len() == 1)
            .fetch_all(&mut *self.transaction)
            .await?;
        let mut rows_of = BTreeMap::<String, Vec<JobRow>>::new();
        for (id, number, first, state, cause) in rows {
            let row = (number, first, state, cause);
            rows_of.entry(id).or_default().push(row);
        }
        for &id in ids {
            let rows = rows_of.remove(id.as_str()).unwrap_or_default();
            if let Some(job) = record::job(id, rows)? {
                self.changes.insert(id.clone(), Change::of_known(job));
            }
        }
        Ok(())
    }

    /// The job after an event, if that counts.
    pub(super) fn apply(&mut self, event: &JobEvent) -> Option<Job> {
        if let Some(change) = self.changes.get_mut(&event.job) {
            return change.apply(event).then(|| change.job.clone());
        }
        let change = Change::of_new(event)?;
        let job = change.job.clone();
        self.changes.insert(job.id.clone(), change);
        Some(job)
    }

    /// Writes the jobs as they are now, and how many of them wait.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub(super) async fn write(mut self) -> Result<Transaction<'static, DB>, StoreError> {
        let changes = std::mem::take(&mut self.changes).into_values();
        let changes: Vec<Change> = changes.filter(|change| change.is_changed).collect();
        let mut counts = BTreeMap::<Count, i64>::new();
        for (count, more) in changes.iter().flat_map(Change::counts) {
            *counts.entry(count).or_default() += more;
        }
        let rows: Result<Vec<Row>, StoreError> = changes.iter().map(Change::row).collect();
        self.write_rows(&rows?).await?;
        // Always in the same order: two masters that count do not wait for each other then.
        let counts: Vec<(Count, i64)> = counts.into_iter().filter(|(_, more)| *more != 0).collect();
        for counts in counts.chunks(ROWS) {
            self.write_counts(counts).await?;
        }
        Ok(self.transaction)
    }

    async fn write_rows(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for rows in portions(rows, |row| row.job.len() + row.id.len()) {
            self.write_jobs(rows).await?;
        }
        let payloads = texts(rows, |row| row.payload.as_deref());
        for payloads in portions(&payloads, |(_, text)| text.len()) {
            self.write_texts("payloads (job, payload) ", payloads)
                .await?;
        }
        let words = texts(rows, |row| row.words.as_deref());
        for words in portions(&words, |(_, text)| text.len()) {
            self.write_texts("words (job, words) ", words).await?;
        }
        let steps = rows
            .iter()
            .flat_map(|row| row.steps.iter().map(|step| (row.id.as_str(), step)));
        let steps: Vec<(&str, &Step)> = steps.collect();
        for steps in portions(&steps, |(_, step)| step.state.len() + step.cause.len()) {
            self.write_steps(steps).await?;
        }
        Ok(())
    }

    async fn write_jobs(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let mut query = QueryBuilder::new(
            "INSERT INTO jobs (id, job, state, arch, release, priority, requester, submitted, since,
                worker, private) ",
        );
        query.push_values(rows, |mut values, row| {
            values
                .push_bind(row.id.as_str())
                .push_bind(row.job.as_str())
                .push_bind(row.state)
                .push_bind(row.arch.as_str())
                .push_bind(row.release.as_str())
                .push_bind(row.priority)
                .push_bind(row.requester.as_str())
                .push_bind(row.submitted.as_str())
                .push_bind(row.since.as_str())
                .push_bind(row.worker.clone())
                .push_bind(row.private);
        });
        query.push(
            " ON CONFLICT (id) DO UPDATE SET job = excluded.job, state = excluded.state,
                since = excluded.since, worker = excluded.worker",
        );
        self.run(query, rows.len()).await
    }

    /// Writes what new jobs have beside them.
    async fn write_texts(&mut self, into: &str, rows: &[(&str, &str)]) -> Result<(), StoreError> {
        let mut query = QueryBuilder::new("INSERT INTO ");
        query
            .push(into)
            .push_values(rows, |mut values, (id, text)| {
                values.push_bind(*id).push_bind(*text);
            });
        self.run(query, rows.len()).await
    }

    /// Writes what is new in the histories of jobs.
    async fn write_steps(&mut self, steps: &[(&str, &Step)]) -> Result<(), StoreError> {
        let mut query =
            QueryBuilder::new("INSERT INTO transitions (job, number, time, state, cause) ");
        query.push_values(steps, |mut values, (id, step)| {
            values
                .push_bind(*id)
                .push_bind(step.number)
                .push_bind(step.time.as_str())
                .push_bind(step.state.as_str())
                .push_bind(step.cause.as_str());
        });
        self.run(query, steps.len()).await
    }

    /// Writes how many more wait, or less.
    async fn write_counts(&mut self, counts: &[(Count, i64)]) -> Result<(), StoreError> {
        let mut query = QueryBuilder::new(
            "INSERT INTO waiting (arch, release, level, priority, prefix, jobs) ",
        );
        query.push_values(counts, |mut values, (count, more)| {
            values
                .push_bind(count.arch.as_str())
                .push_bind(count.release.as_str())
                .push_bind(count.level)
                .push_bind(count.priority)
                .push_bind(count.prefix.as_str())
                .push_bind(*more);
        });
        query.push(
            " ON CONFLICT (arch, release, level, priority, prefix)
            DO UPDATE SET jobs = waiting.jobs + excluded.jobs",
        );
        self.run(query, counts.len()).await?;
        let less: Vec<&Count> = counts
            .iter()
            .filter(|(_, more)| *more < 0)
            .map(|(count, _)| count)
            .collect();
        if less.is_empty() {
            return Ok(());
        }
        let mut query = QueryBuilder::new(
            "DELETE FROM waiting WHERE jobs = 0 AND (arch, release, level, priority, prefix) IN (",
        );
        query.push_values(&less, |mut values, count| {
            values
                .push_bind(count.arch.as_str())
                .push_bind(count.release.as_str())
                .push_bind(count.level)
                .push_bind(count.priority)
                .push_bind(count.prefix.as_str());
        });
        query.push(")");
        self.run(query, less.len()).await
    }

    /// Executes a statement of so many rows. Only those of one are kept prepared: of the others there are too many.
    async fn run(&mut self, mut query: QueryBuilder<DB>, rows: usize) -> Result<(), StoreError> {
        let query = query.build().persistent(rows == 1);
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }
}

/// The ids as a list in brackets.
fn push_ids<DB>(query: &mut QueryBuilder<DB>, ids: &[&JobId])
where
    DB: Database,
    for<'q> &'q str: Type<DB> + Encode<'q, DB>,
{
    query.push("(");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id.as_str());
    }
    query.push(")");
}

/// The rows in portions that fit into a statement, by how long one is.
fn portions<T>(rows: &[T], bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = |row: &&T| {
            sum += bytes(row);
            sum <= BYTES
        };
        let fitting = rest.iter().take(ROWS).take_while(fits).count();
        // One that is longer goes by itself.
        let (portion, others) = rest.split_at(fitting.max(1).min(rest.len()));
        rest = others;
        (!portion.is_empty()).then_some(portion)
    })
}

/// What `text` finds in rows, each with its job.
fn texts<'a>(
    rows: &'a [Row],
    text: impl Fn(&'a Row) -> Option<&'a str>,
) -> Vec<(&'a str, &'a str)> {
    let found = |row: &'a Row| Some((row.id.as_str(), text(row)?));
    rows.iter().filter_map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_goes_by_itself() {
        let lengths = |rows: &[usize]| -> Vec<usize> {
            portions(rows, |&bytes| bytes).map(<[usize]>::len).collect()
        };
        assert!(lengths(&[]).is_empty());
        assert_eq!(lengths(&[BYTES + 1]), [1]);
        assert_eq!(
            lengths(&[1, BYTES - 1, BYTES, 2 * BYTES, 5, 6]),
            [2, 1, 1, 2]
        );
        assert_eq!(lengths(&[1; 2 * ROWS + 1]), [ROWS, ROWS, 1]);
    }
}
