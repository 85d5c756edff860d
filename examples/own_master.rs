//! A master of one's own: keeps the records of a queue in PostgreSQL, and prints what becomes of jobs. It shows what an
//! embedding program writes, and serves the tests of the queue. Several may share a database.
//!
//! ```console
//! $ own_master amqp://guest@localhost/%2F postgres://fbs@localhost/fbs
//! ```

use std::io::Write;
use std::sync::Arc;

use image_builder::jobs::PostgresStore;
use image_builder::master::Master;
use image_builder::queue::{Amqp, AmqpBroker};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [broker, database] = arguments.as_slice() else {
        return Err("usage: own_master BROKER DATABASE".into());
    };
    let queue = Amqp::new(&AmqpBroker {
        url: broker.clone(),
        ..AmqpBroker::default()
    })?;
    let store = PostgresStore::connect(database).await?;
    let master = Arc::new(Master::new(Arc::new(queue), Arc::new(store)));
    let mut changes = master.changes();
    let drain = CancellationToken::new();
    let mut term = signal(SignalKind::terminate())?;
    let draining = drain.clone();
    tokio::spawn(async move {
        term.recv().await;
        draining.cancel();
    });
    let reading = master.clone();
    let reading = tokio::spawn(async move { reading.run(drain).await });
    drop(master);
    let mut out = std::io::stdout();
    loop {
        match changes.recv().await {
            Ok(job) => {
                let line = serde_json::json!({"job": job.id, "state": job.state.name()});
                writeln!(out, "{line}")?;
            }
            // The store has what was missed.
            Err(RecvError::Lagged(missed)) => eprintln!("{missed} changes were not seen"),
            Err(RecvError::Closed) => break,
        }
    }
    reading.await?;
    Ok(())
}
