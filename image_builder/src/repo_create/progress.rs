//! Bytes received and to be received, over all files of a download.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The sums over all files.
#[derive(Debug, Default)]
pub(super) struct Progress {
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Bytes received, and bytes to be received.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let done = self.done.load(Relaxed);
        (done, self.total.load(Relaxed).max(done))
    }

    /// The share of a file, of which `size` bytes are known to come.
    pub(super) fn share(self: &Arc<Self>, size: u64) -> Share {
        self.total.fetch_add(size, Relaxed);
        Share {
            sums: Arc::clone(self),
            done: 0,
            total: size,
        }
    }
}

/// One file's part in the sums.
#[derive(Debug)]
pub(super) struct Share {
    sums: Arc<Progress>,
    done: u64,
    total: u64,
}

impl Share {
    /// The file has `total` bytes.
    pub(super) fn total(&mut self, total: u64) {
        // The new value first: the sums are read meanwhile, and must not fall below zero.
        self.sums.total.fetch_add(total, Relaxed);
        self.sums.total.fetch_sub(self.total, Relaxed);
        self.total = total;
    }

    /// So many of them are there.
    pub(super) fn done(&mut self, done: u64) {
        self.sums.done.fetch_add(done, Relaxed);
        self.sums.done.fetch_sub(self.done, Relaxed);
        self.done = done;
    }
}
