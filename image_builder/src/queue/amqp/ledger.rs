//! Reading the stream.

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer};
use tokio::sync::mpsc;

use super::link::{Backoff, Link};
use super::topology::LEDGER;
use crate::jobs::{Entry, JobEventKind, JobRequest};
use crate::queue::{LedgerItem, QueueError, decode};

/// So many entries are on their way at a time.
const AHEAD: u16 = 500;

/// So many are acknowledged at once.
const ACKNOWLEDGED: u64 = 100;

/// Reads what comes behind `after` until nobody wants it any more.
pub(super) async fn read(
    link: std::sync::Arc<Link>,
    mut after: Option<u64>,
    items: mpsc::Sender<LedgerItem>,
) {
    let mut backoff = Backoff::default();
    loop {
        let reason = tokio::select! {
            () = items.closed() => return,
            reason = read_on(&link, &mut after, &items, &mut backoff) => reason,
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
    after: &mut Option<u64>,
    items: &mpsc::Sender<LedgerItem>,
    backoff: &mut Backoff,
) -> Option<String> {
    let (channel, mut consumer) = match consume(link, after.map(|place| place + 1), AHEAD).await {
        Ok(open) => open,
        Err(error) => return Some(error.to_string()),
    };
    backoff.reset();
    items.send(LedgerItem::Connected).await.ok()?;
    let mut unacknowledged = 0;
    while let Some(delivery) = consumer.next().await {
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => return Some(link.failure(&error).to_string()),
        };
        let Some(place) = place_of(&delivery) else {
            return Some(format!("{LEDGER} is no stream"));
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
        if after.is_some_and(|after| place <= after) {
            continue;
        }
        *after = Some(place);
        let item = match decode(&delivery.data) {
            Ok(entry) => LedgerItem::Entry {
                place,
                entry: Box::new(entry),
            },
            Err(error) => LedgerItem::Unreadable {
                place,
                reason: error.to_string(),
            },
        };
        items.send(item).await.ok()?;
    }
    Some("the broker ended the reading".to_owned())
}

/// What was asked for at `place`.
pub(super) async fn request(link: &Link, place: u64) -> Result<JobRequest, QueueError> {
    let (channel, mut consumer) = consume(link, Some(place), 1).await?;
    let delivery = loop {
        let delivery = match consumer.next().await {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Err(link.failure(&error)),
            None => return Err(QueueError::Forgotten),
        };
        match place_of(&delivery) {
            Some(at) if at < place => {
                let acknowledged = delivery.acker.ack(BasicAckOptions::default()).await;
                acknowledged.map_err(|error| link.failure(&error))?;
            }
            Some(at) if at == place => break delivery,
            _ => return Err(QueueError::Forgotten),
        }
    };
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
