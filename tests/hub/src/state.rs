//! What the server and its owner share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;

use crate::data::Data;
use crate::fault::{Fault, Faults};
use crate::publish::KnownBy;

/// The state behind its lock.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<State>);

/// Data, files, faults and counters.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) data: Data,
    pub(crate) files: BTreeMap<String, Source>,
    pub(crate) faults: Faults,
    pub(crate) latency: Duration,
    pub(crate) known_by: KnownBy,
    /// Requests by path.
    pub(crate) requests: BTreeMap<String, usize>,
    /// The body of the last request of the hub.
    pub(crate) last_body: Vec<u8>,
    /// Calls by method, those within a multiCall too.
    pub(crate) calls: BTreeMap<String, usize>,
}

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Memory(Bytes),
    Disk(PathBuf),
}

impl Source {
    pub(crate) fn read(&self) -> Option<Bytes> {
        match self {
            Self::Memory(bytes) => Some(bytes.clone()),
            Self::Disk(path) => std::fs::read(path).ok().map(Bytes::from),
        }
    }
}

impl Shared {
    pub(crate) fn new(data: Data) -> Self {
        Self(Mutex::new(State {
            data,
            ..State::default()
        }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a request, and gives the fault it is to meet.
    pub(crate) fn begin(&mut self, path: &str) -> Option<Fault> {
        *self.requests.entry(path.to_owned()).or_default() += 1;
        self.faults.take(path)
    }

    /// Counts a call.
    pub(crate) fn count(&mut self, method: &str) {
        *self.calls.entry(method.to_owned()).or_default() += 1;
    }
}
