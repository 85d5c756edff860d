//! How an entry is written into a message: JSON, with the version of the format beside it.

use serde::{Deserialize, Serialize};

use super::QueueError;
use crate::jobs::Entry;

/// The version of the format. One that adds what older readers may pass over keeps it.
pub const VERSION: u32 = 1;

/// The largest message, in bytes: a kickstart of 200 pages is 1 MB.
pub const LARGEST: usize = 8 << 20;

#[derive(Serialize)]
struct Written<'a> {
    fbs: u32,
    #[serde(flatten)]
    entry: &'a Entry,
}

#[derive(Deserialize)]
struct Read {
    fbs: Option<u32>,
    #[serde(flatten)]
    rest: serde_json::Value,
}

/// The message of an entry.
///
/// # Errors
///
/// [`QueueError::TooLarge`].
pub fn encode(entry: &Entry) -> Result<Vec<u8>, QueueError> {
    let written = Written {
        fbs: VERSION,
        entry,
    };
    let bytes = serde_json::to_vec(&written).map_err(|error| {
        QueueError::Unreadable(format!("an entry has no form in JSON: {error}"))
    })?;
    match bytes.len() {
        bytes if bytes > LARGEST => Err(QueueError::TooLarge {
            bytes,
            limit: LARGEST,
        }),
        _ => Ok(bytes),
    }
}

/// The entry of a message.
///
/// # Errors
///
/// [`QueueError::Unreadable`] with the reason.
pub fn decode(bytes: &[u8]) -> Result<Entry, QueueError> {
    let refuse = |reason: String| Err(QueueError::Unreadable(reason));
    if bytes.len() > LARGEST {
        return refuse(format!(
            "a message of {} bytes; {LARGEST} is the largest",
            bytes.len()
        ));
    }
    let read: Read = match serde_json::from_slice(bytes) {
        Ok(read) => read,
        Err(error) => return refuse(format!("no JSON of ours: {error}")),
    };
    match read.fbs {
        None => return refuse("no message of ours: it has no version".to_owned()),
        Some(version) if version > VERSION => {
            return refuse(format!(
                "version {version} of the format; this program reads up to {VERSION}: bring it up to date"
            ));
        }
        Some(_) => {}
    }
    match serde_json::from_value(read.rest) {
        Ok(entry) => Ok(entry),
        Err(error) => refuse(format!("nothing that version {VERSION} knows: {error}")),
    }
}
