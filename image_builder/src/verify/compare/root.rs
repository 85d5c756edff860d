//! A root image, unpacked to be compared with another.

use super::blocking;
use super::listing::{Listing, Owners};
use super::tree;
use crate::context::BuildContext;
use crate::verify::error::InspectError;
use crate::verify::iso::{InspectOptions, work_dir};
use crate::verify::iso_image::{Entry, IsoImage};
use crate::verify::packages::{self, PackageList};
use crate::verify::rootfs::{self, Taken};

/// What is in a root image.
pub(super) struct Root {
    pub(super) files: Listing,
    pub(super) packages: PackageList,
    pub(super) owners: Owners,
    /// Whether owners and extended attributes could be unpacked.
    pub(super) as_root: bool,
}

impl Root {
    /// Reads the root image `entry`; the reason, where it is of no kind that we know.
    pub(super) async fn read(
        ctx: &BuildContext,
        image: &IsoImage,
        entry: &Entry,
        options: &InspectOptions,
    ) -> Result<Result<Self, String>, InspectError> {
        let Some((format, _)) = rootfs::identify(image, entry).await? else {
            return Ok(Err(format!(
                "{} of {} is neither squashfs nor erofs: packages and files are not compared",
                entry.path,
                image.path.display()
            )));
        };
        let work = work_dir(options)?;
        rootfs::extract(ctx, image, entry, format, work.path(), Taken::Everything).await?;
        let root = work.path().join("root");
        let as_root = nix::unistd::geteuid().is_root();
        // Listed first: rpm may write beside the database.
        let (tree, cancel) = (root.clone(), ctx.cancel.clone());
        let files = blocking(image, move || tree::files(&tree, as_root, &cancel)).await?;
        Ok(Ok(Self {
            files,
            packages: packages::list(ctx, &image.path, &root).await?,
            owners: packages::owners(ctx, &image.path, &root).await?,
            as_root,
        }))
    }
}
