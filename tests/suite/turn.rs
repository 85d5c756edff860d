//! As many heavy tests at a time as there are processors: a build or a virtual machine keeps about
//! one of them busy, and with more of them what has a time limit would miss it.

use std::fs::{File, TryLockError};
use std::thread;

use crate::binaries;
use crate::command::POLL;

/// Held by a test that builds, until it is dropped. It holds between threads and between
/// processes, whatever runs the tests.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    file: File,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // A program that another thread is just starting has the file open, too.
        let _ = self.file.unlock();
    }
}

/// Waits until one of the turns is free.
pub fn take() -> Turn {
    let turns = thread::available_parallelism().map_or(1, usize::from);
    // One waits for a turn, the others for that one: no test is overtaken again and again.
    let _next = lock("e2e.lock");
    loop {
        if let Some(turn) = (0..turns).find_map(|turn| try_lock(&format!("e2e-{turn}.lock"))) {
            return turn;
        }
        thread::sleep(POLL);
    }
}

/// Waits until nobody else holds the lock `name`.
pub(crate) fn lock(name: &str) -> Turn {
    let file = open(name);
    file.lock()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    Turn { file }
}

fn try_lock(name: &str) -> Option<Turn> {
    let file = open(name);
    match file.try_lock() {
        Ok(()) => Some(Turn { file }),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => panic!("{name}: {error}"),
    }
}

fn open(name: &str) -> File {
    let path = binaries::profile_folder().join(name);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    file.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
