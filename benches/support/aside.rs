//! Folders that are in the way of the next build.

use std::fs;
use std::path::Path;

/// Makes `folder` an empty one. What was in it goes into `top`, and with that: where many files were removed, ext4 is slow
/// to make others, for a minute and more ([ialloc.c](https://github.com/torvalds/linux/blob/master/fs/ext4/ialloc.c),
/// `recently_deleted`), and the next build would be timed with that.
pub(crate) fn put_aside(folder: &Path, top: &Path) {
    let failed = |error| panic!("{}: {error}", folder.display());
    if folder.exists() {
        let mut names = (0..).map(|number| top.join(format!("aside-{number}")));
        let free = names.find(|path| !path.exists());
        fs::rename(folder, free.expect("there are numbers enough")).unwrap_or_else(failed);
    }
    fs::create_dir_all(folder).unwrap_or_else(failed);
}
