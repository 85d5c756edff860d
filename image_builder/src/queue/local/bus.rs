//! Messages that nobody keeps.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite};
use tokio::sync::{mpsc, watch};

use super::LocalFile;
use crate::jobs::JobId;
use crate::queue::{Address, BusMessage, Inbox};

/// Messages that are read ahead.
const AHEAD: usize = 256;

/// Who has not read a message in this time does not get it.
const KEPT: Duration = Duration::from_secs(60);

/// How often a process removes what is older.
const SWEEP: Duration = Duration::from_secs(10);

/// After an error.
const PAUSE: Duration = Duration::from_secs(1);

const SEND: &str = "INSERT INTO bus (time, topic, inbox, reply_to, correlation, body)
    VALUES ($1, $2, $3, $4, $5, $6)";

const FORGET: &str = "DELETE FROM bus WHERE time < $1";

const LAST: &str = "SELECT COALESCE(MAX(number), 0) FROM bus";

/// A message as it is stored.
type Row = (i64, Option<String>, Option<String>, Option<String>, Vec<u8>);

/// When old messages were removed.
#[derive(Debug, Default)]
pub(super) struct Sweep(Mutex<Option<Instant>>);

impl Sweep {
    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() > SWEEP);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

pub(super) async fn send(
    file: &LocalFile,
    to: &Address,
    message: &BusMessage,
) -> Result<(), sqlx::Error> {
    let now = Timestamp::now().as_millisecond();
    let (topic, inbox) = match to {
        Address::Topic(topic) => (Some(topic.as_str()), None),
        Address::Inbox(inbox) => (None, Some(inbox.as_str())),
    };
    if file.sweep.is_due() {
        let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
        sqlx::query(FORGET)
            .bind(now.saturating_sub(kept))
            .execute(&file.sqlite.quick)
            .await?;
    }
    sqlx::query(SEND)
        .bind(now)
        .bind(topic)
        .bind(inbox)
        .bind(message.reply_to.as_deref())
        .bind(message.correlation.as_deref())
        .bind(message.body.as_slice())
        .execute(&file.sqlite.quick)
        .await?;
    Ok(())
}

/// Listens until nobody reads any more.
pub(super) async fn listen(
    file: Arc<LocalFile>,
    topics: Vec<String>,
) -> Result<Inbox, sqlx::Error> {
    let own = JobId::new(Timestamp::now()).to_string();
    let (names, name) = watch::channel(own.clone());
    let (sender, messages) = mpsc::channel(AHEAD);
    // What is sent after this call has returned is heard.
    let last = sqlx::query_scalar(LAST)
        .fetch_one(&file.sqlite.readers)
        .await?;
    tokio::spawn(async move {
        hand_on(&file, &own, &topics, last, &sender).await;
        drop(names);
    });
    Ok(Inbox { name, messages })
}

async fn hand_on(
    file: &LocalFile,
    own: &str,
    topics: &[String],
    mut last: i64,
    messages: &mpsc::Sender<(Option<String>, BusMessage)>,
) {
    let wake = file.wake();
    let mut changes = wake.bus();
    loop {
        changes.mark_unchanged();
        let rows = rows(file, own, topics, last).await;
        let failed = rows.is_err();
        for (number, topic, reply_to, correlation, body) in rows.unwrap_or_default() {
            last = number;
            let message = BusMessage {
                reply_to,
                correlation,
                body,
            };
            if messages.send((topic, message)).await.is_err() {
                return;
            }
        }
        let news = async {
            match failed {
                true => tokio::time::sleep(PAUSE).await,
                // It tells as long as `wake` is held.
                false => drop(changes.changed().await),
            }
        };
        tokio::select! {
            () = messages.closed() => return,
            () = news => {}
        }
    }
}

async fn rows(
    file: &LocalFile,
    own: &str,
    topics: &[String],
    after: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT number, topic, reply_to, correlation, body FROM bus WHERE number > ",
    );
    query.push_bind(after).push(" AND (inbox = ").push_bind(own);
    query.push(" OR topic IN (");
    let mut listed = query.separated(", ");
    for topic in topics {
        listed.push_bind(topic.as_str());
    }
    query.push(")) ORDER BY number");
    query.build_query_as().fetch_all(&file.sqlite.readers).await
}
