//! What is inside an image, read from the image alone.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::error::InspectError;
use super::implanted_md5::ImplantedMd5;
use super::iso_image::{BootEntry, IsoImage};
use super::media;
use super::packages::{self, Package, PackageList};
use super::rootfs::{self, RootImage, Taken};
use crate::context::BuildContext;
use crate::digest::sha256_file;
use crate::events::Work;

/// Which files on the disc get a checksum. The image itself always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DigestFiles {
    /// Those that a boot needs: kernel, initramfs and root image.
    #[default]
    Boot,
    /// Every file: the image is read a second time.
    All,
}

/// How to look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InspectOptions {
    /// Where temporary files go; the system's temporary folder when absent. An erofs root image is
    /// unpacked there, a squashfs one is not.
    pub work_dir: Option<PathBuf>,
    /// Which files get a checksum.
    pub digests: DigestFiles,
    /// The SHA-256 of the image, as hex, where it is known already; computed when absent.
    pub sha256: Option<String>,
    /// What the image has to have implanted, as hex, where that was computed of what is on the disk while it was
    /// written; computed again when absent.
    pub media_md5: Option<String>,
}

/// A file on the disc.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsoFile {
    /// Relative to the disc's root.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// As hex, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<String>,
}

/// What is inside an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsoContents {
    /// The image.
    pub path: PathBuf,
    /// The volume label.
    pub volume_id: String,
    /// In bytes.
    pub size: u64,
    /// SHA-256 of the whole image, as hex.
    pub sha256: String,
    /// What a firmware finds to boot.
    pub boot_entries: Vec<BootEntry>,
    /// The checksum by which the image checks itself.
    pub implanted_md5: ImplantedMd5,
    /// Every file, sorted by path.
    pub files: Vec<IsoFile>,
    /// `.discinfo`, as it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub discinfo: Option<String>,
    /// `.treeinfo`, as it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub treeinfo: Option<String>,
    /// The root image; absent when the disc has none that we know.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub root_image: Option<RootImage>,
    /// `PRETTY_NAME` of the root's os-release.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub os_name: Option<String>,
    /// The packages installed in the root image.
    pub packages: PackageList,
    /// The packages that lie on the disc as files, sorted by name: those of an install DVD.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub media_packages: Vec<Package>,
}

impl IsoContents {
    /// The file at `path` on the disc.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&IsoFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The packages that the image is for: of a DVD those that it carries, else the installed ones.
    #[must_use]
    pub fn delivered_packages(&self) -> &[Package] {
        match self.media_packages.as_slice() {
            [] => self.packages.packages(),
            carried => carried,
        }
    }

    /// The packages that lie on the disc as files, as on an install DVD.
    pub fn rpm_files(&self) -> impl Iterator<Item = &IsoFile> {
        self.files.iter().filter(|file| file.path.ends_with(".rpm"))
    }
}

/// Reads an image: nothing is mounted, no rights are needed, and the image is not changed.
///
/// # Errors
///
/// See [`InspectError`]. An image without a root image or without a package list is no error.
pub async fn inspect(
    ctx: &BuildContext,
    iso: &Path,
    options: &InspectOptions,
) -> Result<IsoContents, InspectError> {
    let image = IsoImage::open(ctx, iso).await?;
    let sha256 = async {
        match &options.sha256 {
            Some(known) => Ok(known.clone()),
            None => {
                let _working = ctx.working(Work::Sha256);
                let sum = sha256_file(&image.path).await;
                sum.map_err(|source| InspectError::unreadable(&image.path, source))
            }
        }
    };
    // Side by side: each is one pass over the image on one processor.
    let all = async {
        tokio::try_join!(
            ImplantedMd5::check(ctx, &image, options.media_md5.as_deref()),
            sha256,
            files(ctx, &image, options.digests),
            Root::read(ctx, &image, options),
            media::packages(ctx, &image),
        )
    };
    let (implanted_md5, sha256, files, root, media_packages) = tokio::select! {
        biased;
        all = all => all?,
        // A checksum on its thread hears of nothing; what it gives is not waited for.
        () = ctx.cancel.cancelled() => return Err(InspectError::Cancelled),
    };
    Ok(IsoContents {
        volume_id: image.volume.id.clone(),
        size: image.volume.size,
        sha256,
        boot_entries: image.boot_entries.clone(),
        implanted_md5,
        files,
        discinfo: image.text(".discinfo").await?,
        treeinfo: image.text(".treeinfo").await?,
        root_image: root.image,
        os_name: root.os_name,
        packages: root.packages,
        media_packages,
        path: image.path,
    })
}

async fn files(
    ctx: &BuildContext,
    image: &IsoImage,
    digests: DigestFiles,
) -> Result<Vec<IsoFile>, InspectError> {
    let mut files = Vec::with_capacity(image.entries.len());
    for entry in &image.entries {
        if ctx.cancel.is_cancelled() {
            return Err(InspectError::Cancelled);
        }
        let wanted = digests == DigestFiles::All || is_boot_file(&entry.path);
        let sha256 = match wanted {
            true => Some(image.sha256(entry).await?),
            false => None,
        };
        files.push(IsoFile {
            path: entry.path.clone(),
            size: entry.size(),
            sha256,
        });
    }
    Ok(files)
}

/// Kernel, initramfs or root image, by the names that the distributions' tools give them.
pub(super) fn is_boot_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    ["vmlinuz", "kernel.img", "initrd", "initramfs"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || ["squashfs.img", "install.img", "rootfs.img"].contains(&name)
}

/// What the root image told.
struct Root {
    image: Option<RootImage>,
    os_name: Option<String>,
    packages: PackageList,
}

impl Root {
    async fn read(
        ctx: &BuildContext,
        image: &IsoImage,
        options: &InspectOptions,
    ) -> Result<Self, InspectError> {
        let Some(entry) = rootfs::find(image) else {
            return Ok(Self::without("the disc has no root image that we know"));
        };
        let Some((format, compression)) = rootfs::identify(image, entry).await? else {
            return Ok(Self::without(&format!(
                "the root image {} is neither squashfs nor erofs",
                entry.path
            )));
        };
        let work = work_dir(options)?;
        let layout = rootfs::extract(ctx, image, entry, format, work.path(), Taken::Lists).await?;
        let tree = work.path().join("root");
        Ok(Self {
            os_name: rootfs::os_name(&tree),
            packages: packages::list(ctx, &image.path, &tree).await?,
            image: Some(RootImage {
                path: entry.path.clone(),
                size: entry.size(),
                format,
                compression,
                layout,
            }),
        })
    }

    fn without(reason: &str) -> Self {
        Self {
            image: None,
            os_name: None,
            packages: PackageList::Unavailable {
                reason: reason.to_owned(),
            },
        }
    }
}

/// A folder that is removed on every way out.
pub(super) fn work_dir(options: &InspectOptions) -> Result<TempDir, InspectError> {
    let dir = options.work_dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&dir)
        .and_then(|()| {
            // Absolute: programs that run elsewhere are given its path.
            let dir = dir.canonicalize()?;
            tempfile::Builder::new()
                .prefix("fbs-inspect-")
                .tempdir_in(dir)
        })
        .map_err(|source| InspectError::WorkDir { path: dir, source })
}
