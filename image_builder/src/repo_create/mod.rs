//! The side repository: RPMs that are in no repository yet, downloaded, verified, and indexed.
//!
//! [`Downloader`] brings RPMs into the [`RpmCache`], of which every file was verified before it
//! entered; [`CachedRpm::place`] puts them into a folder; [`CreateRepo`] writes the repodata that
//! makes the folder a repository. Nothing here knows of Koji: it takes addresses and checksums.

mod attempt;
mod backoff;
mod cache;
mod download;
mod entry_lock;
mod error;
mod fault;
mod fetch;
mod file_name;
mod folder;
mod header;
mod hex;
mod keyring;
mod metadata_file;
mod package_xml;
mod part_file;
mod previous;
mod progress;
mod rate;
mod repodata;
mod repomd;
mod rpm_file;

pub use cache::{CachedRpm, Pruned, RpmCache};
pub use download::{Download, DownloadOptions, Downloader, RemoteCopy};
pub use error::RepoError;
pub use fault::RpmFault;
pub use keyring::{Keyring, KeyringError};
pub use metadata_file::Compression;
pub use rate::DownloadProgress;
pub use repodata::{CreateRepo, RepoSummary};
pub use rpm_file::{Expected, IntactRpm, RpmCheck, verify};

#[cfg(test)]
mod tests;
