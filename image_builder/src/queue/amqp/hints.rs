//! Handing hints out.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::SelectAll;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::mpsc;

use super::link::{Backoff, Link};
use super::publisher::Publisher;
use super::topology::line_queue;
use crate::jobs::{Entry, JobEvent, Line};
use crate::queue::{Hint, QueueError, Settled, decode};

/// Hands out hints of `lines` until nobody wants them any more; those that are not settled go back.
pub(super) async fn hand_out(
    link: Arc<Link>,
    publisher: Arc<Publisher>,
    lines: Vec<Line>,
    limit: u16,
    hints: mpsc::Sender<Hint>,
) {
    let mut backoff = Backoff::default();
    while !hints.is_closed() {
        let ended = match consume(&link, &publisher, &lines, limit).await {
            Ok((channel, consumers)) => {
                backoff.reset();
                let ended = serve(&link, &publisher, &channel, consumers, &hints).await;
                // What is not settled goes back with the channel.
                let _ = channel.close(200, "done".into()).await;
                ended
            }
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            tracing::debug!("hints: {error}");
            tokio::select! {
                () = hints.closed() => return,
                () = backoff.wait() => {}
            }
        }
    }
}

async fn serve(
    link: &Link,
    publisher: &Publisher,
    channel: &Channel,
    mut consumers: SelectAll<Consumer>,
    hints: &mpsc::Sender<Hint>,
) -> Result<(), QueueError> {
    let (settle, mut settled) = mpsc::unbounded_channel::<Settled>();
    loop {
        tokio::select! {
            // First what is settled: the broker has room for another then.
            biased;
            () = hints.closed() => return Ok(()),
            Some(settled) = settled.recv() => acknowledge(link, channel, settled).await?,
            delivery = consumers.next() => {
                let delivery = match delivery {
                    Some(delivery) => delivery.map_err(|error| link.failure(&error))?,
                    None => return Err(gone(link)),
                };
                match event_of(&delivery) {
                    Ok(event) => {
                        let hint = Hint::new(Some(event), delivery.delivery_tag, settle.clone());
                        if hints.send(hint).await.is_err() {
                            return Ok(());
                        }
                    }
                    Err(reason) => {
                        tracing::warn!("a hint cannot be read and is put away: {reason}");
                        publisher.bury(&delivery.data, &reason).await?;
                        let done = Settled { tag: delivery.delivery_tag, taken: true };
                        acknowledge(link, channel, done).await?;
                    }
                }
            }
        }
    }
}

fn gone(link: &Link) -> QueueError {
    QueueError::Unreachable {
        broker: link.place(),
        reason: "the broker ended the handing out".to_owned(),
    }
}

async fn acknowledge(link: &Link, channel: &Channel, settled: Settled) -> Result<(), QueueError> {
    let Settled { tag, taken } = settled;
    let done = match taken {
        true => channel.basic_ack(tag, BasicAckOptions::default()).await,
        false => {
            let requeue = BasicNackOptions {
                requeue: true,
                ..BasicNackOptions::default()
            };
            channel.basic_nack(tag, requeue).await
        }
    };
    done.map_err(|error| link.failure(&error))
}

fn event_of(delivery: &Delivery) -> Result<JobEvent, String> {
    match decode(&delivery.data) {
        Ok(Entry::Job(event)) => Ok(event),
        Ok(_) => Err("no event of a job".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn consume(
    link: &Link,
    publisher: &Publisher,
    lines: &[Line],
    limit: u16,
) -> Result<(Channel, SelectAll<Consumer>), QueueError> {
    for line in lines {
        publisher.line(line).await?;
    }
    let channel = link.channel().await?;
    let consumers = async {
        channel
            .basic_qos(limit.max(1), BasicQosOptions::default())
            .await?;
        let mut consumers = SelectAll::new();
        for line in lines {
            let consumer = channel
                .basic_consume(
                    line_queue(line).into(),
                    "".into(),
                    BasicConsumeOptions::default(),
                    FieldTable::default(),
                )
                .await?;
            consumers.push(consumer);
        }
        lapin::Result::Ok(consumers)
    };
    let consumers = consumers.await.map_err(|error| link.failure(&error))?;
    Ok((channel, consumers))
}
