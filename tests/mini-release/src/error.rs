//! What can go wrong while the release is made.

use std::path::{Path, PathBuf};
use std::{io, process::ExitStatus};

/// A failure, told so that the reader knows the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host is not Debian.
    #[error("the mini release is made of Debian packages, and this host runs {found}, not Debian")]
    NotDebian {
        /// `ID` of `/etc/os-release`.
        found: String,
    },
    /// The host's processor has no kernel package that the recipe knows.
    #[error("the mini release knows no kernel package for the architecture {0}")]
    Architecture(&'static str),
    /// A program is not installed.
    #[error("{tool} is not installed; `apt-get install {package}` brings it")]
    MissingTool {
        /// Name of the program.
        tool: &'static str,
        /// Debian package that holds it.
        package: &'static str,
    },
    /// apt reached no mirror, or the mirror lacks a package.
    #[error("apt could not fetch the Debian packages; it printed:\n{0}")]
    Fetch(String),
    /// A program ran and failed.
    #[error("`{command}` failed with {status}, after printing:\n{stderr}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        stderr: String,
    },
    /// A package requires what the release has not.
    #[error("{package} requires `{dependency}`, which no package of the release provides")]
    Unmet {
        /// Debian name of the package.
        package: String,
        /// Its requirement, as written.
        dependency: String,
    },
    /// A field or an archive member that is not as Debian's policy says.
    #[error("{package}: {problem}")]
    Malformed {
        /// Debian name of the package.
        package: String,
        /// What is wrong.
        problem: String,
    },
    /// An RPM could not be written.
    #[error("writing the RPM {package}: {source}")]
    Rpm {
        /// Name of the RPM.
        package: String,
        /// The `rpm` crate's error.
        source: Box<rpm::Error>,
    },
    /// The output folder holds something else.
    #[error("{} exists and is not a mini release; it is left alone", .0.display())]
    Foreign(PathBuf),
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Error {
    /// The exit code of the program: 3 the host lacks something, 4 the network failed, 1 the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotDebian { .. } | Self::Architecture(_) | Self::MissingTool { .. } => 3,
            Self::Fetch(_) => 4,
            _ => 1,
        }
    }

    /// For `map_err`: an I/O error gets the path it is about.
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }
}
