//! Everything that is sent.

use std::collections::HashSet;
use std::sync::Arc;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use tokio::sync::Mutex;

use super::link::Link;
use super::topology::{BUS, DEAD, EXCHANGE, SILENT, declare_line, line_queue};
use crate::jobs::Line;
use crate::queue::{Address, BusMessage, QueueError};

/// So many messages are sent before the first has to be confirmed.
const WINDOW: usize = 1000;

/// And so many bytes: a slow network needs time for many kickstarts.
const WINDOW_BYTES: usize = 4 << 20;

/// What an entry is on disk.
const PERSISTENT: u8 = 2;

/// A channel on which the broker confirms.
#[derive(Debug)]
pub(super) struct Publisher {
    link: Arc<Link>,
    open: Mutex<Option<Open>>,
}

#[derive(Debug, Clone)]
struct Open {
    channel: Channel,
    /// The lines whose queues are there.
    lines: Arc<Mutex<HashSet<Line>>>,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            open: Mutex::new(None),
        }
    }

    async fn channel(&self) -> Result<Open, QueueError> {
        let mut open = self.open.lock().await;
        if let Some(open) = open.as_ref().filter(|one| one.channel.status().connected()) {
            return Ok(open.clone());
        }
        let channel = self.link.channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .map_err(|error| self.link.failure(&error))?;
        let new = Open {
            channel,
            lines: Arc::default(),
        };
        *open = Some(new.clone());
        Ok(new)
    }

    /// Makes the queue of a line, once a connection.
    pub(super) async fn line(&self, line: &Line) -> Result<(), QueueError> {
        let open = self.channel().await?;
        let mut lines = open.lines.lock().await;
        if !lines.contains(line) {
            declare_line(&open.channel, line)
                .await
                .map_err(|error| self.link.failure(&error))?;
            lines.insert(line.clone());
        }
        Ok(())
    }

    /// Adds to the ledger, and to the queues of the lines named.
    pub(super) async fn append(
        &self,
        entries: &[(Vec<u8>, Option<&Line>)],
    ) -> Result<(), QueueError> {
        let lines = async {
            for line in entries.iter().filter_map(|(_, line)| *line) {
                self.line(line).await?;
            }
            Ok(self.channel().await?.channel)
        };
        let channel = self.link.in_time(lines).await?;
        for window in windows(entries) {
            self.link
                .in_time(self.publish_all(&channel, window))
                .await?;
        }
        Ok(())
    }

    async fn publish_all(
        &self,
        channel: &Channel,
        entries: &[(Vec<u8>, Option<&Line>)],
    ) -> Result<(), QueueError> {
        let mut confirms = Vec::with_capacity(entries.len());
        for (body, line) in entries {
            let key = line.map_or_else(|| SILENT.to_owned(), line_queue);
            let sent = publish(channel, EXCHANGE, &key, body, durable()).await;
            confirms.push(sent.map_err(|error| self.link.failure(&error))?);
        }
        for confirm in confirms {
            self.confirmed(confirm).await?;
        }
        Ok(())
    }

    /// Puts away what nobody can read.
    pub(super) async fn bury(&self, body: &[u8], reason: &str) -> Result<(), QueueError> {
        let mut headers = FieldTable::default();
        headers.insert("x-fbs-reason".into(), AMQPValue::LongString(reason.into()));
        let channel = self.channel().await?.channel;
        let sent = publish(&channel, "", DEAD, body, durable().with_headers(headers)).await;
        self.confirmed(sent.map_err(|error| self.link.failure(&error))?)
            .await
    }

    pub(super) async fn send(&self, to: &Address, message: &BusMessage) -> Result<(), QueueError> {
        let mut properties = BasicProperties::default();
        if let Some(inbox) = &message.reply_to {
            properties = properties.with_reply_to(inbox.as_str().into());
        }
        if let Some(correlation) = &message.correlation {
            properties = properties.with_correlation_id(correlation.as_str().into());
        }
        let (exchange, key) = match to {
            Address::Topic(topic) => (BUS, topic),
            Address::Inbox(inbox) => ("", inbox),
        };
        let channel = self.channel().await?.channel;
        let sent = publish(&channel, exchange, key, &message.body, properties).await;
        self.confirmed(sent.map_err(|error| self.link.failure(&error))?)
            .await
    }

    async fn confirmed(&self, confirm: PublisherConfirm) -> Result<(), QueueError> {
        let unconfirmed = |reason: &str| QueueError::Unconfirmed {
            broker: self.link.place(),
            reason: reason.to_owned(),
        };
        match confirm.await {
            Ok(Confirmation::Ack(_)) => Ok(()),
            Ok(Confirmation::Nack(_)) => Err(unconfirmed("it has no room or no majority")),
            Ok(Confirmation::NotRequested) => Err(unconfirmed("it was not asked to")),
            Err(error) => Err(self.link.failure(&error)),
        }
    }
}

/// What is sent before it is waited for.
fn windows<'a, 'b>(
    mut entries: &'a [(Vec<u8>, Option<&'b Line>)],
) -> impl Iterator<Item = &'a [(Vec<u8>, Option<&'b Line>)]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let within = entries.iter().take(WINDOW).take_while(|(body, _)| {
            let first = bytes == 0;
            bytes += body.len();
            first || bytes <= WINDOW_BYTES
        });
        let (window, rest) = entries.split_at(within.count());
        entries = rest;
        (!window.is_empty()).then_some(window)
    })
}

fn durable() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT)
}

async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> lapin::Result<PublisherConfirm> {
    channel
        .basic_publish(
            exchange.into(),
            key.into(),
            BasicPublishOptions::default(),
            body,
            properties,
        )
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_together_is_bounded_in_number_and_in_bytes() {
        let lengths = |bodies: &[usize]| -> Vec<usize> {
            let entries: Vec<_> = bodies.iter().map(|&size| (vec![0; size], None)).collect();
            windows(&entries).map(<[_]>::len).collect()
        };
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&[100; 2 * WINDOW + 1]), [WINDOW, WINDOW, 1]);
        let half = WINDOW_BYTES / 2;
        assert_eq!(lengths(&[half, half, half, 1]), [2, 2]);
        assert_eq!(lengths(&[1, 2 * WINDOW_BYTES, 1]), [1, 1, 1]);
    }
}
