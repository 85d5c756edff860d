//! The packages that lie on a disc as files, read from the headers of the files themselves.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::InspectError;
use super::iso_image::{Entry, IsoImage};
use super::packages::Package;
use crate::context::BuildContext;
use crate::repo_create::RpmHeader;

/// The RPMs on the disc, sorted by name. What is called one and is none is left out.
pub(super) async fn packages(
    ctx: &BuildContext,
    image: &IsoImage,
) -> Result<Vec<Package>, InspectError> {
    let is_rpm = |entry: &&Entry| entry.path.ends_with(".rpm");
    let entries: Vec<Entry> = image.entries.iter().filter(is_rpm).cloned().collect();
    let (path, cancel) = (image.path.clone(), ctx.cancel.clone());
    let read = move || {
        let mut file = File::open(&path)?;
        let mut packages = Vec::with_capacity(entries.len());
        for entry in &entries {
            if cancel.is_cancelled() {
                break;
            }
            packages.extend(package(&mut file, entry)?);
        }
        packages.sort();
        Ok(packages)
    };
    let done = tokio::task::spawn_blocking(read).await;
    done.unwrap_or_else(|panic| Err(io::Error::other(panic)))
        .map_err(|source| unreadable(&image.path, source))
}

fn unreadable(image: &Path, source: io::Error) -> InspectError {
    InspectError::unreadable(image, source)
}

/// The package in a file of the disc. The headers are in its first piece, which is 4 GiB where
/// there is a second one.
fn package(image: &mut File, entry: &Entry) -> io::Result<Option<Package>> {
    let Some(&(start, length)) = entry.extents.first() else {
        return Ok(None);
    };
    image.seek(SeekFrom::Start(start))?;
    let header = RpmHeader::read(&mut image.take(length))?;
    Ok(header.ok().map(Package::from))
}
