//! Records of images in a database that speaks SQL: the same statements for SQLite and PostgreSQL.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{ColumnIndex, Database, Decode, Encode, Executor, IntoArguments, QueryBuilder, Type};

use super::{Duty, ImageFigures, ImageRecord, ImageStore, Pin, Reason, Removal};
use crate::jobs::record::{key, read_time, time};
use crate::jobs::{JobId, SqlStore, StoreError};

/// As many ids are asked for at once: a statement of SQLite takes 32,766 values.
const AT_ONCE: usize = 1000;

/// In the order of [`Row`].
macro_rules! columns {
    () => {
        "job, folder, bytes, delivered, pinned_by, pinned, warned, removed, reason"
    };
}

const RECORD: &str = concat!(
    "INSERT INTO images (job, folder, bytes, delivered) VALUES ($1, $2, $3, $4)
    ON CONFLICT (job) DO UPDATE SET bytes = images.bytes RETURNING ",
    columns!()
);

const IMAGES: &str = concat!("SELECT ", columns!(), " FROM images WHERE job = $1");

const THERE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM images WHERE folder = $1 AND removed IS NULL AND bytes > 0 ORDER BY delivered, job"
);

const UNSETTLED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM images WHERE folder = $1 AND removed IS NOT NULL AND settled IS NULL ORDER BY job"
);

const PIN: &str = concat!(
    "UPDATE images SET pinned_by = COALESCE(pinned_by, $2), pinned = COALESCE(pinned, $3)
    WHERE job = $1 AND removed IS NULL AND bytes > 0 RETURNING ",
    columns!()
);

const UNPIN: &str = concat!(
    "UPDATE images
    SET warned = CASE WHEN pinned IS NULL THEN warned END, pinned_by = NULL, pinned = NULL
    WHERE job = $1 AND removed IS NULL AND bytes > 0 RETURNING ",
    columns!()
);

const CLAIM_WARNING: &str = "UPDATE images SET busy = $3
    WHERE job = $1 AND warned IS NULL AND pinned IS NULL AND removed IS NULL
        AND (busy IS NULL OR busy <= $2) RETURNING job";

const CLAIM_SETTLING: &str = "UPDATE images SET busy = $3
    WHERE job = $1 AND removed IS NOT NULL AND settled IS NULL
        AND (busy IS NULL OR busy <= $2) RETURNING job";

const WARNED: &str = "UPDATE images SET warned = COALESCE(warned, $2), busy = NULL WHERE job = $1";

const REMOVE: &str = "UPDATE images SET removed = $2, reason = $3, busy = NULL
    WHERE job = $1 AND removed IS NULL AND bytes > 0 AND (pinned IS NULL OR $3 = 'gone')
    RETURNING job";

const SETTLED: &str = "UPDATE images SET settled = $2, busy = NULL
    WHERE job = $1 AND removed IS NOT NULL";

const BYTES_OF: &str = "SELECT CAST(COALESCE(SUM(images.bytes), 0) AS BIGINT)
    FROM images JOIN jobs ON jobs.id = images.job
    WHERE jobs.requester = $1 AND images.removed IS NULL";

const FIGURES: &str = "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(bytes), 0) AS BIGINT),
        CAST(COALESCE(SUM(CASE WHEN pinned IS NULL THEN 0 ELSE bytes END), 0) AS BIGINT)
    FROM images WHERE removed IS NULL AND bytes > 0";

const REMOVED: &str = "SELECT reason, CAST(COUNT(*) AS BIGINT) FROM images
    WHERE removed IS NOT NULL GROUP BY reason";

/// The columns of a record.
type Row = (
    String,
    String,
    i64,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

fn record(row: Row) -> Result<ImageRecord, StoreError> {
    let (job, folder, bytes, delivered, pinned_by, pinned, warned, removed, reason) = row;
    let damaged = |what: &str| StoreError::Damaged {
        job: job.clone(),
        reason: format!("its images: {what}"),
    };
    let some_time = |text: Option<String>| text.map(|text| read_time(&job, &text)).transpose();
    let removal = some_time(removed)?.map(|time| {
        let reason = reason.as_deref().and_then(Reason::named);
        let reason = reason.ok_or_else(|| damaged("nobody knows why they went"))?;
        Ok::<_, StoreError>(Removal { time, reason })
    });
    let pin = some_time(pinned)?.zip(pinned_by);
    Ok(ImageRecord {
        folder,
        bytes: number(bytes),
        delivered: read_time(&job, &delivered)?,
        pinned: pin.map(|(time, by)| Pin { by, time }),
        warned: some_time(warned)?,
        removed: removal.transpose()?,
        job: JobId::parse(&job).ok_or_else(|| damaged("they are of no job"))?,
    })
}

fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}

#[async_trait]
impl<DB> ImageStore for SqlStore<DB>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Type<DB> + Encode<'q, DB> + Decode<'q, DB>,
    for<'q> String: Type<DB> + Encode<'q, DB> + Decode<'q, DB>,
    for<'q> &'q str: Type<DB> + Encode<'q, DB>,
    usize: ColumnIndex<DB::Row>,
{
    async fn record(&self, found: &ImageRecord) -> Result<ImageRecord, StoreError> {
        let bytes = i64::try_from(found.bytes).unwrap_or(i64::MAX);
        let row: Row = sqlx::query_as(RECORD)
            .bind(found.job.as_str())
            .bind(found.folder.as_str())
            .bind(bytes)
            .bind(time(found.delivered))
            .fetch_one(&self.writer)
            .await?;
        record(row)
    }

    async fn images(&self, job: &JobId) -> Result<Option<ImageRecord>, StoreError> {
        let row: Option<Row> = sqlx::query_as(IMAGES)
            .bind(job.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.map(record).transpose()
    }

    async fn unrecorded(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        let mut unrecorded = Vec::new();
        for jobs in jobs.chunks(AT_ONCE) {
            let mut query = QueryBuilder::<DB>::new("SELECT job FROM images WHERE job IN (");
            let mut ids = query.separated(", ");
            for job in jobs {
                ids.push_bind(job.to_string());
            }
            query.push(")");
            let known: Vec<(String,)> = query.build_query_as().fetch_all(&self.readers).await?;
            let known: std::collections::BTreeSet<String> =
                known.into_iter().map(|(job,)| job).collect();
            let missing = jobs.iter().filter(|job| !known.contains(job.as_str()));
            unrecorded.extend(missing.cloned());
        }
        Ok(unrecorded)
    }

    async fn there(&self, folder: &str) -> Result<Vec<ImageRecord>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(THERE)
            .bind(folder)
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(record).collect()
    }

    async fn unsettled(&self, folder: &str) -> Result<Vec<ImageRecord>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(UNSETTLED)
            .bind(folder)
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(record).collect()
    }

    async fn pin(&self, job: &JobId, pin: &Pin) -> Result<Option<ImageRecord>, StoreError> {
        let row: Option<Row> = sqlx::query_as(PIN)
            .bind(job.as_str())
            .bind(key(&pin.by))
            .bind(time(pin.time))
            .fetch_optional(&self.writer)
            .await?;
        row.map(record).transpose()
    }

    async fn unpin(&self, job: &JobId) -> Result<Option<ImageRecord>, StoreError> {
        let row: Option<Row> = sqlx::query_as(UNPIN)
            .bind(job.as_str())
            .fetch_optional(&self.writer)
            .await?;
        row.map(record).transpose()
    }

    async fn claim(
        &self,
        job: &JobId,
        duty: Duty,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let claim = match duty {
            Duty::Warn => CLAIM_WARNING,
            Duty::Settle => CLAIM_SETTLING,
        };
        let claimed: Option<(String,)> = sqlx::query_as(claim)
            .bind(job.as_str())
            .bind(time(now))
            .bind(time(until))
            .fetch_optional(&self.writer)
            .await?;
        Ok(claimed.is_some())
    }

    async fn warned(&self, job: &JobId, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query(WARNED)
            .bind(job.as_str())
            .bind(time(at))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn remove(&self, job: &JobId, removal: &Removal) -> Result<bool, StoreError> {
        let removed: Option<(String,)> = sqlx::query_as(REMOVE)
            .bind(job.as_str())
            .bind(time(removal.time))
            .bind(removal.reason.name())
            .fetch_optional(&self.writer)
            .await?;
        Ok(removed.is_some())
    }

    async fn settled(&self, job: &JobId, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query(SETTLED)
            .bind(job.as_str())
            .bind(time(at))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn bytes_of(&self, requester: &str) -> Result<u64, StoreError> {
        let bytes: i64 = sqlx::query_scalar(BYTES_OF)
            .bind(key(requester))
            .fetch_one(&self.readers)
            .await?;
        Ok(number(bytes))
    }

    async fn figures(&self) -> Result<ImageFigures, StoreError> {
        let (jobs, bytes, pinned): (i64, i64, i64) =
            sqlx::query_as(FIGURES).fetch_one(&self.readers).await?;
        let removed: Vec<(Option<String>, i64)> =
            sqlx::query_as(REMOVED).fetch_all(&self.readers).await?;
        let counted =
            |(reason, jobs): (Option<String>, i64)| Some((Reason::named(&reason?)?, number(jobs)));
        Ok(ImageFigures {
            jobs: number(jobs),
            bytes: number(bytes),
            pinned: number(pinned),
            removed: removed.into_iter().filter_map(counted).collect(),
        })
    }
}
