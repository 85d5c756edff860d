//! Where two images differ: in what, in which files, because of which packages.

mod cpio;
mod initramfs;
mod listing;
mod packages;
mod render;
mod rock_ridge;
mod root;
mod tree;
mod volume;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::listing::{Difference, Fate, FileChange};
use self::listing::{Listing, Owners};
pub use self::packages::{PackageChanges, PackagePair};
pub use self::render::render as render_comparison;
use self::root::Root;
use super::error::InspectError;
use super::iso::InspectOptions;
use super::iso_image::{Entry, IsoImage};
use super::{media, rootfs};
use crate::context::BuildContext;

/// One of the two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedImage {
    /// The image.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
}

/// A part of both images, and the files that are not the same in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `disc`, `root image` or `initramfs`.
    pub part: String,
    /// The file on the disc that it is in; absent for the disc itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its files, sorted by path.
    pub files: Vec<FileChange>,
}

/// Where two images differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The first image.
    pub old: ComparedImage,
    /// The second image.
    pub new: ComparedImage,
    /// Whether they are the same, byte for byte.
    pub identical: bool,
    /// The first byte that differs, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_difference: Option<u64>,
    /// The packages installed in the root image.
    pub packages: PackageChanges,
    /// The packages that lie on the disc as files.
    pub media_packages: PackageChanges,
    /// What the disc says of itself: label, dates, boot entries, partitions.
    pub volume: Vec<Difference>,
    /// The files, part by part. A part that is the same in both is not looked into.
    pub parts: Vec<Part>,
    /// What could not be compared, and why.
    pub notes: Vec<String>,
}

/// The largest text whose lines are told, in bytes.
const LARGEST_TEXT: u64 = 64 * 1024;

/// Compares two images. Nothing is mounted, and neither is changed; the root images are unpacked below
/// the options' work folder one beside the other. Without root's rights owners and extended attributes
/// in them cannot be compared, which a note says.
///
/// # Errors
///
/// See [`InspectError`].
pub async fn compare(
    ctx: &BuildContext,
    old: &Path,
    new: &Path,
    options: &InspectOptions,
) -> Result<Comparison, InspectError> {
    let work = async {
        // One after the other: what is said of two that cannot be opened is always the same.
        let old = IsoImage::open(ctx, old).await?;
        let new = IsoImage::open(ctx, new).await?;
        compare_opened(ctx, [&old, &new], options).await
    };
    tokio::select! {
        biased;
        done = work => done,
        () = ctx.cancel.cancelled() => Err(InspectError::Cancelled),
    }
}

async fn compare_opened(
    ctx: &BuildContext,
    images: [&IsoImage; 2],
    options: &InspectOptions,
) -> Result<Comparison, InspectError> {
    let of = |image: &IsoImage| ComparedImage {
        path: image.path.clone(),
        size: image.volume.size,
    };
    let paths = images.map(|image| image.path.clone());
    let first_difference = blocking(images[0], move || first_difference(&paths)).await?;
    let mut comparison = Comparison {
        old: of(images[0]),
        new: of(images[1]),
        identical: first_difference.is_none(),
        first_difference,
        packages: PackageChanges::default(),
        media_packages: PackageChanges::default(),
        volume: Vec::new(),
        parts: Vec::new(),
        notes: Vec::new(),
    };
    if comparison.identical {
        return Ok(comparison);
    }
    let [old, new] = images;
    let (fields, other_fields) = tokio::try_join!(fields(old), fields(new))?;
    comparison.volume = volume::compare(&fields, &other_fields);
    let (media, other_media) =
        tokio::try_join!(media::packages(ctx, old), media::packages(ctx, new))?;
    comparison.media_packages = PackageChanges::of(&media, &other_media);
    let owners = compare_roots(ctx, images, options, &mut comparison).await?;
    let files = disc_files(ctx, images).await?;
    compare_initramfs(ctx, images, options, &files, &owners, &mut comparison).await?;
    let disc = Part {
        part: "disc".to_owned(),
        path: None,
        files,
    };
    comparison.parts.insert(0, disc);
    Ok(comparison)
}

/// Where two files begin to differ; nothing when they are the same.
fn first_difference(paths: &[PathBuf; 2]) -> io::Result<Option<u64>> {
    const CHUNK: usize = 1024 * 1024;
    let [mut old, mut new] = [File::open(&paths[0])?, File::open(&paths[1])?];
    let (mut a, mut b) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    let mut at = 0;
    loop {
        a.clear();
        b.clear();
        (&mut old).take(CHUNK as u64).read_to_end(&mut a)?;
        (&mut new).take(CHUNK as u64).read_to_end(&mut b)?;
        if a != b {
            let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
            return Ok(Some(at + same as u64));
        }
        if a.is_empty() {
            return Ok(None);
        }
        at += a.len() as u64;
    }
}

async fn fields(image: &IsoImage) -> Result<volume::Fields, InspectError> {
    let (path, boot_entries) = (image.path.clone(), image.boot_entries.clone());
    blocking(image, move || {
        volume::fields(&File::open(path)?, &boot_entries)
    })
    .await
}

/// The files on the discs that differ.
async fn disc_files(
    ctx: &BuildContext,
    images: [&IsoImage; 2],
) -> Result<Vec<FileChange>, InspectError> {
    let mut listings = [Listing::new(), Listing::new()];
    for (image, listing) in images.into_iter().zip(&mut listings) {
        let path = image.path.clone();
        *listing = blocking(image, move || rock_ridge::files(&File::open(path)?)).await?;
    }
    let [mut old, mut new] = listings;
    for (path, facts) in &mut old {
        let Some(other) = new.get_mut(path) else {
            continue;
        };
        // Those of different size are not the same anyway.
        if facts.size.is_none() || facts.size != other.size {
            continue;
        }
        if ctx.cancel.is_cancelled() {
            return Err(InspectError::Cancelled);
        }
        if let (Some(entry), Some(same)) = (images[0].entry(path), images[1].entry(path)) {
            let sums = tokio::try_join!(images[0].sha256(entry), images[1].sha256(same))?;
            (facts.sha256, other.sha256) = (Some(sums.0), Some(sums.1));
        }
    }
    let nobody = Owners::new();
    let mut changes = listing::compare(&old, &new, [&nobody, &nobody]);
    for change in &mut changes {
        if let (Some(old), Some(new)) =
            (images[0].entry(&change.path), images[1].entry(&change.path))
        {
            change.lines = lines(images, [old, new]).await?;
        }
    }
    Ok(changes)
}

/// The lines that only one of two texts has; none for what is no text, or a large one.
async fn lines(images: [&IsoImage; 2], entries: [&Entry; 2]) -> Result<Vec<String>, InspectError> {
    let mut texts = Vec::with_capacity(2);
    for (image, entry) in images.into_iter().zip(entries) {
        if entry.size() > LARGEST_TEXT {
            return Ok(Vec::new());
        }
        let bytes = image.read(entry, 0, LARGEST_TEXT).await?;
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => texts.push(text),
            _ => return Ok(Vec::new()),
        }
    }
    Ok(only_in_one(&texts[0], &texts[1]))
}

fn only_in_one(old: &str, new: &str) -> Vec<String> {
    let lacks = |text: &str, line: &str| !text.lines().any(|other| other == line);
    let removed = old.lines().filter(|line| lacks(new, line));
    let added = new.lines().filter(|line| lacks(old, line));
    removed
        .map(|line| format!("-{line}"))
        .chain(added.map(|line| format!("+{line}")))
        .collect()
}

/// The root images, if they are not the same: their packages and files. Gives the packages of files.
async fn compare_roots(
    ctx: &BuildContext,
    images: [&IsoImage; 2],
    options: &InspectOptions,
    comparison: &mut Comparison,
) -> Result<[Owners; 2], InspectError> {
    let [old, new] = images;
    let none = || [Owners::new(), Owners::new()];
    let (Some(entry), Some(other)) = (rootfs::find(old), rootfs::find(new)) else {
        let lacking = images.iter().filter(|image| rootfs::find(image).is_none());
        let notes = lacking.map(|image| {
            format!(
                "{} has no root image that we know: packages and files are not compared",
                image.path.display()
            )
        });
        comparison.notes.extend(notes);
        return Ok(none());
    };
    let path = entry.path.clone();
    let sums = tokio::try_join!(old.sha256(entry), new.sha256(other))?;
    if sums.0 == sums.1 {
        return Ok(none());
    }
    let (root, other) = tokio::try_join!(
        Root::read(ctx, old, entry, options),
        Root::read(ctx, new, other, options)
    )?;
    let (root, other) = match (root, other) {
        (Ok(root), Ok(other)) => (root, other),
        (root, other) => {
            comparison
                .notes
                .extend([root, other].into_iter().filter_map(Result::err));
            return Ok(none());
        }
    };
    let told = |list: &Root| list.packages.reason();
    comparison
        .notes
        .extend(told(&root).into_iter().chain(told(&other)));
    comparison.packages = PackageChanges::of(root.packages.packages(), other.packages.packages());
    if !root.as_root {
        comparison.notes.push(
            "owners and extended attributes in the root images are not compared: that takes root's \
             rights"
                .to_owned(),
        );
    }
    comparison.parts.push(Part {
        part: "root image".to_owned(),
        path: Some(path),
        files: listing::compare(&root.files, &other.files, [&root.owners, &other.owners]),
    });
    Ok([root.owners, other.owners])
}

/// The initramfs of both, where it is not the same.
async fn compare_initramfs(
    ctx: &BuildContext,
    images: [&IsoImage; 2],
    options: &InspectOptions,
    files: &[FileChange],
    owners: &[Owners; 2],
    comparison: &mut Comparison,
) -> Result<(), InspectError> {
    let changed = files.iter().filter(|file| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let content = file
            .differences
            .iter()
            .any(|one| matches!(one.what.as_str(), "size" | "content"));
        content && (name.starts_with("initrd") || name.starts_with("initramfs"))
    });
    for FileChange { path, .. } in changed {
        let (Some(old), Some(new)) = (images[0].entry(path), images[1].entry(path)) else {
            continue;
        };
        let read = tokio::try_join!(
            initramfs::members(ctx, images[0], old, options),
            initramfs::members(ctx, images[1], new, options)
        )?;
        match read {
            (Some(old), Some(new)) => comparison.parts.push(Part {
                part: "initramfs".to_owned(),
                path: Some(path.clone()),
                files: listing::compare(&old, &new, [&owners[0], &owners[1]]),
            }),
            _ => comparison
                .notes
                .push(format!("{path} is no cpio archive that we can unpack")),
        }
    }
    Ok(())
}

/// Runs what takes the disk's time off the async threads; an error is of `image`.
async fn blocking<T: Send + 'static>(
    image: &IsoImage,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, InspectError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(io::Error::other(panic)))
        .map_err(|source| InspectError::unreadable(&image.path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_differs_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let mut bytes = vec![7; 3 * 1024 * 1024 + 5];
        let a = file("a", &bytes);
        let shorter = file("shorter", &bytes[..bytes.len() - 1]);
        let same = file("same", &bytes);
        bytes[2_500_000] = 8;
        let changed = file("changed", &bytes);
        let first = |other: PathBuf| first_difference(&[a.clone(), other]).unwrap();
        assert_eq!(first(same), None);
        assert_eq!(first(changed), Some(2_500_000));
        assert_eq!(first(shorter), Some(3 * 1024 * 1024 + 4));
    }

    #[test]
    fn lines_are_told_that_only_one_has() {
        let (old, new) = (
            "[general]\ntimestamp = 1\na = b\n",
            "[general]\ntimestamp = 2\na = b\n",
        );
        assert_eq!(only_in_one(old, new), ["-timestamp = 1", "+timestamp = 2"]);
    }
}
