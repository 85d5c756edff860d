//! How much of a repository is read.

use std::time::Duration;

/// How much is read for one catalogue. The default is more than the largest of Fedora's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of `repomd.xml`, a metalink or a list of mirrors.
    pub list: u64,
    /// Bytes of a file of metadata as it comes.
    pub packed: u64,
    /// Bytes of it when it is unpacked.
    pub open: u64,
    /// Packages of all repositories, each version counted.
    pub packages: usize,
    /// Groups and environments of a repository, and in all of them together, a hundred times as many members.
    pub groups: usize,
    /// Bytes of all names and summaries that stay.
    pub text: usize,
    /// How many mirrors of a repository are tried.
    pub mirrors: usize,
    /// How long all of it may take.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            list: 2 << 20,
            packed: 64 << 20,
            open: 1 << 30,
            packages: 400_000,
            groups: 2000,
            text: 24 << 20,
            mirrors: 3,
            time: Duration::from_secs(60),
        }
    }
}
