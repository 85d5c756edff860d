//! What there has to be at the broker.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use crate::jobs::Line;
use crate::queue::LEDGER_DAYS;
use crate::spec::Arch;

/// Where all that happens is published.
pub(super) const EXCHANGE: &str = "fbs";

/// Where it is kept in its order.
pub(super) const LEDGER: &str = "fbs.ledger";

/// What nobody can read.
pub(super) const DEAD: &str = "fbs.dead";

/// Where messages go that nobody keeps.
pub(super) const BUS: &str = "fbs.bus";

/// The routing key of what wakes nobody.
pub(super) const SILENT: &str = "event";

/// How large it may become, in bytes.
const LEDGER_SIZE: i64 = 4 << 30;

/// A part of the ledger is removed as a whole.
const LEDGER_SEGMENT: i64 = 64 << 20;

/// Hints come back whenever a worker has no use for them: newer brokers would throw them away
/// after 20 times.
const RETURNS: i64 = 1_000_000;

/// Makes what is not there. What is there stays as it is.
pub(super) async fn declare(channel: &Channel) -> lapin::Result<()> {
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    for exchange in [EXCHANGE, BUS] {
        channel
            .exchange_declare(
                exchange.into(),
                ExchangeKind::Topic,
                durable,
                FieldTable::default(),
            )
            .await?;
    }
    let mut stream = kind("stream");
    stream.insert("x-max-age".into(), text(&format!("{LEDGER_DAYS}D")));
    stream.insert(
        "x-max-length-bytes".into(),
        AMQPValue::LongLongInt(LEDGER_SIZE),
    );
    stream.insert(
        "x-stream-max-segment-size-bytes".into(),
        AMQPValue::LongLongInt(LEDGER_SEGMENT),
    );
    queue(channel, LEDGER, stream).await?;
    bind(channel, LEDGER, "#").await?;
    queue(channel, DEAD, kind("quorum")).await
}

/// Makes the queue of a line.
pub(super) async fn declare_line(channel: &Channel, line: &Line) -> lapin::Result<()> {
    let mut options = kind("quorum");
    options.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(RETURNS));
    options.insert("x-dead-letter-exchange".into(), text(""));
    options.insert("x-dead-letter-routing-key".into(), text(DEAD));
    let name = line_queue(line);
    queue(channel, &name, options).await?;
    bind(channel, &name, &name).await
}

/// The queue where a line waits: `fedora-43`. As in Fedora's own layout the primary architecture goes without
/// saying; others are named, since brokers of several architectures may be the same.
pub(super) fn line_queue(line: &Line) -> String {
    if line.arch == Arch::X86_64.to_string() {
        format!("fedora-{}", line.release)
    } else {
        format!("fedora-{}-{}", line.release, line.arch)
    }
}

async fn queue(channel: &Channel, name: &str, options: FieldTable) -> lapin::Result<()> {
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(name.into(), durable, options).await?;
    Ok(())
}

async fn bind(channel: &Channel, queue: &str, key: &str) -> lapin::Result<()> {
    channel
        .queue_bind(
            queue.into(),
            EXCHANGE.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
}

fn kind(name: &str) -> FieldTable {
    let mut options = FieldTable::default();
    options.insert("x-queue-type".into(), text(name));
    options
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_queues_of_their_own() {
        let line = |arch: &str, release: &str| Line {
            arch: arch.to_owned(),
            release: release.to_owned(),
        };
        assert_eq!(line_queue(&line("x86_64", "43")), "fedora-43");
        assert_eq!(
            line_queue(&line("aarch64", "rawhide")),
            "fedora-rawhide-aarch64"
        );
    }
}
