//! What the sections of a spec hold, as they were written: `None` and empty lists are values the
//! spec does not give.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::address::Address;
use super::arch::Arch;
use super::choice::{Backend, BootTest, ImageType, RequireLanded, RootFs};
use super::compression::Compression;
use super::location::Location;
use super::nvr::{BuildId, Nvr};
use super::package::Package;
use super::proxy::Proxy;
use super::release::Release;
use super::repository::{RepositoryId, RepositoryUrls};
use super::stage::Stages;
use super::timeout::Timeout;
use crate::koji::{SigKey, Tag, UpdateId};

/// `[DEFAULT]`: what holds for the job as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Common {
    /// `type`: the kind of image.
    pub image_type: ImageType,
    /// `release`: chooses the worker's queue, and the packages unless a section says otherwise.
    pub release: Release,
    /// `arch`: of the image; the host's if not given.
    pub arch: Option<Arch>,
    /// `staging`: where the image and its logs are delivered; to each of them.
    pub staging: Vec<Address>,
    /// `email`: who is told.
    pub email: Vec<String>,
    /// The values of `[DEFAULT]` that the sections inherit. A section of [`super::BuildSpec`]
    /// already holds what it inherited; look there.
    pub shared: Shared,
}

/// The keys that every section knows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shared {
    /// `nvr`: Koji builds that must be in the image.
    pub nvr: Vec<Nvr>,
    /// `bid`: the same by number.
    pub bid: Vec<BuildId>,
    /// `tag`: the latest builds in these tags.
    pub tag: Vec<Tag>,
    /// `bodhi`: the builds of these updates.
    pub bodhi: Vec<UpdateId>,
    /// `require_landed`: which of these builds must be found in the image.
    pub require_landed: Option<RequireLanded>,
    /// `multilib`: whether their i686 packages are taken for x86_64.
    pub multilib: Option<bool>,
    /// `allow_two_builds`: whether there may be several of one source package.
    pub allow_two_builds: Option<bool>,
    /// `koji_hub`: the address of the hub.
    pub koji_hub: Option<String>,
    /// `koji_files`: the folder above `packages/`.
    pub koji_files: Option<String>,
    /// `bodhi_url`: the address of Bodhi.
    pub bodhi_url: Option<String>,
    /// `sigkey`: keys whose signed copies are taken where they are there, the best first.
    pub sigkey: Vec<SigKey>,
    /// `koji_gpgkey`: the key that the builds' packages must be signed with.
    pub koji_gpgkey: Option<Location>,
    /// `packages`: packages and groups beyond the kickstart's or the template's.
    pub packages: Vec<Package>,
    /// `groups`: groups beyond these, each with its `@`.
    pub groups: Vec<Package>,
    /// `updates`: whether the updates repository is used.
    pub updates: Option<bool>,
    /// `updates-testing`: whether the updates-testing repository is used.
    pub updates_testing: Option<bool>,
    /// `<release>_url`, `<release>-updates_mirror`, ...: by repository, those of other releases
    /// included.
    pub repositories: BTreeMap<RepositoryId, RepositoryUrls>,
    /// `proxy`: through which packages are downloaded.
    pub proxy: Option<Proxy>,
    /// `gpgcheck`: whether packages must be signed.
    pub gpgcheck: Option<bool>,
    /// `gpgkey`: with which key.
    pub gpgkey: Option<Location>,
    /// `backend`: the tool that makes the image.
    pub backend: Option<Backend>,
    /// `compression` of the root file system.
    pub compression: Option<Compression>,
    /// `rootfs`: the root file system.
    pub rootfs: Option<RootFs>,
    /// `boot_test`: firmware the finished image is booted with.
    pub boot_test: Option<BootTest>,
    /// `timeout`: how long the build may take.
    pub timeout: Option<Timeout>,
}

impl Shared {
    /// What is picked: `packages`, then `groups`.
    pub fn selection(&self) -> Vec<Package> {
        self.packages.iter().chain(&self.groups).cloned().collect()
    }
}

/// `[boot]`: a network install ISO.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BootSpec {
    /// `product`: the name the installer shows, `Fedora`.
    pub product: Option<String>,
    /// `release`: of the packages; inherited from `[DEFAULT]`.
    pub release: Option<Release>,
    /// `version`: the version the installer shows.
    pub version: Option<String>,
    /// `outdir`: keep the output tree here.
    pub outdir: Option<PathBuf>,
    /// `workdir`: make the image below this folder.
    pub workdir: Option<PathBuf>,
    /// The keys that every section knows.
    pub shared: Shared,
}

/// `[dvd]`: an install DVD with its packages.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DvdSpec {
    /// `name`: first part of the ISO's name, `Fedora`.
    pub name: Option<String>,
    /// `version`: second part of the ISO's name.
    pub version: Option<String>,
    /// `flavor`: the variant, `Server`.
    pub flavor: Option<String>,
    /// `destdir`: keep the output tree here.
    pub destdir: Option<PathBuf>,
    /// `cachedir`: keep downloaded packages here.
    pub cachedir: Option<PathBuf>,
    /// `workdir`: make the image below this folder.
    pub workdir: Option<PathBuf>,
    /// `bugurl`: where the installer sends its users with bugs.
    pub bugurl: Option<String>,
    /// `nosource`: leave the source packages out.
    pub nosource: Option<bool>,
    /// `sourceisos`: make source ISOs too.
    pub sourceisos: Option<bool>,
    /// `force`: use a destination that is not empty.
    pub force: Option<bool>,
    /// `stage`: the stages to run.
    pub stage: Option<Stages>,
    /// `config`: the kickstart.
    pub config: Option<Location>,
    /// The keys that every section knows.
    pub shared: Shared,
}

/// `[live]`: a live image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveSpec {
    /// `label`: the volume id of the ISO, at most 32 characters.
    pub label: Option<String>,
    /// `title`: the name in the boot menu.
    pub title: Option<String>,
    /// `product`: the product in the boot menu.
    pub product: Option<String>,
    /// `releasever`: the release of the packages; `[DEFAULT]` `release` if not given.
    pub releasever: Option<Release>,
    /// `tmpdir`: make the image below this folder.
    pub tmpdir: Option<PathBuf>,
    /// `cachedir`: keep downloaded packages here.
    pub cachedir: Option<PathBuf>,
    /// `logfile`: keep a log of the tool here.
    pub logfile: Option<PathBuf>,
    /// `profile`: the profile of a kiwi description.
    pub profile: Option<String>,
    /// `post_timeout`: how long a `%post` of the kickstart may run.
    pub post_timeout: Option<Timeout>,
    /// `config`: the kickstart.
    pub config: Option<Location>,
    /// The keys that every section knows.
    pub shared: Shared,
}
