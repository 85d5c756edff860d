//! Events of a ledger on their way into a database: the jobs that they are about are read together, changed in memory,
//! and written together.
//!
//! A statement costs a way to the database and back, for one row as for many.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::database::HasStatementCache;
use sqlx::query_builder::Separated;
use sqlx::{
    ColumnIndex, Database, Decode, Encode, Executor, IntoArguments, QueryBuilder, Transaction, Type,
};

use super::record::{self, Change, Count, JobRow, Row, Step};
use super::{Job, JobEvent, JobId, StoreError};
use crate::database::script::{ROWS, Script, padded, portions, push_rows};

/// A row of some job and its history: whose it is, and what [`record::job`] takes.
type OwnedRow = (String, i64, String, String, String);

/// How a database takes events in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// How the transaction begins.
    pub(crate) begin: &'static str,
    /// Whether it takes several statements at once.
    pub(crate) in_one_go: bool,
    /// Rows of so many bytes go into one statement at most.
    pub(crate) bytes: usize,
}

/// A transaction that takes events in.
pub(super) struct Batch<DB: Database> {
    way: Way,
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
    for<'q> Option<i64>: Encode<'q, DB>,
    for<'q> Option<&'q str>: Encode<'q, DB>,
    usize: ColumnIndex<DB::Row>,
{
    /// One for events about the jobs `ids`.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub(super) async fn begin(
        way: Way,
        transaction: Transaction<'static, DB>,
        ids: BTreeSet<&JobId>,
    ) -> Result<Self, StoreError> {
        let mut batch = Self {
            way,
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

    /// Writes the jobs as they are now, how many of them wait, and that `ledger` was taken in up to `place`.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub(super) async fn write(
        mut self,
        ledger: &str,
        place: i64,
    ) -> Result<Transaction<'static, DB>, StoreError> {
        let changes = std::mem::take(&mut self.changes).into_values();
        let changes: Vec<Change> = changes.filter(|change| change.is_changed).collect();
        let mut counts = BTreeMap::<Count, i64>::new();
        for (count, more) in changes.iter().flat_map(Change::counts) {
            *counts.entry(count).or_default() += more;
        }
        let rows: Result<Vec<Row>, StoreError> = changes.iter().map(Change::row).collect();
        let most = self.way.bytes;
        let mut script = Script::new(&mut *self.transaction, self.way.in_one_go);
        script.write_rows(&rows?, most).await?;
        // Always in the same order: two masters that count do not wait for each other then.
        let counts: Vec<(Count, i64)> = counts.into_iter().filter(|(_, more)| *more != 0).collect();
        for counts in counts.chunks(ROWS) {
            script.write_counts(counts).await?;
        }
        let query = script
            .next("INSERT INTO ledgers (name, place) VALUES (")
            .await?;
        query.push_bind(ledger).push(", ").push_bind(place);
        query.push(") ON CONFLICT (name) DO UPDATE SET place = excluded.place");
        script.end().await?;
        Ok(self.transaction)
    }
}

/// What is written of a batch.
impl<DB> Script<'_, DB>
where
    DB: Database + HasStatementCache,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Type<DB> + Encode<'q, DB>,
    for<'q> Option<i64>: Encode<'q, DB>,
    for<'q> &'q str: Type<DB> + Encode<'q, DB>,
    for<'q> Option<&'q str>: Encode<'q, DB>,
{
    async fn write_rows(&mut self, rows: &[Row], most: usize) -> Result<(), StoreError> {
        for rows in portions(rows, most, |row| row.job.len() + row.id.len()) {
            self.write_jobs(rows).await?;
        }
        let payloads = texts(rows, |row| row.payload.as_deref());
        for texts in portions(&payloads, most, |(_, text)| text.len()) {
            self.write_texts("INSERT INTO payloads (job, payload) ", texts)
                .await?;
        }
        let words = texts(rows, |row| row.words.as_deref());
        for texts in portions(&words, most, |(_, text)| text.len()) {
            self.write_texts("INSERT INTO words (job, words) ", texts)
                .await?;
        }
        let steps = rows
            .iter()
            .flat_map(|row| row.steps.iter().map(|step| (row.id.as_str(), step)));
        let steps: Vec<(&str, &Step)> = steps.collect();
        let bytes = |(_, step): &(&str, &Step)| step.state.len() + step.cause.len();
        for steps in portions(&steps, most, bytes) {
            self.write_steps(steps).await?;
        }
        Ok(())
    }

    async fn write_jobs(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        const INTO: &str = "INSERT INTO jobs (id, job, state, arch, release, priority, requester, submitted, since,
            worker, private) ";
        let query = self.next(INTO).await?;
        push_rows(query, rows, |values, row| {
            values
                .push_bind(row.map(|row| row.id.as_str()))
                .push_bind(row.map(|row| row.job.as_str()))
                .push_bind(row.map(|row| row.state))
                .push_bind(row.map(|row| row.arch.as_str()))
                .push_bind(row.map(|row| row.release.as_str()))
                .push_bind(row.map(|row| row.priority))
                .push_bind(row.map(|row| row.requester.as_str()))
                .push_bind(row.map(|row| row.submitted.as_str()))
                .push_bind(row.map(|row| row.since.as_str()))
                .push_bind(row.and_then(|row| row.worker.as_deref()))
                .push_bind(row.map(|row| row.private));
        });
        query.push(
            " ON CONFLICT (id) DO UPDATE SET job = excluded.job, state = excluded.state,
            since = excluded.since, worker = excluded.worker",
        );
        Ok(())
    }

    /// Writes what new jobs have beside them.
    async fn write_texts(
        &mut self,
        into: &'static str,
        rows: &[(&str, &str)],
    ) -> Result<(), StoreError> {
        let query = self.next(into).await?;
        push_rows(query, rows, |values, row| {
            values
                .push_bind(row.map(|row| row.0))
                .push_bind(row.map(|row| row.1));
        });
        Ok(())
    }

    /// Writes what is new in the histories of jobs.
    async fn write_steps(&mut self, steps: &[(&str, &Step)]) -> Result<(), StoreError> {
        const INTO: &str = "INSERT INTO transitions (job, number, time, state, cause) ";
        let query = self.next(INTO).await?;
        push_rows(query, steps, |values, row| {
            let step = row.map(|row| row.1);
            values
                .push_bind(row.map(|row| row.0))
                .push_bind(step.map(|step| step.number))
                .push_bind(step.map(|step| step.time.as_str()))
                .push_bind(step.map(|step| step.state.as_str()))
                .push_bind(step.map(|step| step.cause.as_str()));
        });
        Ok(())
    }

    /// Writes how many more wait, or less.
    async fn write_counts(&mut self, counts: &[(Count, i64)]) -> Result<(), StoreError> {
        const INTO: &str = "INSERT INTO waiting (arch, release, level, priority, prefix, jobs) ";
        const NO_LONGER: &str = "DELETE FROM waiting
            WHERE jobs = 0 AND (arch, release, level, priority, prefix) IN (";
        let query = self.next(INTO).await?;
        push_rows(query, counts, |values, row| {
            push_count(values, row.map(|(count, _)| count));
            values.push_bind(row.map(|(_, more)| *more));
        });
        query.push(
            " ON CONFLICT (arch, release, level, priority, prefix)
                DO UPDATE SET jobs = waiting.jobs + excluded.jobs",
        );
        let less = counts.iter().filter(|(_, more)| *more < 0);
        let less: Vec<&Count> = less.map(|(count, _)| count).collect();
        if !less.is_empty() {
            let query = self.next(NO_LONGER).await?;
            push_rows(query, &less, |values, row| push_count(values, row.copied()));
            query.push(")");
        }
        Ok(())
    }
}

fn push_count<DB>(values: &mut Separated<'_, DB, &'static str>, count: Option<&Count>)
where
    DB: Database,
    for<'q> i64: Type<DB> + Encode<'q, DB>,
    for<'q> Option<i64>: Encode<'q, DB>,
    for<'q> &'q str: Type<DB> + Encode<'q, DB>,
    for<'q> Option<&'q str>: Encode<'q, DB>,
{
    values
        .push_bind(count.map(|count| count.arch.as_str()))
        .push_bind(count.map(|count| count.release.as_str()))
        .push_bind(count.map(|count| count.level))
        .push_bind(count.map(|count| count.priority))
        .push_bind(count.map(|count| count.prefix.as_str()));
}

/// The ids as a list in brackets.
fn push_ids<DB>(query: &mut QueryBuilder<DB>, ids: &[&JobId])
where
    DB: Database,
    for<'q> &'q str: Type<DB> + Encode<'q, DB>,
    for<'q> Option<&'q str>: Encode<'q, DB>,
{
    query.push("(");
    let mut list = query.separated(", ");
    for id in padded(ids) {
        list.push_bind(id.map(|id| id.as_str()));
    }
    query.push(")");
}

/// What `text` finds in rows, each with its job.
fn texts<'a>(
    rows: &'a [Row],
    text: impl Fn(&'a Row) -> Option<&'a str>,
) -> Vec<(&'a str, &'a str)> {
    let found = |row: &'a Row| Some((row.id.as_str(), text(row)?));
    rows.iter().filter_map(found).collect()
}
