//! `-I`: the DVD, its boot image beside it, the ISO of the sources, and the checksums.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Job;
use super::gather::blocking;
use super::replace::{Fresh, at};
use crate::builders::Built;
use crate::builders::native::job::not_written;
use crate::compose::files::{make_folder, place, write};
use crate::compose::iso_stream;
use crate::compose::layout::{INITRAMFS, KERNEL, ROOT_IMAGE};
use crate::compose::tree::{TreeFile, TreeInfo, Variant};
use crate::compose::{ComposeError, DvdError, dvd};
use crate::context::BuildContext;
use crate::digest;
use crate::events::{Stage, Work};
use crate::plan::volume_id;
use crate::process::Invocation;
use crate::repo_create::CreateRepo;
use crate::source_date::SourceDate;

/// What of the tree has a checksum in `.treeinfo`.
const HASHED: [&str; 6] = [
    "images/boot.iso",
    ROOT_IMAGE,
    INITRAMFS,
    KERNEL,
    "images/efiboot.img",
    "repodata/repomd.xml",
];

impl Job<'_> {
    /// What only the disc has of the tree.
    fn disc(&self) -> PathBuf {
        self.plan.paths.work.join("disc")
    }

    fn pipe(&self) -> PathBuf {
        self.plan.paths.work.join("dvd.pipe")
    }

    fn rewrite(&self) -> Invocation {
        let (os, disc) = (self.folders.os(), self.disc());
        dvd::rewrite(
            &self.folders.boot_iso(),
            &self.pipe(),
            &self.plan.volume_id,
            &[
                (&os.join("Packages"), "/Packages"),
                (&os.join("repodata"), "/repodata"),
                (&disc.join(".discinfo"), "/.discinfo"),
                (&disc.join(".treeinfo"), "/.treeinfo"),
                (&disc.join("media.repo"), "/media.repo"),
            ],
        )
    }

    fn source_iso(&self) -> Invocation {
        let label = volume_id(&self.plan.product, &self.plan.version, "source");
        dvd::source_iso(&self.folders.srpms(), &self.pipe(), &label)
    }

    /// Every command of the stage.
    pub(super) fn iso_commands(&self) -> Vec<Invocation> {
        let sources = self.dvd.source_iso.then(|| self.source_iso());
        [self.rewrite()].into_iter().chain(sources).collect()
    }

    /// The ISOs, in their places.
    pub(super) async fn create_iso(
        &self,
        ctx: &BuildContext,
        date: SourceDate,
    ) -> Result<Built, ComposeError> {
        self.check_tree().await?;
        self.write_metadata(ctx, date.seconds).await?;
        let (iso, netinst) = (self.folders.dvd(), self.folders.netinst());
        let media_md5 = self.make(ctx, &iso, &self.rewrite()).await?;
        let fresh = Fresh::of(&netinst)?;
        place(&self.folders.boot_iso(), fresh.path())?;
        fresh.install()?;
        let checksum = self.folders.checksum();
        let sums = write_checksums(ctx, &checksum, &[&iso, &netinst]).await?;
        // The list beside them is for the tree; what is delivered gets one of its own.
        let mut extra = vec![netinst];
        if self.dvd.source_iso {
            let (iso, checksum) = (self.folders.source_iso(), self.folders.source_checksum());
            self.make(ctx, &iso, &self.source_iso()).await?;
            write_checksums(ctx, &checksum, &[&iso]).await?;
            extra.push(iso);
        }
        Ok(Built {
            iso: Some(iso),
            iso_sha256: sums.into_iter().next(),
            media_md5: Some(media_md5),
            source_date: Some(date),
            extra,
            ..Built::default()
        })
    }

    /// The parts of the tree belong together, whoever made each of them and when.
    async fn check_tree(&self) -> Result<(), ComposeError> {
        let boot = self.folders.boot_iso();
        let found = label(&boot).map_err(at(&boot))?;
        if found != self.plan.volume_id {
            return Err(DvdError::Label {
                path: boot,
                found,
                wanted: self.plan.volume_id.clone(),
            }
            .into());
        }
        let os = self.folders.os();
        let folder = os.clone();
        match blocking(move || Ok(CreateRepo::is_current(&folder)?)).await? {
            true => Ok(()),
            false => Err(DvdError::OldRepodata(os).into()),
        }
    }

    /// `.treeinfo`, `.discinfo` and `media.repo`, of the tree and of the disc.
    async fn write_metadata(&self, ctx: &BuildContext, timestamp: u64) -> Result<(), ComposeError> {
        let (os, disc) = (self.folders.os(), self.disc());
        let files = TreeFile::hash(ctx, &os, &HASHED).await?;
        for (folder, on_disc) in [(&os, false), (&disc, true)] {
            make_folder(folder)?;
            // On the disc the boot image would be itself.
            let info = TreeInfo {
                product: &self.plan.product,
                version: &self.plan.version,
                arch: self.plan.arch,
                timestamp,
                root_image: ROOT_IMAGE,
                kernel: KERNEL,
                initramfs: INITRAMFS,
                boot_iso: (!on_disc).then_some(HASHED[0]),
                variant: Some(Variant {
                    name: &self.dvd.flavor,
                    on_disc,
                }),
            };
            // On the disc these are behind the file system, in a partition.
            let on_disc_too = |file: &&TreeFile| {
                !on_disc || ![HASHED[0], HASHED[4]].contains(&file.path.as_str())
            };
            let listed: Vec<TreeFile> = files.iter().filter(on_disc_too).cloned().collect();
            for (name, text) in [
                (".treeinfo", info.treeinfo(&listed)),
                (".discinfo", info.discinfo()),
                ("media.repo", info.media_repo()),
            ] {
                let fresh = Fresh::of(&folder.join(name))?;
                write(fresh.path(), &text)?;
                fresh.install()?;
            }
        }
        Ok(())
    }

    /// One ISO, with its implanted checksum.
    async fn make(
        &self,
        ctx: &BuildContext,
        iso: &Path,
        command: &Invocation,
    ) -> Result<String, ComposeError> {
        let fresh = Fresh::of(iso)?;
        let pipe = self.pipe();
        let written = iso_stream::write(ctx, Stage::CreateIso, command, &pipe, fresh.path(), None);
        let folder = iso.parent().unwrap_or(iso);
        let written = written.await.map_err(|error| not_written(error, folder))?;
        fresh.install()?;
        Ok(written.md5)
    }
}

/// The list of the checksums of `files`; returns these.
async fn write_checksums(
    ctx: &BuildContext,
    list: &Path,
    files: &[&Path],
) -> Result<Vec<String>, ComposeError> {
    let _working = ctx.working(Work::Sha256);
    let paths: Vec<PathBuf> = files.iter().map(|path| path.to_path_buf()).collect();
    let sums = digest::sha256_files(&paths)
        .await
        .map_err(|(path, source)| ComposeError::Io { path, source })?;
    let names = files.iter().map(|path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    });
    let lines: Vec<(String, String)> = names.zip(sums.iter().cloned()).collect();
    let fresh = Fresh::of(list)?;
    write(fresh.path(), &dvd::checksums(&lines))?;
    fresh.install()?;
    Ok(sums)
}

/// The label of an ISO: 32 characters in the primary volume descriptor (ECMA-119, 8.4.7).
fn label(iso: &Path) -> std::io::Result<String> {
    let mut bytes = [0; 32];
    File::open(iso)?.read_exact_at(&mut bytes, 16 * 2048 + 40)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let iso = dir.path().join("a.iso");
        let mut bytes = vec![0; 16 * 2048 + 40];
        bytes.extend_from_slice(b"Fedora-Server-43-x86_64         rest");
        std::fs::write(&iso, bytes).unwrap();
        assert_eq!(label(&iso).unwrap(), "Fedora-Server-43-x86_64");
        assert!(label(&dir.path().join("none")).is_err());
    }
}
