//! Asking who is there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Presence, WHO};
use crate::queue::{Address, BusMessage, JobQueue, QueueError};

/// Asks all workers of a queue who they are, and waits so long for answers.
///
/// # Errors
///
/// [`QueueError`].
pub async fn roll_call(
    queue: &dyn JobQueue,
    patience: Duration,
) -> Result<Vec<Presence>, QueueError> {
    let mut inbox = queue.listen(&[]).await?;
    let question = BusMessage {
        reply_to: Some(inbox.name.borrow().clone()),
        ..BusMessage::default()
    };
    queue
        .send(&Address::Topic(WHO.to_owned()), &question)
        .await?;
    let mut present = BTreeMap::new();
    let answers = async {
        while let Some((_, message)) = inbox.messages.recv().await {
            if let Ok(presence) = serde_json::from_slice::<Presence>(&message.body) {
                present.insert(
                    (presence.worker.clone(), presence.session.clone()),
                    presence,
                );
            }
        }
    };
    // It ends when the time is over: nobody knows how many there are.
    let _ = tokio::time::timeout(patience, answers).await;
    Ok(present.into_values().collect())
}
