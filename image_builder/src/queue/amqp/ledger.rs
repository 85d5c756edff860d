//! Reading the stream.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer};
use tokio::sync::mpsc;

use super::link::{Backoff, Link};
use super::topology::LEDGER;
use crate::jobs::{Bookmark, Entry, JobEventKind, JobRequest};
use crate::queue::wire::digest;
use crate::queue::{LedgerItem, QueueError, decode};

/// So many entries are on their way at a time.
const AHEAD: u16 = 500;

/// So many are acknowledged at once.
const ACKNOWLEDGED: u64 = 100;

/// The entry that was read last comes again within this time, or it is not there.
const RECALL: Duration = Duration::from_secs(10);

/// Why nothing more comes.
const ENDED: &str = "the broker ended the reading";

/// Whether what is at `place` now, behind which nothing was read, can be in the ledger that was read to `read`.
///
/// The oldest entries go, the last one never does: a broker keeps the segment that it writes.
fn fits(read: &Bookmark, place: u64, body: &[u8]) -> bool {
    place > read.place || read.digest.is_none_or(|known| known == digest(body))
}

/// Reads what comes behind what was `read` until nobody wants it any more.
pub(super) async fn read(
    link: std::sync::Arc<Link>,
    mut read: Option<Bookmark>,
    items: mpsc::Sender<LedgerItem>,
) {
    let mut backoff = Backoff::default();
    loop {
        let reason = tokio::select! {
            () = items.closed() => return,
            reason = read_on(&link, &mut read, &items, &mut backoff) => reason,
        };
        let Some(reason) = reason else { return };
        if items
            .send(LedgerItem::Disconnected { reason })
            .await
            .is_err()
        {
            return;
        }
        tokio::select! {
            () = items.closed() => return,
            () = backoff.wait() => {}
        }
    }
}

/// Reads until the connection breaks, and says why; `None` when nobody listens any more.
async fn read_on(
    link: &Link,
    read: &mut Option<Bookmark>,
    items: &mpsc::Sender<LedgerItem>,
    backoff: &mut Backoff,
) -> Option<String> {
    // From the last entry that was read, once more: behind its end a stream would give nothing, and say nothing.
    let from = read.map(|read| read.place);
    let (channel, mut consumer) = match consume(link, from, AHEAD).await {
        Ok(open) => open,
        Err(error) => return Some(error.to_string()),
    };
    let again = match read {
        Some(read) => match recall(link, &mut consumer, read).await {
            Ok(delivery) => Some(Ok(delivery)),
            Err(reason) => return Some(reason),
        },
        None => None,
    };
    backoff.reset();
    items.send(LedgerItem::Connected).await.ok()?;
    let mut deliveries = stream::iter(again).chain(consumer);
    let mut unacknowledged = 0;
    while let Some(delivery) = deliveries.next().await {
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => return Some(link.failure(&error).to_string()),
        };
        let Some(place) = place_of(&delivery) else {
            return Some(no_stream());
        };
        unacknowledged += 1;
        if unacknowledged >= ACKNOWLEDGED {
            unacknowledged = 0;
            let multiple = BasicAckOptions { multiple: true };
            let acknowledged = channel.basic_ack(delivery.delivery_tag, multiple).await;
            if let Err(error) = acknowledged {
                return Some(link.failure(&error).to_string());
            }
        }
        if read.is_some_and(|read| place <= read.place) {
            continue;
        }
        let digest = digest(&delivery.data);
        *read = Some(Bookmark {
            place,
            digest: Some(digest),
        });
        let item = match decode(&delivery.data) {
            Ok(entry) => LedgerItem::Entry {
                place,
                entry: Box::new(entry),
                digest,
            },
            Err(error) => LedgerItem::Unreadable {
                place,
                reason: error.to_string(),
            },
        };
        items.send(item).await.ok()?;
    }
    Some(ENDED.to_owned())
}

/// The entry that was read last, once more, or the first behind it where that was forgotten; or why there is none.
async fn recall(link: &Link, consumer: &mut Consumer, read: &Bookmark) -> Result<Delivery, String> {
    let other = || {
        let (queue, place) = (link.place(), read.place);
        QueueError::OtherLedger { queue, place }.to_string()
    };
    let first = tokio::time::timeout(RECALL, first_from(link, consumer, read.place)).await;
    let first = first.map_err(|_| other())?;
    let first = first.map_err(|error| error.to_string())?;
    let first = first.ok_or_else(|| ENDED.to_owned())?;
    match place_of(&first) {
        Some(place) if fits(read, place, &first.data) => Ok(first),
        Some(_) => Err(other()),
        None => Err(no_stream()),
    }
}

/// The entry at `place`, or the first behind it; `None` when the broker ends the reading.
async fn first_from(
    link: &Link,
    consumer: &mut Consumer,
    place: u64,
) -> Result<Option<Delivery>, QueueError> {
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery.map_err(|error| link.failure(&error))?;
        if place_of(&delivery).is_none_or(|at| at >= place) {
            return Ok(Some(delivery));
        }
        let acknowledged = delivery.acker.ack(BasicAckOptions::default()).await;
        acknowledged.map_err(|error| link.failure(&error))?;
    }
    Ok(None)
}

fn no_stream() -> String {
    format!("{LEDGER} is no stream")
}

/// What was asked for at `place`.
pub(super) async fn request(link: &Link, place: u64) -> Result<JobRequest, QueueError> {
    let (channel, mut consumer) = consume(link, Some(place), 1).await?;
    let first = first_from(link, &mut consumer, place).await?;
    let is_it = |delivery: &Delivery| place_of(delivery) == Some(place);
    let delivery = first.filter(is_it).ok_or(QueueError::Forgotten)?;
    // It ends with its channel.
    let _ = channel.close(200, "done".into()).await;
    match decode(&delivery.data)? {
        Entry::Job(event) => match event.kind {
            JobEventKind::Queued { request } => Ok(*request),
            _ => Err(QueueError::Forgotten),
        },
        _ => Err(QueueError::Forgotten),
    }
}

async fn consume(
    link: &Link,
    from: Option<u64>,
    ahead: u16,
) -> Result<(Channel, Consumer), QueueError> {
    let channel = link.channel().await?;
    let mut options = FieldTable::default();
    let from = match from {
        None => AMQPValue::LongString("first".into()),
        Some(place) => AMQPValue::LongLongInt(i64::try_from(place).unwrap_or(i64::MAX)),
    };
    options.insert("x-stream-offset".into(), from);
    let consumer = async {
        channel.basic_qos(ahead, BasicQosOptions::default()).await?;
        channel
            .basic_consume(
                LEDGER.into(),
                "".into(),
                BasicConsumeOptions::default(),
                options,
            )
            .await
    };
    let consumer = consumer.await.map_err(|error| link.failure(&error))?;
    Ok((channel, consumer))
}

/// The offset that the broker gives each entry.
fn place_of(delivery: &Delivery) -> Option<u64> {
    let headers = delivery.properties.headers().as_ref()?;
    match headers.inner().get("x-stream-offset")? {
        AMQPValue::LongLongInt(offset) => u64::try_from(*offset).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_another_one_now_is_of_another_ledger() {
        let read = Bookmark {
            place: 7,
            digest: Some(digest(b"cancelled")),
        };
        assert!(fits(&read, 7, b"cancelled"));
        assert!(!fits(&read, 7, b"queued"));
        // What was read has been forgotten meanwhile.
        assert!(fits(&read, 9, b"queued"));
        // Nobody knows what stood there.
        assert!(fits(&Bookmark::from(7), 7, b"queued"));
    }
}
