//! Copying files in a way that can be stopped.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::context::CancellationToken;

/// Copied between two looks at the token, in bytes: large enough for the kernel to do it alone
/// (`copy_file_range`), small enough to be done in a moment.
const CHUNK: u64 = 8 * 1024 * 1024;

/// Copies what is left of `from` to `to`.
///
/// # Errors
///
/// The operating system's; [`io::ErrorKind::Interrupted`] when `cancel` said stop.
pub(crate) fn contents(
    from: &mut File,
    to: &mut File,
    cancel: &CancellationToken,
) -> io::Result<()> {
    loop {
        if cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if io::copy(&mut from.by_ref().take(CHUNK), to)? == 0 {
            return Ok(());
        }
    }
}

/// Copies a file with its mode to `to`, which is made anew.
///
/// # Errors
///
/// As of [`contents`]; `to` may be there in part then.
pub(crate) fn file(from: &Path, to: &Path, cancel: &CancellationToken) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = File::create(to)?;
    contents(&mut source, &mut target, cancel)?;
    target.set_permissions(source.metadata()?.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn all_of_it_or_until_it_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let data = vec![7; usize::try_from(CHUNK).unwrap() + 3];
        std::fs::write(&from, &data).unwrap();
        std::fs::set_permissions(&from, Permissions::from_mode(0o640)).unwrap();
        let cancel = CancellationToken::new();
        file(&from, &to, &cancel).unwrap();
        assert!(std::fs::read(&to).unwrap() == data);
        assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o640);

        cancel.cancel();
        let error = file(&from, &to, &cancel).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}
