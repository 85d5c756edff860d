//! The folders of the release, as on Fedora's mirrors, and their index.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::package::{EPOCH, Package};
use crate::recipe::{Architecture, RELEASE};
use crate::{Error, comps, tool};

/// One of the repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repository {
    /// The release itself, with groups.
    Release,
    /// Newer versions.
    Updates,
    /// Packages that fail to install.
    Faulty,
}

impl Repository {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Release, Self::Updates, Self::Faulty];

    /// Its folder, below that of the release (and below a server's URL).
    pub(crate) fn folder(self, arch: Architecture) -> String {
        let arch = arch.rpm;
        match self {
            Self::Release => format!("releases/{RELEASE}/Everything/{arch}/os"),
            Self::Updates => format!("updates/{RELEASE}/Everything/{arch}"),
            Self::Faulty => format!("faulty/{RELEASE}/{arch}"),
        }
    }

    /// Makes the repository's folder below `root`, with the packages that are our own; gives the
    /// folder of its packages.
    pub(crate) fn create(
        self,
        root: &Path,
        arch: Architecture,
        own: Vec<Package>,
    ) -> Result<PathBuf, Error> {
        let packages = root.join(self.folder(arch)).join("Packages");
        fs::create_dir_all(&packages).map_err(Error::io(&packages))?;
        for package in own {
            package.write(&packages)?;
        }
        Ok(packages)
    }

    /// Writes the index.
    pub(crate) fn index(self, root: &Path, arch: Architecture) -> Result<(), Error> {
        let folder = root.join(self.folder(arch));
        let revision = EPOCH.to_string();
        let mut args: Vec<&OsStr> = ["--quiet", "--no-database", "--revision", &revision]
            .map(OsStr::new)
            .to_vec();
        args.extend(["--set-timestamp-to-revision", "--simple-md-filenames"].map(OsStr::new));
        let comps = root.join("comps.xml");
        if self == Self::Release {
            fs::write(&comps, comps::xml()).map_err(Error::io(&comps))?;
            args.extend([OsStr::new("--groupfile"), comps.as_os_str()]);
        }
        args.push(folder.as_os_str());
        tool::output("createrepo_c", &args)?;
        if self == Self::Release {
            fs::remove_file(&comps).map_err(Error::io(&comps))?;
        }
        Ok(())
    }
}
