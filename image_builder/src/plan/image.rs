//! What only one kind of image has.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::packages;
use crate::kickstart::{Kickstart, KickstartError, Settings};
use crate::redact;
use crate::repository::Repository;
use crate::spec::{Backend, BuildSpec, Compression, ImageType, Stages, defaults};

/// What only one kind of image has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImagePlan {
    /// A boot ISO has nothing beyond what all have.
    Boot,
    /// A live image.
    Live(LivePlan),
    /// An install DVD.
    Dvd(DvdPlan),
}

/// What only a live image has.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LivePlan {
    /// The name in the boot menu.
    pub title: String,
    /// A copy of the log of a tool that makes it.
    pub log: Option<PathBuf>,
    /// The folder of a kiwi description, if `config` is one.
    pub description: Option<PathBuf>,
    /// The profile of it.
    pub profile: Option<String>,
    /// How long a script of the kickstart may run, in seconds.
    pub script_seconds: u64,
}

/// What only an install DVD has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DvdPlan {
    /// The variant: `Server`.
    pub flavor: String,
    /// The folder above `<version>/<flavor>/<arch>`; below the work directory if the spec names
    /// none.
    pub destination: PathBuf,
    /// Whether the spec names it, so that it stays.
    pub keep: bool,
    /// Whether a destination that is not empty is used.
    pub force: bool,
    /// The stages to run, as pungi's options name them.
    #[serde(serialize_with = "as_text")]
    pub stages: Stages,
    /// Whether source packages are gathered.
    pub sources: bool,
    /// Whether they make an ISO of their own.
    pub source_iso: bool,
    /// Where the installer sends its users with bugs.
    pub bug_url: Option<String>,
    /// Where source packages come from; none if they are not gathered.
    #[serde(serialize_with = "redact::serialize")]
    pub source_repositories: Vec<Repository>,
    /// What the installer on it is made of, as dnf takes it.
    pub installer: Vec<String>,
}

impl ImagePlan {
    /// What only a live image has.
    #[must_use]
    pub fn live(&self) -> Option<&LivePlan> {
        match self {
            Self::Live(live) => Some(live),
            Self::Boot | Self::Dvd(_) => None,
        }
    }

    /// The variant of a DVD; other images have none.
    pub(super) fn flavor(&self) -> &str {
        match self {
            Self::Dvd(dvd) => &dvd.flavor,
            Self::Boot | Self::Live(_) => "",
        }
    }
}

/// What only an image of the spec's kind has.
pub(super) fn of(
    spec: &BuildSpec,
    version: &str,
    initramfs: Compression,
    work: &Path,
    current_dir: &Path,
) -> ImagePlan {
    let here = |path: &PathBuf| current_dir.join(spec.resolve(path));
    match spec.image_type() {
        ImageType::Boot => ImagePlan::Boot,
        ImageType::Live => {
            let live = spec.live_or_default();
            let product = live.product.as_deref().unwrap_or(defaults::PRODUCT);
            let limit = live.post_timeout.unwrap_or_else(defaults::post_timeout);
            ImagePlan::Live(LivePlan {
                title: live
                    .title
                    .clone()
                    .unwrap_or_else(|| format!("{product} {version} Live")),
                log: live.logfile.as_ref().map(here),
                description: description(spec, current_dir),
                profile: live.profile.clone(),
                script_seconds: limit.duration().as_secs(),
            })
        }
        ImageType::Dvd => {
            let dvd = spec.dvd_or_default();
            ImagePlan::Dvd(DvdPlan {
                flavor: dvd
                    .flavor
                    .clone()
                    .unwrap_or_else(|| defaults::FLAVOR.to_owned()),
                destination: dvd
                    .destdir
                    .as_ref()
                    .map_or_else(|| work.join("compose"), here),
                keep: dvd.destdir.is_some(),
                force: dvd.force.unwrap_or_default(),
                stages: dvd.stage.clone().unwrap_or_default(),
                // An ISO of the sources needs them.
                sources: !dvd.nosource.unwrap_or(dvd.sourceisos != Some(true)),
                source_iso: dvd.sourceisos.unwrap_or_default(),
                source_repositories: Vec::new(),
                bug_url: dvd.bugurl.clone(),
                installer: packages::installer(initramfs),
            })
        }
    }
}

/// The folder of a kiwi description, where `config` is one and kiwi is to make the image. All
/// other backends read kickstarts.
#[must_use]
pub fn description(spec: &BuildSpec, current_dir: &Path) -> Option<PathBuf> {
    let config = spec.live.as_ref()?.config.as_ref()?;
    let folder = current_dir.join(spec.resolve(&config.path()?));
    let is_kiwi = spec.shared().backend == Some(Backend::Kiwi);
    (is_kiwi && folder.is_dir()).then_some(folder)
}

fn as_text<S: serde::Serializer>(stages: &Stages, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(stages)
}

/// The kickstart of an image, flattened, and what it asks for. It may hold passwords: it is never
/// serialised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KickstartPlan {
    /// Line for line.
    pub text: Kickstart,
    /// As values.
    pub settings: Settings,
}

impl KickstartPlan {
    /// Understands a flattened kickstart.
    ///
    /// # Errors
    ///
    /// [`KickstartError::Invalid`] with every mistake.
    pub fn new(text: Kickstart) -> Result<Self, KickstartError> {
        let settings = text.settings()?;
        Ok(Self { text, settings })
    }
}

/// What the section of the image's kind says of names and folders, with defaults.
pub(super) struct Named {
    pub(super) product: String,
    pub(super) version: Option<String>,
    pub(super) label: Option<String>,
    pub(super) work: Option<PathBuf>,
    pub(super) cache: Option<PathBuf>,
    pub(super) tree: Option<PathBuf>,
}

impl Named {
    pub(super) fn of(spec: &BuildSpec) -> Self {
        let or_default = |product: Option<&String>| {
            product.map_or_else(|| defaults::PRODUCT.to_owned(), Clone::clone)
        };
        match spec.image_type() {
            ImageType::Boot => {
                let boot = spec.boot_or_default().into_owned();
                Self {
                    product: or_default(boot.product.as_ref()),
                    version: boot.version,
                    label: None,
                    work: boot.workdir,
                    cache: None,
                    tree: boot.outdir,
                }
            }
            ImageType::Live => {
                let live = spec.live_or_default().into_owned();
                Self {
                    product: or_default(live.product.as_ref()),
                    version: None,
                    label: live.label,
                    work: live.tmpdir,
                    cache: live.cachedir,
                    tree: None,
                }
            }
            ImageType::Dvd => {
                let dvd = spec.dvd_or_default().into_owned();
                Self {
                    product: or_default(dvd.name.as_ref()),
                    version: dvd.version,
                    label: None,
                    work: dvd.workdir,
                    cache: dvd.cachedir,
                    tree: None,
                }
            }
        }
    }
}
