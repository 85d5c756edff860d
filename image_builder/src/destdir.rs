//! The folders of a DVD, named as pungi names them, and which of them a build may write to.
//!
//! ```text
//! <destdir>/<version>/<flavor>/<arch>/os/Packages/b/bash-....rpm   -G
//!                                    /comps.xml                    -G
//!                                    /os/repodata/                 -C
//!                                    /os/{images,LiveOS,EFI,boot}  -B
//!                                    /os/{.treeinfo,media.repo}    -I
//!                                    /iso/<name>-<version>-<arch>-DVD.iso, -netinst.iso, -CHECKSUM
//!                            /source/SRPMS/                        -G, -C
//!                            /source/iso/                          -I
//! ```
//!
//! Each stage replaces what an earlier run of it left, and nothing else. A marker file says
//! which folders are a build's; without it they are left as they are.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{ErrorKind, StageError};
use crate::plan::{BuildPlan, DvdPlan, ImagePlan};
use crate::spec::Stage as DvdStage;

/// The file that marks a folder as one of ours.
pub const MARKER: &str = ".fbs-dvd";

/// Why a destination cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DestdirError {
    /// It is no folder.
    #[error("destdir {} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// It is a folder that the system needs.
    #[error("destdir {} is a folder of the system", .0.display())]
    System(PathBuf),
    /// Something is in it.
    #[error("destdir {} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// Something else is where the results would go.
    #[error("{} is not empty and was not made by a build; it is left as it is", .0.display())]
    Foreign(PathBuf),
    /// A stage needs what another one leaves.
    #[error(
        "the stage {} needs what {} leaves, and there is no {}",
        .stage.option(), .needs.option(), .folder.display()
    )]
    Missing {
        /// The stage.
        stage: DvdStage,
        /// The one before it.
        needs: DvdStage,
        /// What it leaves.
        folder: PathBuf,
    },
    /// Another build is at it.
    #[error("another build is at work in {}", .0.display())]
    Busy(PathBuf),
    /// It cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
}

impl StageError for DestdirError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } => ErrorKind::Host,
            Self::Busy(_) => ErrorKind::Failed,
            _ => ErrorKind::Usage,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_))
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotEmpty(_) => {
                "set `force = yes` to replace an earlier DVD there, go on with later stages \
                 (`stage = -C -B -I`), or name another folder with `destdir`"
                    .to_owned()
            }
            Self::Missing { needs, .. } => format!(
                "run the stage {0} first, with the same `destdir`: `stage = {0}`",
                needs.option()
            ),
            Self::Busy(_) => "wait until it has ended".to_owned(),
            Self::Io { .. } => "free some space, or name another folder with `destdir`".to_owned(),
            _ => "name a new or an empty folder with `destdir`".to_owned(),
        })
    }
}

/// The folders and files of one DVD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destdir {
    top: PathBuf,
    arch: String,
    stem: String,
}

impl Destdir {
    /// Those of a plan's DVD.
    #[must_use]
    pub fn of(plan: &BuildPlan, dvd: &DvdPlan) -> Self {
        Self {
            top: dvd.destination.join(&plan.version).join(&dvd.flavor),
            arch: plan.arch.basearch().to_owned(),
            stem: format!("{}-{}", plan.product, plan.version),
        }
    }

    /// The folder of the architecture.
    #[must_use]
    pub fn arch(&self) -> PathBuf {
        self.top.join(&self.arch)
    }

    /// The tree that is on the DVD.
    #[must_use]
    pub fn os(&self) -> PathBuf {
        self.arch().join("os")
    }

    /// Its packages.
    #[must_use]
    pub fn packages(&self) -> PathBuf {
        self.os().join("Packages")
    }

    /// The groups that its repository gets.
    #[must_use]
    pub fn comps(&self) -> PathBuf {
        self.arch().join("comps.xml")
    }

    /// The installer's own image in the tree.
    #[must_use]
    pub fn boot_iso(&self) -> PathBuf {
        self.os().join("images/boot.iso")
    }

    /// The folder of the source packages, which all architectures share.
    #[must_use]
    pub fn source(&self) -> PathBuf {
        self.top.join("source")
    }

    /// The source packages.
    #[must_use]
    pub fn srpms(&self) -> PathBuf {
        self.source().join("SRPMS")
    }

    /// The DVD's name.
    #[must_use]
    pub fn dvd_name(&self) -> String {
        format!("{}-{}-DVD.iso", self.stem, self.arch)
    }

    /// The DVD.
    #[must_use]
    pub fn dvd(&self) -> PathBuf {
        self.arch().join("iso").join(self.dvd_name())
    }

    /// The installer's own image beside it.
    #[must_use]
    pub fn netinst(&self) -> PathBuf {
        let name = format!("{}-{}-netinst.iso", self.stem, self.arch);
        self.arch().join("iso").join(name)
    }

    /// The checksums of both.
    #[must_use]
    pub fn checksum(&self) -> PathBuf {
        let name = format!("{}-{}-CHECKSUM", self.stem, self.arch);
        self.arch().join("iso").join(name)
    }

    /// The ISO of the source packages.
    #[must_use]
    pub fn source_iso(&self) -> PathBuf {
        let name = format!("{}-source-DVD.iso", self.stem);
        self.source().join("iso").join(name)
    }

    /// Its checksum.
    #[must_use]
    pub fn source_checksum(&self) -> PathBuf {
        let name = format!("{}-source-CHECKSUM", self.stem);
        self.source().join("iso").join(name)
    }

    /// What is there when `stage` has done its work.
    fn result(&self, stage: DvdStage) -> PathBuf {
        match stage {
            DvdStage::Gather => self.packages(),
            DvdStage::CreateRepo => self.os().join("repodata/repomd.xml"),
            DvdStage::BuildInstall => self.boot_iso(),
            DvdStage::CreateIso => self.dvd(),
        }
    }

    /// Takes the folders for this build: makes and marks them. They are its own as long as what
    /// is returned lives.
    ///
    /// # Errors
    ///
    /// [`DestdirError::Busy`] or [`DestdirError::Io`].
    pub fn take(&self, job: &str, sources: bool) -> Result<Vec<File>, DestdirError> {
        let folders = [self.arch(), self.source()];
        folders
            .iter()
            .take(1 + usize::from(sources))
            .map(|folder| {
                let marker = folder.join(MARKER);
                let io = |source| DestdirError::Io {
                    path: marker.clone(),
                    source,
                };
                std::fs::create_dir_all(folder).map_err(io)?;
                let file = File::options()
                    .create(true)
                    .append(true)
                    .open(&marker)
                    .map_err(io)?;
                match file.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) => {
                        return Err(DestdirError::Busy(folder.clone()));
                    }
                    Err(TryLockError::Error(error)) => return Err(io(error)),
                }
                file.set_len(0).map_err(io)?;
                io::Write::write_all(&mut &file, format!("{job}\n").as_bytes()).map_err(io)?;
                Ok(file)
            })
            .collect()
    }
}

/// Whether the stages of a plan can run on its destination; changes nothing.
///
/// # Errors
///
/// [`DestdirError`] says why not.
pub fn check(plan: &BuildPlan) -> Result<(), DestdirError> {
    let ImagePlan::Dvd(dvd) = &plan.image else {
        return Ok(());
    };
    let folders = Destdir::of(plan, dvd);
    if dvd.keep {
        let gathers = dvd.stages.contains(DvdStage::Gather);
        check_folder(&dvd.destination, !gathers || dvd.force)?;
        for folder in [folders.arch(), folders.source()] {
            if !is_empty(&folder)? && !folder.join(MARKER).is_file() {
                return Err(DestdirError::Foreign(folder));
            }
        }
    }
    // Each stage with those whose results it needs.
    let needs: [(DvdStage, &[DvdStage]); 2] = [
        (DvdStage::CreateRepo, &[DvdStage::Gather]),
        (
            DvdStage::CreateIso,
            &[
                DvdStage::Gather,
                DvdStage::CreateRepo,
                DvdStage::BuildInstall,
            ],
        ),
    ];
    for (stage, needed) in needs
        .iter()
        .filter(|(stage, _)| dvd.stages.contains(*stage))
    {
        for &before in needed.iter().filter(|stage| !dvd.stages.contains(**stage)) {
            let mut results = vec![folders.result(before)];
            if before == DvdStage::Gather && dvd.sources {
                results.push(folders.srpms());
            }
            if let Some(folder) = results.into_iter().find(|result| !result.exists()) {
                return Err(DestdirError::Missing {
                    stage: *stage,
                    needs: before,
                    folder,
                });
            }
        }
    }
    Ok(())
}

fn check_folder(path: &Path, may_be_full: bool) -> Result<(), DestdirError> {
    // The folder itself may be a link, and lead anywhere.
    let resolved = match path.canonicalize() {
        Ok(resolved) => resolved,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(source) => {
            return Err(DestdirError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    if resolved.components().count() <= 2 {
        return Err(DestdirError::System(resolved));
    }
    if !may_be_full && !is_empty(path)? {
        return Err(DestdirError::NotEmpty(path.to_owned()));
    }
    Ok(())
}

/// Nothing is in the folder but what a build leaves that failed at once: folders and markers.
fn is_empty(folder: &Path) -> Result<bool, DestdirError> {
    let fail = |source| DestdirError::Io {
        path: folder.to_owned(),
        source,
    };
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(DestdirError::NotAFolder(folder.to_owned()));
        }
        Err(error) => return Err(fail(error)),
    };
    for entry in entries {
        let entry = entry.map_err(fail)?;
        let nothing = match entry.file_type().map_err(fail)?.is_dir() {
            true => is_empty(&entry.path())?,
            false => entry.file_name() == MARKER,
        };
        if !nothing {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::complete;
    use crate::plan::{KickstartPlan, PlanOptions};
    use crate::spec::{BuildSpec, Format};

    fn plan(dir: &Path, keys: &str) -> BuildPlan {
        let text = format!("[DEFAULT]\ntype=dvd\nrelease=43\narch=x86_64\n[dvd]\n{keys}\n");
        let spec = BuildSpec::parse(&text, Format::Ini, "dvd.conf").unwrap();
        let options = PlanOptions::new("2026-11-21T09:42:24Z".parse().unwrap(), dir, dir);
        BuildPlan::new(&spec, &KickstartPlan::default(), &complete(), &options).unwrap()
    }

    fn folders(plan: &BuildPlan) -> Destdir {
        let ImagePlan::Dvd(dvd) = &plan.image else {
            panic!("not a DVD")
        };
        Destdir::of(plan, dvd)
    }

    #[test]
    fn names_are_pungis_and_i686_is_i386() {
        let dir = Path::new("/srv");
        let mut plan = plan(dir, "destdir=/srv/dvd");
        let named = folders(&plan);
        assert_eq!(
            named.dvd(),
            Path::new("/srv/dvd/43/Server/x86_64/iso/Fedora-43-x86_64-DVD.iso")
        );
        assert_eq!(
            named.source_iso(),
            Path::new("/srv/dvd/43/Server/source/iso/Fedora-43-source-DVD.iso")
        );
        plan.arch = crate::spec::Arch::I686;
        let named = folders(&plan);
        assert!(named.os().ends_with("43/Server/i386/os"));
        assert!(named.netinst().ends_with("Fedora-43-i386-netinst.iso"));
        assert!(named.checksum().ends_with("Fedora-43-i386-CHECKSUM"));
    }

    #[test]
    fn a_full_destination_needs_force_unless_nothing_is_gathered() {
        let dir = tempfile::tempdir().unwrap();
        let dvd = dir.path().join("dvd");
        std::fs::create_dir(&dvd).unwrap();
        let with = |keys: &str| check(&plan(dir.path(), &format!("destdir=dvd\n{keys}")));
        with("").unwrap();
        // Neither does what a build leaves that failed at once.
        drop(
            folders(&plan(dir.path(), "destdir=dvd"))
                .take("job", true)
                .unwrap(),
        );
        with("").unwrap();
        std::fs::remove_dir_all(dvd.join("43")).unwrap();
        std::fs::write(dvd.join("thesis.tex"), "years").unwrap();
        let error = with("").unwrap_err();
        assert!(matches!(error, DestdirError::NotEmpty(_)), "{error}");
        assert_eq!(error.kind(), ErrorKind::Usage);
        with("force=yes").unwrap();
        with("stage=-B").unwrap();
        // Nobody's packages are replaced, not even by force.
        let os = dvd.join("43/Server/x86_64/os/Packages");
        std::fs::create_dir_all(&os).unwrap();
        std::fs::write(os.join("a.rpm"), "").unwrap();
        let error = with("force=yes").unwrap_err();
        assert!(matches!(error, DestdirError::Foreign(_)), "{error}");
        std::fs::write(dvd.join("43/Server/x86_64").join(MARKER), "job").unwrap();
        with("force=yes").unwrap();
        assert!(dvd.join("thesis.tex").is_file());
    }

    #[test]
    fn a_stage_says_which_one_has_to_come_before_it() {
        let dir = tempfile::tempdir().unwrap();
        for (stages, needs) in [
            ("-C", DvdStage::Gather),
            ("-G -C -I", DvdStage::BuildInstall),
            ("-G -B -I", DvdStage::CreateRepo),
            ("-I", DvdStage::Gather),
        ] {
            let plan = plan(dir.path(), &format!("destdir=dvd\nstage={stages}"));
            match check(&plan) {
                Err(DestdirError::Missing { needs: found, .. }) => assert_eq!(found, needs),
                other => panic!("{stages}: {other:?}"),
            }
        }
        let plan = plan(dir.path(), "destdir=dvd\nstage=-C");
        std::fs::create_dir_all(folders(&plan).packages()).unwrap();
        drop(folders(&plan).take("job", false).unwrap());
        check(&plan).unwrap();
    }

    #[test]
    fn a_folder_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let folders = folders(&plan(dir.path(), "destdir=dvd"));
        let taken = folders.take("one", true).unwrap();
        assert!(matches!(
            folders.take("two", false),
            Err(DestdirError::Busy(_))
        ));
        drop(taken);
        folders.take("two", true).unwrap();
        let marker = std::fs::read_to_string(folders.arch().join(MARKER)).unwrap();
        assert_eq!(marker, "two\n");
    }

    #[test]
    fn system_folders_and_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        // A spec may not name them, but a link leads anywhere.
        std::os::unix::fs::symlink("/usr", dir.path().join("link")).unwrap();
        for (destdir, system) in [("link", true), ("file", false)] {
            let error = check(&plan(dir.path(), &format!("destdir={destdir}"))).unwrap_err();
            assert_eq!(matches!(error, DestdirError::System(_)), system, "{error}");
        }
    }
}
