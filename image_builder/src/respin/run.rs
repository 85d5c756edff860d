//! The order of the steps of a respin.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use tempfile::{TempDir, TempPath};
use tokio::task::spawn_blocking;

use super::additions::Additions;
use super::boot_config::{self, Edit};
use super::error::RespinError;
use super::esp::EspFiles;
use super::medium::{self, Medium};
use super::menus;
use super::plan::{Map, RespinPlan};
use super::rebuild;
use super::report::{Change, ChangeKind, RespinReport, VERSION};
use super::request::{KICKSTART, REPOSITORY, RespinRequest};
use super::treeinfo;
use super::updates::{self, UPDATES_IMAGE};
use crate::compose::iso_stream;
use crate::context::BuildContext;
use crate::digest::sha256_file;
use crate::error::{ErrorKind, StageError};
use crate::events::{EventKind, Events, Outcome, Stage, seconds};
use crate::host::{Host, free_bytes};
use crate::kickstart::{KickstartError, Reader, Source};
use crate::repo_create::{RepoCreate, SideRepository};
use crate::spec::{Arch, Location, Trust};
use crate::verify::{BootEntry, IsoImage};

/// What a new image takes beside its files: its own tables, and what is made on the way.
const ROOM: u64 = 16 * 1024 * 1024;

/// Changes the image of `request`: a new one is at its `out` then.
///
/// # Errors
///
/// [`RespinError`]; nothing is at `out` then, nor beside it.
pub async fn respin(
    ctx: &BuildContext,
    request: &RespinRequest,
) -> Result<RespinReport, RespinError> {
    let started = Instant::now();
    let result = Run::make(ctx, request, started).await;
    let result = match result {
        // Whatever a step was doing, it was stopped.
        Err(_) if ctx.cancel.is_cancelled() => Err(RespinError::Cancelled),
        // Not the folder of the work, which is gone.
        Err(RespinError::NoSpace { needed_mib, .. }) => Err(RespinError::NoSpace {
            folder: folder_of(&request.out),
            needed_mib,
        }),
        result => result,
    };
    let outcome = match &result {
        Ok(_) => Outcome::Succeeded,
        Err(error) if error.kind() == ErrorKind::Cancelled => Outcome::Cancelled,
        Err(_) => Outcome::Failed,
    };
    ctx.events.emit(EventKind::JobFinished {
        outcome,
        seconds: seconds(started.elapsed()),
    });
    result
}

/// The new image, in its place.
struct Written {
    path: PathBuf,
    /// In bytes.
    size: u64,
    /// The implanted checksum.
    md5: String,
    sha256: String,
}

/// One respin.
struct Run<'a> {
    ctx: &'a BuildContext,
    request: &'a RespinRequest,
    medium: Medium,
    additions: Additions,
    /// The kickstart's text.
    kickstart: Option<String>,
    /// On the disk of the new image; all of it goes when this is dropped.
    work: TempDir,
    changes: Vec<Change>,
}

impl<'a> Run<'a> {
    async fn make(
        ctx: &'a BuildContext,
        request: &'a RespinRequest,
        started: Instant,
    ) -> Result<RespinReport, RespinError> {
        let mut run = ctx.stage(Stage::Check, Self::check(ctx, request)).await?;
        let side = match &request.builds {
            Some(_) => Some(
                ctx.stage(Stage::SideRepository, run.side_repository())
                    .await?,
            ),
            None => None,
        };
        let written = ctx.stage(Stage::Iso, run.write(side.as_ref())).await?;
        let report = RespinReport {
            version: VERSION,
            image: written.path,
            source: run.medium.image.path.clone(),
            label: request
                .label
                .clone()
                .unwrap_or_else(|| run.medium.label().to_owned()),
            size: written.size,
            source_size: run.medium.image.volume.size,
            sha256: written.sha256,
            media_md5: written.md5,
            seconds: seconds(started.elapsed()),
            changes: run.changes,
        };
        ctx.events.emit(EventKind::Artifact {
            path: report.image.clone(),
            size: report.size,
            sha256: report.sha256.clone(),
        });
        Ok(report)
    }

    /// Everything that can be wrong, before anything is written.
    async fn check(ctx: &'a BuildContext, request: &'a RespinRequest) -> Result<Self, RespinError> {
        request.check()?;
        let medium = Medium::read(ctx, &request.image).await?;
        let additions = Additions::of(&request.add, &medium, &request.reserved())?;
        for path in request.reserved() {
            if medium.has(path) && path != KICKSTART {
                return Err(RespinError::HasAlready {
                    image: request.image.clone(),
                    on_image: path,
                });
            }
        }
        let kickstart = match &request.kickstart {
            Some(location) => Some(kickstart(ctx, location).await?),
            None => None,
        };
        let folder = folder_of(&request.out);
        let free = free_bytes(&folder).map_err(RespinError::io(&folder))?;
        let needed = medium.image.volume.size + additions.size + ROOM;
        if free < needed {
            return Err(RespinError::NoSpace {
                folder,
                needed_mib: Some(needed.div_ceil(1024 * 1024)),
            });
        }
        let work = tempfile::Builder::new()
            .prefix(".fbs-respin-")
            .tempdir_in(&folder);
        Ok(Self {
            ctx,
            request,
            medium,
            additions,
            kickstart,
            // Without the name of the work folder, which is in the error's own words.
            work: work
                .map_err(|error| io::Error::from(error.kind()))
                .map_err(RespinError::io(&folder))?,
            changes: Vec::new(),
        })
    }

    /// The architecture that packages have to be of.
    fn arch(&self) -> Option<Arch> {
        self.medium.arch.or(self.request.arch)
    }

    async fn side_repository(&self) -> Result<SideRepository, RespinError> {
        let Some((options, request)) = &self.request.builds else {
            return Err(RespinError::NothingToDo);
        };
        let mut options = options.clone();
        if let Some(arch) = self.arch().or_else(|| Host::probe().arch) {
            options.choose.arch = arch;
        }
        let maker = RepoCreate::new(options, self.ctx.clone()).map_err(Box::new)?;
        let dir = self.work.path().join(REPOSITORY);
        Ok(maker.make_repo(request, &dir).await.map_err(Box::new)?)
    }

    async fn write(&mut self, side: Option<&SideRepository>) -> Result<Written, RespinError> {
        let time = self
            .request
            .epoch
            .map(|epoch| SystemTime::UNIX_EPOCH + Duration::from_secs(epoch));
        let mut plan = RespinPlan {
            image: self.medium.image.path.clone(),
            pipe: self.work.path().join("pipe"),
            label: self.request.label.clone(),
            maps: Vec::new(),
            esp: None,
            boot: self.medium.boot.clone(),
            joliet: self.medium.joliet,
            epoch: self.request.epoch,
        };
        self.add_files(&mut plan);
        self.add_kickstart(&mut plan)?;
        self.add_updates(&mut plan).await?;
        self.add_repository(&mut plan, side);
        self.change_boot(&mut plan, time).await?;
        self.keep_treeinfo_true(&mut plan).await?;

        let image = self.work.path().join("image.iso");
        let xorriso = plan.invocation();
        let written =
            iso_stream::write(self.ctx, Stage::Iso, &xorriso, &plan.pipe, &image, None).await?;
        // Deleted when dropped, and never put over a file that came in the meantime.
        let image = TempPath::try_from_path(&image).map_err(RespinError::io(&image))?;
        let sha256 = async {
            let sum = sha256_file(&image).await;
            sum.map_err(RespinError::io(&image))
        };
        let (sha256, ()) = tokio::try_join!(sha256, self.boots_as_before(&image))?;
        let out =
            std::path::absolute(&self.request.out).map_err(RespinError::io(&self.request.out))?;
        image
            .persist_noclobber(&out)
            .map_err(|failed| match failed.error.kind() {
                std::io::ErrorKind::AlreadyExists => RespinError::Exists(out.clone()),
                _ => RespinError::io(&out)(failed.error),
            })?;
        Ok(Written {
            path: out,
            size: written.size,
            md5: written.md5,
            sha256,
        })
    }

    fn map(&self, from: PathBuf, to: &str) -> Map {
        Map {
            from,
            replaces: self.medium.has(to),
            to: to.to_owned(),
        }
    }

    fn add_files(&mut self, plan: &mut RespinPlan) {
        if self.additions.names.is_empty() {
            return;
        }
        plan.maps.append(&mut self.additions.maps);
        let mut limits = vec![
            "they are on the medium, which an installer has at /run/install/repo and a live \
             system at /run/initramfs/live; nothing installs them"
                .to_owned(),
        ];
        for path in &self.additions.replaced {
            self.ctx
                .events
                .warn(format!("/{path} of the image is replaced"));
            limits.push(format!("/{path} of the image was replaced"));
        }
        self.changes.push(Change {
            kind: ChangeKind::Files,
            what: self.additions.names.join(", "),
            files: plan.maps.iter().map(|map| map.to.clone()).collect(),
            limits,
        });
    }

    fn add_kickstart(&mut self, plan: &mut RespinPlan) -> Result<(), RespinError> {
        let Some(text) = &self.kickstart else {
            return Ok(());
        };
        let file = self.work.path().join(KICKSTART);
        std::fs::write(&file, text).map_err(RespinError::io(&file))?;
        let mut limits = vec![
            "whoever has the image can read it, passwords included".to_owned(),
            "what it installs comes from where it says, not from the image".to_owned(),
        ];
        if self.medium.has(KICKSTART) {
            limits.push(format!("/{KICKSTART} of the image was replaced"));
        }
        self.needs_installer(&mut limits, "inst.ks");
        plan.maps.push(self.map(file, KICKSTART));
        self.changes.push(Change {
            kind: ChangeKind::Kickstart,
            what: format!("{}, with what it includes", self.kickstart_name()),
            files: vec![KICKSTART.to_owned()],
            limits,
        });
        Ok(())
    }

    fn kickstart_name(&self) -> String {
        let location = self.request.kickstart.as_ref();
        location.map(ToString::to_string).unwrap_or_default()
    }

    async fn add_updates(&mut self, plan: &mut RespinPlan) -> Result<(), RespinError> {
        if self.request.updates.is_empty() {
            return Ok(());
        }
        let file = self.work.path().join("updates.img");
        let (rpms, arch) = (self.request.updates.clone(), self.arch());
        let (out, cancel) = (file.clone(), self.ctx.cancel.clone());
        let mtime = u32::try_from(self.request.epoch.unwrap_or(0)).unwrap_or(u32::MAX);
        let pack = move || updates::pack(&rpms, arch, mtime, &out, &cancel);
        let packed = spawn_blocking(pack)
            .await
            .unwrap_or_else(|panic| Err(RespinError::io(&file)(std::io::Error::other(panic))))?;
        let mut limits: Vec<String> = [
            "files only: no scriptlet runs, the package database does not know of them, and \
             files that a package no longer has stay",
            "they are there when the installer starts, not before: the kernel, the initramfs and \
             the boot loaders are those of the image",
            "the system that is installed does not get them",
        ]
        .map(str::to_owned)
        .into();
        limits.extend(packed.limits);
        self.needs_installer(&mut limits, UPDATES_IMAGE);
        plan.maps.push(self.map(file, UPDATES_IMAGE));
        self.changes.push(Change {
            kind: ChangeKind::Updates,
            what: format!("{} files of {}", packed.files, packed.packages.join(", ")),
            files: vec![UPDATES_IMAGE.to_owned()],
            limits,
        });
        Ok(())
    }

    fn add_repository(&mut self, plan: &mut RespinPlan, side: Option<&SideRepository>) {
        let Some(side) = side else { return };
        let mut limits: Vec<String> = [
            "for the system that is installed: the installer itself runs as it is on the image",
            "of several versions of a package the newest is installed, wherever it comes from: an \
             older build than the release's is not taken",
            "what the builds require comes from the other repositories",
        ]
        .map(str::to_owned)
        .into();
        self.needs_installer(&mut limits, "inst.addrepo");
        plan.maps.push(self.map(side.dir.clone(), REPOSITORY));
        let builds: Vec<String> = side.choice.builds.iter().map(ToString::to_string).collect();
        let mut files: Vec<String> = (side.choice.rpms.iter())
            .map(|rpm| format!("{REPOSITORY}/{}", rpm.file_name))
            .collect();
        files.push(format!("{REPOSITORY}/repodata/repomd.xml"));
        self.changes.push(Change {
            kind: ChangeKind::Repository,
            what: builds.join(", "),
            files,
            limits,
        });
    }

    /// Only anaconda reads `what`.
    fn needs_installer(&self, limits: &mut Vec<String>, what: &str) {
        if self.medium.starts_installer() {
            return;
        }
        let limit = format!(
            "no kernel line of this image starts anaconda (inst.stage2), and nothing else reads \
             {what}"
        );
        self.ctx.events.warn(limit.clone());
        limits.push(limit);
    }

    /// What is to become of the menus.
    fn edit(&self) -> Edit {
        let request = self.request;
        let mut edit = Edit {
            add: request.add_arguments.clone(),
            remove: request.remove_arguments.clone(),
            label: None,
        };
        let old = self.medium.label();
        let new = request.label.as_deref().unwrap_or(old);
        if new != old {
            edit.label = Some((old.to_owned(), new.to_owned()));
        }
        if self.kickstart.is_some() {
            // One that was there before would be followed, too.
            edit.remove.extend(["inst.ks".to_owned(), "ks".to_owned()]);
            edit.add.push(format!(
                "inst.ks=hd:LABEL={}:/{KICKSTART}",
                boot_config::in_argument(new)
            ));
        }
        if request.builds.is_some() {
            edit.add.push(format!(
                "inst.addrepo=fbs,file:///run/install/repo/{REPOSITORY}"
            ));
        }
        edit
    }

    /// Changes menus and loaders, in the image and in its UEFI partition.
    async fn change_boot(
        &mut self,
        plan: &mut RespinPlan,
        time: Option<SystemTime>,
    ) -> Result<(), RespinError> {
        let edit = self.edit();
        if edit.is_empty() {
            return Ok(());
        }
        self.check_only_esp(&edit)?;
        let (ctx, work) = (self.ctx, self.work.path());
        let partition = self.medium.esp.clone();
        let esp = match &partition {
            Some(partition) => {
                let image = work.join("efiboot.img");
                self.medium.copy_esp(partition, &image).await?;
                Some(EspFiles::open(ctx, image, work).await?)
            }
            None => None,
        };
        let changed = menus::change(ctx, &self.medium, esp.as_ref(), &edit, work, time).await?;
        if edit.changes_arguments() && changed.kernel_lines == 0 {
            return Err(RespinError::NoKernelLine(self.request.image.clone()));
        }
        let rebuilt = match &edit.label {
            Some((_, new)) => {
                rebuild::relabel(ctx, &self.medium, esp.as_ref(), new, work, time).await?
            }
            None => rebuild::Rebuilt::default(),
        };
        for (from, to) in changed.files.iter().chain(&rebuilt.files) {
            plan.maps.push(self.map(from.clone(), to));
        }
        if let (Some(partition), Some(esp)) = (&partition, &esp)
            && !(changed.in_esp.is_empty() && rebuilt.in_esp.is_empty())
        {
            plan.replace_esp(&partition.place, esp.image().to_owned())
                .map_err(|problem| RespinError::Esp {
                    image: self.request.image.clone(),
                    problem,
                })?;
        }
        self.report_boot(&edit, &changed, &rebuilt);
        Ok(())
    }

    /// Images of some years have one more, for Macs, in a file system that nothing here writes.
    fn check_only_esp(&self, edit: &Edit) -> Result<(), RespinError> {
        let entries = self.medium.image.boot_entries.iter();
        if entries.filter(|entry| entry.platform == "UEFI").count() < 2 {
            return Ok(());
        }
        if edit.label.is_some() {
            return Err(RespinError::Esp {
                image: self.request.image.clone(),
                problem: "there are two of them, and the second would look for the old label"
                    .to_owned(),
            });
        }
        self.ctx
            .events
            .warn("the image has a second UEFI partition (for Macs), whose menu is not changed");
        Ok(())
    }

    fn report_boot(&mut self, edit: &Edit, changed: &menus::Changed, rebuilt: &rebuild::Rebuilt) {
        let in_esp = |paths: &[String]| -> Vec<String> {
            paths
                .iter()
                .map(|path| format!("[UEFI partition]/{path}"))
                .collect()
        };
        let mut menus: Vec<String> = changed.files.iter().map(|(_, path)| path.clone()).collect();
        menus.extend(in_esp(&changed.in_esp));
        if edit.changes_arguments() {
            let mut what = Vec::new();
            if !edit.add.is_empty() {
                what.push(format!("added {}", edit.add.join(" ")));
            }
            if !edit.remove.is_empty() {
                what.push(format!("removed {}", edit.remove.join(" ")));
            }
            self.changes.push(Change {
                kind: ChangeKind::CommandLine,
                what: format!(
                    "{}, in {} kernel lines",
                    what.join("; "),
                    changed.kernel_lines
                ),
                files: menus.clone(),
                limits: vec![
                    "only the menus of the image: a machine that is booted over the network has \
                     its own"
                        .to_owned(),
                ],
            });
        }
        if let Some((old, new)) = &edit.label {
            let mut files = menus;
            files.extend(rebuilt.files.iter().map(|(_, path)| path.clone()));
            files.extend(in_esp(&rebuilt.in_esp));
            let mut limits = Vec::new();
            if !(rebuilt.files.is_empty() && rebuilt.in_esp.is_empty()) {
                limits.push(
                    "boot loaders were made anew, of this host's GRUB; Secure Boot takes them no \
                     more than those before"
                        .to_owned(),
                );
            }
            self.changes.push(Change {
                kind: ChangeKind::Label,
                what: format!("{old} is {new} now, in {} places of menus", changed.labels),
                files,
                limits,
            });
        }
    }

    /// Where `.treeinfo` has the checksum of a file that is another now, it gets the new one.
    async fn keep_treeinfo_true(&self, plan: &mut RespinPlan) -> Result<(), RespinError> {
        const TREEINFO: &str = ".treeinfo";
        let text = self
            .medium
            .image
            .text(TREEINFO)
            .await
            .map_err(medium::cancelled)?;
        let Some(mut text) = text else { return Ok(()) };
        let mut changed = false;
        for map in plan.maps.iter().filter(|map| map.from.is_file()) {
            let sum = sha256_file(&map.from)
                .await
                .map_err(RespinError::io(&map.from))?;
            if let Some(new) = treeinfo::with_checksum(&text, &map.to, &sum) {
                (text, changed) = (new, true);
            }
        }
        if changed {
            let file = self.work.path().join("treeinfo");
            std::fs::write(&file, text).map_err(RespinError::io(&file))?;
            plan.maps.push(self.map(file, TREEINFO));
        }
        Ok(())
    }

    /// Reads the boot catalog of the new image back: xorriso may end well without one.
    async fn boots_as_before(&self, image: &Path) -> Result<(), RespinError> {
        let new = IsoImage::open(self.ctx, image)
            .await
            .map_err(medium::cancelled)?;
        let entries = |entries: &[BootEntry]| -> Vec<(String, bool, Option<String>)> {
            let parts =
                |entry: &BootEntry| (entry.platform.clone(), entry.bootable, entry.path.clone());
            entries.iter().map(parts).collect()
        };
        if entries(&new.boot_entries) == entries(&self.medium.image.boot_entries) {
            return Ok(());
        }
        Err(RespinError::Result {
            program: "xorriso",
            problem: "the new image does not have the boot catalog of the old one".to_owned(),
        })
    }
}

/// The folder that holds `out`.
fn folder_of(out: &Path) -> PathBuf {
    match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The text of a kickstart, with what it includes, once it has no mistakes.
async fn kickstart(ctx: &BuildContext, location: &Location) -> Result<String, RespinError> {
    let source = Source::of_location(location, Path::new(""));
    let reader = Reader::new(Trust::Local);
    let read = async {
        let kickstart = reader.flatten(&source).await?;
        kickstart.settings()?;
        Ok::<_, KickstartError>(kickstart)
    };
    let kickstart = tokio::select! {
        read = read => read.map_err(Box::new)?,
        () = ctx.cancel.cancelled() => return Err(RespinError::Cancelled),
    };
    warn_of(&ctx.events, &kickstart.unknown_commands());
    Ok(kickstart.to_string())
}

fn warn_of(events: &Events, mistakes: &[crate::kickstart::Mistake]) {
    for mistake in mistakes {
        events.warn(mistake.to_string());
    }
}
