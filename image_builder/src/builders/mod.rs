//! Who can make an image: a trait for each kind of image, one file for each tool.
//!
//! A builder turns a [`BuildPlan`] into commands without running them (`steps`), and runs them
//! (`build`): [`Bootiso`], [`Live`], [`Dvd`]. A new backend is one file, its `mod` line and one arm
//! in [`Builder::of`].

pub mod image_builder_cli;
mod kickstart_file;
pub mod kiwi;
pub mod livecd_creator;
pub mod livemedia_creator;
pub mod lorax;
pub mod native;
pub mod pungi;
mod tool;

use std::path::PathBuf;

use async_trait::async_trait;

use crate::compose::ComposeError;
use crate::context::BuildContext;
use crate::error::{ErrorKind, StageError};
use crate::events::Stage;
use crate::plan::{BuildPlan, Step};
use crate::process::CommandError;
use crate::report::KickstartRecord;
use crate::source_date::SourceDate;
use crate::spec::{Backend, ImageType};

/// What a builder leaves, all below the build's work directory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Built {
    /// The tree in lorax's layout, where the image has one.
    pub tree: Option<PathBuf>,
    /// The image; only a DVD of which not every stage runs has none.
    pub iso: Option<PathBuf>,
    /// The ISO's SHA-256 where the builder has computed it.
    pub iso_sha256: Option<String>,
    /// The checksum that is implanted in the ISO, where the builder has computed it of what is on the disk.
    pub media_md5: Option<String>,
    /// The time that the image carries, where the builder sets it.
    pub source_date: Option<SourceDate>,
    /// Further images and lists that are delivered beside it.
    pub extra: Vec<PathBuf>,
    /// The packages that lie on a DVD, as name-epoch:version-release.arch.
    pub packages: Vec<String>,
    /// What became of its kickstart.
    pub kickstart: Option<KickstartRecord>,
    /// Logs of the tool that made it.
    pub logs: Vec<PathBuf>,
}

/// A stage failed.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct BuildError {
    /// Which.
    pub stage: Stage,
    /// Why.
    pub source: ComposeError,
    /// Logs that the tool left all the same.
    pub logs: Vec<PathBuf>,
    /// What became of the kickstart until then.
    pub kickstart: Option<Box<KickstartRecord>>,
}

impl BuildError {
    /// `source` in `stage`.
    pub fn new(stage: Stage, source: impl Into<ComposeError>) -> Self {
        Self {
            stage,
            source: source.into(),
            logs: Vec::new(),
            kickstart: None,
        }
    }
}

impl StageError for BuildError {
    fn kind(&self) -> ErrorKind {
        self.source.kind()
    }

    fn is_transient(&self) -> bool {
        self.source.is_transient()
    }

    fn hint(&self) -> Option<String> {
        self.source.hint()
    }
}

/// Makes boot ISOs.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Bootiso: Send + Sync + std::fmt::Debug {
    /// Every command that [`build`](Self::build) will run, in order, without running any.
    fn steps(&self, plan: &BuildPlan) -> Vec<Step>;

    /// Makes the image in the plan's work directory, which exists and is empty.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the stage. What was made so far stays in the work directory.
    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError>;
}

/// Makes live images.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Live: Send + Sync + std::fmt::Debug {
    /// Every command that [`build`](Self::build) will run, in order, without running any.
    fn steps(&self, plan: &BuildPlan) -> Vec<Step>;

    /// Makes the image in the plan's work directory, which exists and is empty.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the stage. What was made so far stays in the work directory.
    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError>;
}

/// Makes install DVDs.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Dvd: Send + Sync + std::fmt::Debug {
    /// Every command that [`build`](Self::build) will run, in order, without running any.
    fn steps(&self, plan: &BuildPlan) -> Vec<Step>;

    /// Runs the plan's stages on its destination folder; what else it needs goes to the work
    /// directory, which exists and is empty.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the stage. What was made so far stays.
    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError>;
}

/// Who makes the image of a plan.
#[derive(Debug)]
pub enum Builder {
    /// A boot ISO.
    Boot(Box<dyn Bootiso>),
    /// A live image.
    Live(Box<dyn Live>),
    /// An install DVD.
    Dvd(Box<dyn Dvd>),
}

impl Builder {
    /// The builder that a plan chose; nothing for a backend that does not make such images, which
    /// no plan chooses.
    #[must_use]
    pub fn of(image: ImageType, backend: Backend) -> Option<Self> {
        Some(match (image, backend) {
            (ImageType::Boot, Backend::Native) => Self::Boot(Box::new(native::Native)),
            (ImageType::Dvd, Backend::Native) => Self::Dvd(Box::new(native::Native)),
            (ImageType::Live, Backend::Native) => Self::Live(Box::new(native::Native)),
            (ImageType::Boot, Backend::Lorax) => Self::Boot(Box::new(lorax::Lorax)),
            (ImageType::Boot, Backend::ImageBuilder) => {
                Self::Boot(Box::new(image_builder_cli::ImageBuilderCli))
            }
            (ImageType::Live, Backend::ImageBuilder) => {
                Self::Live(Box::new(image_builder_cli::ImageBuilderCli))
            }
            (ImageType::Live, Backend::LivemediaCreator) => {
                Self::Live(Box::new(livemedia_creator::LivemediaCreator))
            }
            (ImageType::Live, Backend::LivecdCreator) => {
                Self::Live(Box::new(livecd_creator::LivecdCreator))
            }
            (ImageType::Live, Backend::Kiwi) => Self::Live(Box::new(kiwi::Kiwi)),
            (ImageType::Dvd, Backend::Pungi) => Self::Dvd(Box::new(pungi::Pungi)),
            _ => return None,
        })
    }

    /// Every command that [`build`](Self::build) will run.
    #[must_use]
    pub fn steps(&self, plan: &BuildPlan) -> Vec<Step> {
        match self {
            Self::Boot(builder) => builder.steps(plan),
            Self::Live(builder) => builder.steps(plan),
            Self::Dvd(builder) => builder.steps(plan),
        }
    }

    /// Makes the image.
    ///
    /// # Errors
    ///
    /// [`BuildError`].
    pub async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
        match self {
            Self::Boot(builder) => builder.build(plan, ctx).await,
            Self::Live(builder) => builder.build(plan, ctx).await,
            Self::Dvd(builder) => builder.build(plan, ctx).await,
        }
    }
}

/// A failed package manager's last words, as an error that names the thing; the command's own
/// error where they say nothing that we know.
fn explain(error: CommandError, folder: &std::path::Path) -> ComposeError {
    use crate::compose::dnf::{Complaint, complaint};
    match complaint(error.tail()) {
        Some(Complaint::Unknown(names)) => ComposeError::UnknownPackages(names),
        Some(Complaint::Unsolvable(reasons)) => ComposeError::Unsolvable(reasons),
        Some(Complaint::Download(line)) => ComposeError::Download(line),
        Some(Complaint::Signature(line)) => ComposeError::Signature(line),
        Some(Complaint::NoSpace) => ComposeError::NoSpace {
            path: folder.to_owned(),
        },
        None => ComposeError::Command(error),
    }
}
