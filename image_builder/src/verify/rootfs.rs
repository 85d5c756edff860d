//! The root image on a disc: what it is, and taking a few files out of it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::InspectError;
use super::iso_image::{Entry, IsoImage};
use super::packages;
use crate::context::BuildContext;
use crate::process::Invocation;

/// The file system of a root image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootFormat {
    /// <https://docs.kernel.org/filesystems/squashfs.html>
    Squashfs,
    /// <https://docs.kernel.org/filesystems/erofs.html>
    Erofs,
}

/// How the root tree lies in its image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RootLayout {
    /// The image holds the tree itself.
    Flat,
    /// The image holds an ext4 image, which holds the tree: the older layout of live media.
    Ext4Inside {
        /// The ext4 image's path in the root image.
        path: String,
    },
}

/// The root image on a disc.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootImage {
    /// Its path on the disc.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Its file system.
    pub format: RootFormat,
    /// How that is compressed: `zstd`, `xz`, ..., or `none`.
    pub compression: String,
    /// How the tree lies in it.
    pub layout: RootLayout,
}

/// Where the distributions' tools put it.
const PLACES: &[&str] = &[
    "LiveOS/squashfs.img",
    "images/install.img",
    "LiveOS/rootfs.img",
];

/// An ext4 image in the root image.
const NESTED: &[&str] = &["LiveOS/rootfs.img", "LiveOS/ext3fs.img"];

const OS_RELEASE: &[&str] = &["etc/os-release", "usr/lib/os-release"];

/// The entry of the disc that holds the root.
pub(super) fn find(image: &IsoImage) -> Option<&Entry> {
    PLACES.iter().find_map(|path| image.entry(path))
}

/// Format and compression by the superblock; `None` for what is neither squashfs nor erofs.
pub(super) async fn identify(
    image: &IsoImage,
    entry: &Entry,
) -> Result<Option<(RootFormat, String)>, InspectError> {
    let head = image.read(entry, 0, 2048).await?;
    Ok(squashfs(&head)
        .map(|compression| (RootFormat::Squashfs, compression))
        .or_else(|| erofs(&head).map(|compression| (RootFormat::Erofs, compression))))
}

fn squashfs(head: &[u8]) -> Option<String> {
    if head.get(..4)? != b"hsqs" {
        return None;
    }
    let name = match u16_at(head, 20)? {
        1 => "gzip",
        2 => "lzma",
        3 => "lzo",
        4 => "xz",
        5 => "lz4",
        6 => "zstd",
        other => return Some(format!("number {other}")),
    };
    Some(name.to_owned())
}

/// <https://docs.kernel.org/filesystems/erofs.html>, on-disk format; the superblock is at 1024.
fn erofs(head: &[u8]) -> Option<String> {
    const ZERO_PADDING: u16 = 1;
    const COMPRESSION_CONFIGS: u16 = 2;
    const NAMES: &[(u16, &str)] = &[(1, "lz4"), (2, "lzma"), (4, "deflate"), (8, "zstd")];
    let superblock = head.get(1024..)?;
    if superblock.get(..4)? != 0xE0F5_E1E2_u32.to_le_bytes() {
        return None;
    }
    let features = u16_at(superblock, 80)?;
    let algorithms = u16_at(superblock, 84)?;
    if features & COMPRESSION_CONFIGS != 0 {
        let known = NAMES.iter().filter(|(bit, _)| algorithms & bit != 0);
        let names: Vec<&str> = known.map(|(_, name)| *name).collect();
        return Some(names.join("+"));
    }
    let name = if features & ZERO_PADDING != 0 {
        "lz4"
    } else {
        "none"
    };
    Some(name.to_owned())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes([pair[0], pair[1]]))
}

/// What is taken out of a root image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// What tells of the packages and the system's name.
    Lists,
    /// Every file, with all that is known of it.
    Everything,
}

/// Takes files out of the root image, into `to`/root.
pub(super) async fn extract(
    ctx: &BuildContext,
    image: &IsoImage,
    entry: &Entry,
    format: RootFormat,
    to: &Path,
    taken: Taken,
) -> Result<RootLayout, InspectError> {
    let outer = to.join("root");
    match format {
        RootFormat::Squashfs => {
            // Read in place; only a file in pieces must be put together first.
            let (file, offset) = match entry.contiguous() {
                Some(offset) => (image.path.clone(), offset),
                None => (copied(image, entry, to).await?, 0),
            };
            run(ctx, image, &unsquashfs(&file, offset, &outer, taken)).await?;
        }
        RootFormat::Erofs => {
            let file = copied(image, entry, to).await?;
            run(ctx, image, &fsck_erofs(&file, &outer, taken)).await?;
        }
    }
    for nested in NESTED {
        let Some(file) = packages::confined(&outer, nested) else {
            continue;
        };
        let inner = to.join("inner");
        run_debugfs(ctx, image, &file, &inner, taken).await?;
        let replace = async {
            tokio::fs::remove_dir_all(&outer).await?;
            tokio::fs::rename(&inner, &outer).await
        };
        replace.await.map_err(|source| work_dir(to, source))?;
        return Ok(RootLayout::Ext4Inside {
            path: (*nested).to_owned(),
        });
    }
    Ok(RootLayout::Flat)
}

/// `PRETTY_NAME` of the tree's os-release.
pub(super) fn os_name(root: &Path) -> Option<String> {
    OS_RELEASE.iter().find_map(|place| {
        let path = packages::confined(root, place)?;
        pretty_name(&std::fs::read_to_string(path).ok()?)
    })
}

/// <https://www.freedesktop.org/software/systemd/man/latest/os-release.html>: shell assignments.
fn pretty_name(os_release: &str) -> Option<String> {
    os_release.lines().find_map(|line| {
        let value = line.strip_prefix("PRETTY_NAME=")?;
        shlex::split(value)?.pop()
    })
}

fn wanted() -> impl Iterator<Item = &'static str> {
    packages::WANTED.iter().chain(OS_RELEASE).copied()
}

fn unsquashfs(file: &Path, offset: u64, to: &Path, taken: Taken) -> Invocation {
    // Status 2: something could not be set as it was (an owner, for one); the contents are there.
    let unsquashfs = Invocation::new("unsquashfs").args(["-no-progress", "-quiet"]);
    let few = |command: Invocation, words: Vec<&str>| match taken {
        Taken::Lists => command.args(words),
        Taken::Everything => command,
    };
    let unsquashfs = few(unsquashfs, vec!["-no-xattrs"])
        .arg("-offset")
        .arg(offset.to_string())
        .arg("-dest")
        .path(to)
        .path(file)
        .accept(2);
    few(unsquashfs, wanted().chain(NESTED.iter().copied()).collect())
}

fn fsck_erofs(file: &Path, to: &Path, taken: Taken) -> Invocation {
    // It takes out all or nothing.
    Invocation::new("fsck.erofs")
        .arg(match taken {
            Taken::Lists => "--no-preserve",
            Taken::Everything => "--preserve",
        })
        .option("--extract", to.display())
        .path(file)
}

async fn copied(
    image: &IsoImage,
    entry: &Entry,
    to: &Path,
) -> Result<std::path::PathBuf, InspectError> {
    let file = to.join("root.img");
    image.copy_out(entry, &file).await?;
    Ok(file)
}

/// debugfs reads ext4 without mounting it, hence without root.
async fn run_debugfs(
    ctx: &BuildContext,
    image: &IsoImage,
    file: &Path,
    to: &Path,
    taken: Taken,
) -> Result<(), InspectError> {
    let mut commands = String::new();
    let mut dirs = Vec::new();
    if taken == Taken::Everything {
        commands = format!("rdump / \"{}\"\n", to.display());
        dirs.push(to.to_owned());
    }
    for path in wanted().filter(|_| taken == Taken::Lists) {
        let target = to.join(path);
        let parent = target.parent().unwrap_or(to).to_owned();
        // A link is not followed, but copied as one; the folder is put where it was.
        commands.push_str(&format!("rdump \"/{path}\" \"{}\"\n", parent.display()));
        dirs.push(parent);
    }
    let script = to.with_extension("debugfs");
    let prepare = async {
        for dir in dirs {
            tokio::fs::create_dir_all(dir).await?;
        }
        tokio::fs::write(&script, commands).await
    };
    prepare.await.map_err(|source| work_dir(to, source))?;
    let debugfs = Invocation::new("debugfs")
        .arg("-f")
        .path(&script)
        .path(file);
    run(ctx, image, &debugfs).await
}

fn work_dir(path: &Path, source: std::io::Error) -> InspectError {
    InspectError::WorkDir {
        path: path.into(),
        source,
    }
}

async fn run(
    ctx: &BuildContext,
    image: &IsoImage,
    invocation: &Invocation,
) -> Result<(), InspectError> {
    // The names of the files that are taken out are of no interest in a build's log.
    ctx.query(invocation)
        .await
        .map(|_| ())
        .map_err(|error| InspectError::command(&image.path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_squashfs_and_its_compression() {
        let mut head = vec![0; 96];
        head[..4].copy_from_slice(b"hsqs");
        for (number, name) in [(1, "gzip"), (4, "xz"), (6, "zstd"), (9, "number 9")] {
            head[20] = number;
            assert_eq!(squashfs(&head).as_deref(), Some(name));
        }
        assert_eq!(squashfs(b"hsqs"), None);
        assert_eq!(erofs(&head), None);
    }

    #[test]
    fn knows_erofs_and_its_compression() {
        let mut head = vec![0; 2048];
        head[1024..1028].copy_from_slice(&[0xe2, 0xe1, 0xf5, 0xe0]);
        assert_eq!(erofs(&head).as_deref(), Some("none"));
        head[1024 + 80] = 1;
        assert_eq!(erofs(&head).as_deref(), Some("lz4"));
        head[1024 + 80] = 3;
        head[1024 + 84] = 9;
        assert_eq!(erofs(&head).as_deref(), Some("lz4+zstd"));
        assert_eq!(squashfs(&head), None);
    }

    #[test]
    fn reads_the_systems_name() {
        let text = "NAME=\"Fedora Linux\"\nPRETTY_NAME=\"Fedora Linux 43 (Server Edition)\"\n";
        assert_eq!(
            pretty_name(text).as_deref(),
            Some("Fedora Linux 43 (Server Edition)")
        );
        assert_eq!(pretty_name("NAME=x\n"), None);
    }

    #[test]
    fn takes_few_files_out_of_squashfs_and_reads_it_in_place() {
        assert_eq!(
            unsquashfs(
                Path::new("/i/a.iso"),
                75776,
                Path::new("/t/root"),
                Taken::Lists
            )
            .to_string(),
            "unsquashfs -no-progress -quiet -no-xattrs -offset 75776 -dest /t/root /i/a.iso \
             usr/lib/sysimage/rpm var/lib/rpm root/lorax-packages.log etc/os-release \
             usr/lib/os-release LiveOS/rootfs.img LiveOS/ext3fs.img"
        );
    }
}
