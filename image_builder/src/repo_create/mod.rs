//! The side repository: RPMs that are in no repository yet, downloaded, verified, and indexed.
//!
//! [`Downloader`] brings RPMs into the [`RpmCache`], of which every file was verified before it
//! entered; [`CachedRpm::place`] puts them into a folder; [`CreateRepo`] writes the repodata that
//! makes the folder a repository. None of them asks Koji: they take addresses and checksums.
//! [`RepoCreate`] puts them together: from names, numbers, tags and updates to a repository.

mod attempt;
mod cache;
mod dependencies;
mod download;
mod error;
mod fault;
mod fetch;
mod file_list;
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
mod retry_after;
mod rpm_file;
mod rpm_header;
mod side_error;
mod side_folder;
mod side_repository;
mod tags;
mod xml;

pub use cache::{CachedRpm, RpmCache};
pub use download::{Download, DownloadOptions, Downloader, RemoteCopy};
pub use error::RepoError;
pub use fault::RpmFault;
pub use keyring::{Keyring, KeyringError};
pub use metadata_file::Compression;
pub use rate::DownloadProgress;
pub use repodata::{CreateRepo, RepoSummary};
pub use rpm_file::{Expected, IntactRpm, RpmCheck, verify};
pub(crate) use rpm_header::{RpmHeader, nevra};
pub use side_error::SideRepoError;
pub use side_repository::{RepoCreate, RepoCreateOptions, SideRepository, SideRequest, folder_url};

/// For `fuzz/`: reads repodata, the four texts of which stand behind each other, each but the last
/// ended by a zero byte.
#[cfg(fuzzing)]
pub fn fuzz_repodata(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut texts = text.splitn(4, '\0').map(str::to_owned);
    let mut next = || texts.next().unwrap_or_default();
    let _ = repomd::read(&next());
    if let Some(previous) = previous::Previous::of_texts(u64::MAX, [next(), next(), next()]) {
        previous.ask_for_all();
    }
}

/// For `fuzz/`: reads the headers of an RPM for repodata.
#[cfg(fuzzing)]
pub fn fuzz_package(data: &[u8]) {
    let listed = package_xml::Listed {
        href: "x.rpm",
        size: data.len() as u64,
        time: 0,
        sha256: Some(""),
    };
    let mut xml = package_xml::PackageXml::default();
    let _ = package_xml::PackageReader::default().read(&mut &*data, listed, &mut xml);
}

#[cfg(test)]
mod tests;
