//! The files of a root image that was unpacked.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::listing::{Facts, Listing};
use crate::context::CancellationToken;
use crate::digest::hex;

/// The files below `root`, with their contents' checksums. Owners and extended attributes are told
/// where whoever unpacked it could set them, `as_root`. Blocks.
pub(super) fn files(root: &Path, as_root: bool, cancel: &CancellationToken) -> io::Result<Listing> {
    let mut listing = Listing::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir()? {
            if cancel.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let path = entry?.path();
            let metadata = path.symlink_metadata()?;
            let below = path.strip_prefix(root).unwrap_or(&path);
            let name = below.to_string_lossy().into_owned();
            listing.insert(name, facts(&path, &metadata, as_root)?);
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(listing)
}

fn facts(path: &Path, metadata: &fs::Metadata, as_root: bool) -> io::Result<Facts> {
    let kind = metadata.file_type();
    let device = || {
        let number = metadata.rdev();
        (nix::sys::stat::major(number), nix::sys::stat::minor(number))
    };
    Ok(Facts {
        mode: Some(metadata.mode()),
        owner: as_root.then_some((metadata.uid(), metadata.gid())),
        mtime: Some(metadata.mtime()),
        size: kind.is_file().then_some(metadata.len()),
        target: match kind.is_symlink() {
            true => Some(fs::read_link(path)?.to_string_lossy().into_owned()),
            false => None,
        },
        device: (kind.is_char_device() || kind.is_block_device()).then(device),
        xattrs: match as_root {
            true => Some(xattrs(path)?),
            false => None,
        },
        sha256: match kind.is_file() {
            true => {
                let mut hash = Sha256::new();
                io::copy(&mut File::open(path)?, &mut HashWriter(&mut hash))?;
                Some(hex(&hash.finalize()))
            }
            false => None,
        },
    })
}

/// Hashes what is written.
struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn xattrs(path: &Path) -> io::Result<BTreeMap<String, String>> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        // A file system without them.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut found = BTreeMap::new();
    for name in names {
        // What this host's own security module gives to every file is not of the image.
        if name.as_bytes() == b"security.selinux" {
            continue;
        }
        let value = xattr::get(path, &name)?.unwrap_or_default();
        found.insert(name.to_string_lossy().into_owned(), hex(&value));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_listed_without_following_links() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/issue"), "abc").unwrap();
        std::os::unix::fs::symlink("/etc", root.path().join("link")).unwrap();
        let listing = files(root.path(), false, &CancellationToken::new()).unwrap();
        let names: Vec<&str> = listing.keys().map(String::as_str).collect();
        assert_eq!(names, ["etc", "etc/issue", "link"]);
        let issue = &listing["etc/issue"];
        assert!(issue.sha256.as_deref().unwrap().starts_with("ba7816bf"));
        assert_eq!((issue.size, issue.owner), (Some(3), None));
        assert_eq!(listing["link"].target.as_deref(), Some("/etc"));
        let cancel = CancellationToken::new();
        cancel.cancel();
        assert!(files(root.path(), false, &cancel).is_err());
    }
}
