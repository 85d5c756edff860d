//! Messages that nobody keeps.

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::Consumer;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tokio::sync::{mpsc, watch};

use super::link::{Backoff, Link};
use super::topology::BUS;
use crate::queue::{BusMessage, Inbox, QueueError};

/// Messages that are read ahead.
const AHEAD: usize = 256;

/// Listens until nobody reads any more.
pub(super) async fn listen(link: Arc<Link>, topics: Vec<String>) -> Result<Inbox, QueueError> {
    let (name, consumer) = open(&link, &topics).await?;
    let (names, name) = watch::channel(name);
    let (sender, messages) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let mut consumer = consumer;
        let mut backoff = Backoff::default();
        loop {
            hand_on(&mut consumer, &sender).await;
            consumer = loop {
                if sender.is_closed() {
                    return;
                }
                match open(&link, &topics).await {
                    Ok((name, consumer)) => {
                        backoff.reset();
                        names.send_replace(name);
                        break consumer;
                    }
                    Err(error) => {
                        tracing::debug!("bus: {error}");
                        tokio::select! {
                            () = sender.closed() => return,
                            () = backoff.wait() => {}
                        }
                    }
                }
            };
        }
    });
    Ok(Inbox { name, messages })
}

/// Hands messages on until the connection breaks or nobody reads any more.
async fn hand_on(consumer: &mut Consumer, messages: &mpsc::Sender<(Option<String>, BusMessage)>) {
    loop {
        let delivery = tokio::select! {
            () = messages.closed() => return,
            delivery = consumer.next() => delivery,
        };
        let Some(Ok(delivery)) = delivery else { return };
        let properties = &delivery.properties;
        let text = |text: &lapin::types::ShortString| text.as_str().to_owned();
        let message = BusMessage {
            reply_to: properties.reply_to().as_ref().map(text),
            correlation: properties.correlation_id().as_ref().map(text),
            body: delivery.data,
        };
        let topic =
            (delivery.exchange.as_str() == BUS).then(|| delivery.routing_key.as_str().to_owned());
        if messages.send((topic, message)).await.is_err() {
            return;
        }
    }
}

async fn open(link: &Link, topics: &[String]) -> Result<(String, Consumer), QueueError> {
    let channel = link.channel().await?;
    let opened = async {
        let own = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel
            .queue_declare("".into(), own, FieldTable::default())
            .await?;
        let name = queue.name().as_str().to_owned();
        for topic in topics {
            let key = topic.as_str().into();
            let bind = QueueBindOptions::default();
            let queue = name.as_str().into();
            channel
                .queue_bind(queue, BUS.into(), key, bind, FieldTable::default())
                .await?;
        }
        let once = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let queue = name.as_str().into();
        let consumer = channel
            .basic_consume(queue, "".into(), once, FieldTable::default())
            .await?;
        lapin::Result::Ok((name, consumer))
    };
    opened.await.map_err(|error| link.failure(&error))
}
