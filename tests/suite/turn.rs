//! One heavy test at a time: builds and virtual machines fill all processors, and what has a time
//! limit would miss it.

use std::fs::File;

use crate::binaries;

/// Held by a test that builds, until it is dropped. It holds between threads and between
/// processes, whatever runs the tests.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    _file: File,
}

/// Waits until no other test builds.
pub fn take() -> Turn {
    lock("e2e.lock")
}

pub(crate) fn lock(name: &str) -> Turn {
    let path = binaries::profile_folder().join(name);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .and_then(|file| file.lock().map(|()| file))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Turn { _file: file }
}
