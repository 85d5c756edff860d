//! From what the user wrote to what will be done: [`BuildPlan`].
//!
//! A plan has no gap that a later stage would have to guess at. It is made of a spec and of what
//! the host has, without touching the network or starting a program, and it can be serialised:
//! `fbs plan` prints it, the report contains it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use crate::error::{ErrorKind, StageError};
use crate::events::Stage;
use crate::host::{DnfVersion, Host, Missing, boot_test_requirements, requirements};
use crate::process::Invocation;
use crate::repository::{Repository, Source};
use crate::spec::password::serialize_hidden;
use crate::spec::{
    AddressKind, Arch, Backend, BootTest, BuildSpec, Compression, CompressionAlgorithm, ImageType,
    Release, RepositoryId, RepositoryKind, RootFs, Shared, defaults,
};

/// Why no plan can be made of a spec that is right in itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The image type is not one that this version makes.
    #[error("this version makes boot images; {0} images are not made yet")]
    ImageType(ImageType),
    /// The backend cannot make this image.
    #[error("the backend {backend} {problem}")]
    Backend {
        /// The backend.
        backend: Backend,
        /// What is wrong with it.
        problem: String,
    },
    /// Koji builds are asked for.
    #[error("{keys} cannot be honoured yet: this version takes packages from repositories only")]
    KojiBuilds {
        /// `nvr`, `bid` or both.
        keys: String,
    },
    /// The architecture is not the host's.
    #[error("the image is for {wanted}, and this host is {host}")]
    Arch {
        /// The image's.
        wanted: Arch,
        /// The host's.
        host: String,
    },
    /// The staging address is one that this version cannot deliver to.
    #[error("images cannot be delivered to {0} yet: this version delivers to a local folder")]
    Staging(String),
    /// Root file system and compression do not go together.
    #[error("{rootfs} cannot be compressed with {compression} {reason}")]
    Compression {
        /// The file system.
        rootfs: RootFs,
        /// The compression.
        compression: CompressionAlgorithm,
        /// Why.
        reason: String,
    },
    /// The release has no known address.
    #[error("no address is known for the repository {0}")]
    Repository(RepositoryId),
}

impl StageError for PlanError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Arch { .. } => ErrorKind::Host,
            _ => ErrorKind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::ImageType(_) => "set `type = boot`".to_owned(),
            Self::Backend { .. } => {
                "set `backend` to auto, native or lorax; `fbs doctor` shows which work here"
                    .to_owned()
            }
            Self::KojiBuilds { keys } => {
                format!("leave {keys} out, or put the RPMs into a repository of their own")
            }
            Self::Arch { wanted, .. } => format!("run it on a {wanted} machine"),
            Self::Staging(_) => "name a folder, as in `staging = file:///srv/images`".to_owned(),
            Self::Compression { .. } => {
                "set `rootfs = squashfs`, or `compression = lz4`".to_owned()
            }
            Self::Repository(id) => format!("give `{id}_url` or `{id}_mirror`"),
        })
    }
}

/// What a plan needs to know beside spec and host.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// Now: it goes into names.
    pub now: Timestamp,
    /// The folder from which relative default paths count.
    pub current_dir: PathBuf,
    /// Where caches shared by all builds of the host are.
    pub cache_dir: PathBuf,
}

impl PlanOptions {
    /// Now, here, and the cache in `FBS_CACHE_DIR` or `/var/cache/fbs`.
    #[must_use]
    pub fn from_environment() -> Self {
        let cache_dir = std::env::var_os("FBS_CACHE_DIR").filter(|dir| !dir.is_empty());
        Self {
            now: Timestamp::now(),
            current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            cache_dir: cache_dir.map_or_else(|| PathBuf::from(CACHE_DIR), PathBuf::from),
        }
    }
}

/// Where caches are unless the environment says otherwise.
pub const CACHE_DIR: &str = "/var/cache/fbs";

/// A backend and why it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendChoice {
    /// The backend; never `auto`.
    pub name: Backend,
    /// Why.
    pub reason: String,
}

/// The folders of a build, all absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paths {
    /// Work directory that all builds of the spec share; it stays.
    pub work_parent: PathBuf,
    /// Work directory of this build alone; it goes when the build ends.
    pub work: PathBuf,
    /// Caches shared by all builds of the host.
    pub cache: PathBuf,
    /// Where the tree is left; no tree is kept when absent.
    pub tree: Option<PathBuf>,
    /// The staging folder.
    pub staging: PathBuf,
}

/// The commands of one stage, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// Its commands. `{kernel-version}` in one stands for what only the installed root tells.
    #[serde(serialize_with = "serialize_hidden")]
    pub commands: Vec<Invocation>,
}

/// Everything that a build will do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BuildPlan {
    /// The job's id: sorts by time, safe in URLs and file names.
    pub job: String,
    /// When the plan was made.
    pub created: Timestamp,
    /// `boot image of Fedora 43 (x86_64)`.
    pub title: String,
    /// The image's kind.
    pub image_type: ImageType,
    /// Its architecture.
    pub arch: Arch,
    /// The release whose packages it holds.
    pub release: Release,
    /// The product's name.
    pub product: String,
    /// The product's version.
    pub version: String,
    /// `<product>-<type>-<release>-<arch>-<timestamp>`: the image's name without ending.
    pub name: String,
    /// The ISO's volume id.
    pub volume_id: String,
    /// Who makes it.
    pub backend: BackendChoice,
    /// Where packages come from, the first listed first. Passwords are serialised as `***`.
    #[serde(serialize_with = "serialize_hidden")]
    pub repositories: Vec<Repository>,
    /// Packages, `@groups` and `-exclusions`, as dnf takes them.
    pub packages: Vec<String>,
    /// The proxy for package downloads, password included; never serialised.
    #[serde(skip)]
    pub proxy: Option<String>,
    /// Which dnf installs.
    pub dnf: DnfVersion,
    /// The host's name for grub-mkimage.
    pub mkimage: String,
    /// How many processors packing may use.
    pub processors: usize,
    /// The root file system.
    pub rootfs: RootFs,
    /// Its compression.
    pub compression: Compression,
    /// Firmware that the finished image is booted with.
    pub boot_test: BootTest,
    /// The build's time limit in seconds.
    pub timeout_seconds: u64,
    /// The folders.
    pub paths: Paths,
    /// What the host lacks for this plan; a build does not start then.
    pub missing: Vec<Missing>,
    /// What a reader should know: choices made for them.
    pub notes: Vec<String>,
    /// Every command, filled in by [`crate::imagebuilder::ImageBuilder::plan`].
    pub steps: Vec<Step>,
    /// The spec as it was written. Passwords are serialised as `***`.
    #[serde(serialize_with = "serialize_hidden")]
    pub spec: BuildSpec,
}

impl BuildPlan {
    /// Decides everything but the commands, which the chosen backend adds.
    ///
    /// # Errors
    ///
    /// See [`PlanError`]. What is only missing on the host is no error; it is in
    /// [`BuildPlan::missing`].
    pub fn new(spec: &BuildSpec, host: &Host, options: &PlanOptions) -> Result<Self, PlanError> {
        let image_type = spec.image_type();
        if image_type != ImageType::Boot {
            return Err(PlanError::ImageType(image_type));
        }
        let shared = spec.shared();
        refuse_koji_builds(shared)?;
        let boot = spec.boot_or_default();
        let release = spec.package_release().clone();
        let arch = spec.common.arch.or(host.arch).unwrap_or(Arch::X86_64);
        let product = boot
            .product
            .clone()
            .unwrap_or_else(|| defaults::PRODUCT.to_owned());
        let version = boot.version.clone().unwrap_or_else(|| release.to_string());
        let backend = choose_backend(shared.backend.unwrap_or_default(), arch, &release, host)?;
        let rootfs = shared.rootfs.unwrap_or_else(defaults::rootfs);
        let compression = shared.compression.unwrap_or_else(defaults::compression);
        check_compression(rootfs, compression, backend.name)?;
        let boot_test = shared.boot_test.unwrap_or_else(defaults::boot_test);

        let mut notes = Vec::new();
        let packages = packages(shared, compression, backend.name, &mut notes);
        let repositories = repositories(spec, shared, &release, arch, &mut notes)?;
        let job = job_id(options.now);
        let stamp = options
            .now
            .to_zoned(TimeZone::system())
            .strftime("%Y%m%d%H%M%S")
            .to_string();
        let name = format!(
            "{}-{image_type}-{release}-{arch}-{stamp}",
            file_word(&product)
        );
        let work_parent = match &boot.workdir {
            Some(path) => spec.resolve(path),
            None => PathBuf::from(defaults::WORK_DIR),
        };
        let work_parent = options.current_dir.join(work_parent);
        let mut needs = requirements(backend.name, arch, rootfs);
        if boot_test != BootTest::None {
            needs.extend(boot_test_requirements(boot_test != BootTest::Bios));
        }
        Ok(Self {
            title: format!("{image_type} image of {product} {version} ({arch})"),
            created: options.now,
            image_type,
            arch,
            volume_id: volume_id(&product, &version, arch.basearch()),
            name,
            repositories,
            packages,
            proxy: shared
                .proxy
                .as_ref()
                .map(|proxy| proxy.as_written().to_owned()),
            dnf: host.dnf.unwrap_or(DnfVersion::Dnf5),
            mkimage: host.mkimage().to_owned(),
            processors: host.processors,
            rootfs,
            compression,
            boot_test,
            timeout_seconds: shared
                .timeout
                .unwrap_or_else(defaults::timeout)
                .duration()
                .as_secs(),
            paths: Paths {
                work: work_parent.join(&job),
                work_parent,
                cache: options.current_dir.join(&options.cache_dir),
                tree: boot
                    .outdir
                    .as_ref()
                    .map(|path| options.current_dir.join(spec.resolve(path))),
                staging: staging(spec, &options.current_dir)?,
            },
            missing: host.missing(&needs),
            notes,
            steps: Vec::new(),
            spec: spec.clone(),
            release,
            product,
            version,
            backend,
            job,
        })
    }
}

fn refuse_koji_builds(shared: &Shared) -> Result<(), PlanError> {
    let keys: Vec<&str> = [
        ("nvr", shared.nvr.is_empty()),
        ("bid", shared.bid.is_empty()),
    ]
    .into_iter()
    .filter_map(|(key, empty)| (!empty).then_some(key))
    .collect();
    if keys.is_empty() {
        Ok(())
    } else {
        Err(PlanError::KojiBuilds {
            keys: keys.join(" and "),
        })
    }
}

fn choose_backend(
    wanted: Backend,
    arch: Arch,
    release: &Release,
    host: &Host,
) -> Result<BackendChoice, PlanError> {
    let runs_here =
        host.arch == Some(arch) || (host.arch == Some(Arch::X86_64) && arch == Arch::I686);
    if !runs_here {
        let host = host
            .arch
            .map_or_else(|| "of an unknown kind".to_owned(), |arch| arch.to_string());
        return Err(PlanError::Arch { wanted: arch, host });
    }
    let native_can = matches!(arch, Arch::X86_64 | Arch::Aarch64 | Arch::I686);
    let refuse = |problem: &str| {
        Err(PlanError::Backend {
            backend: wanted,
            problem: problem.to_owned(),
        })
    };
    let choice = |name, reason: String| Ok(BackendChoice { name, reason });
    match wanted {
        Backend::Native if !native_can => {
            refuse(&format!("does not make images for {arch}; lorax does"))
        }
        Backend::Native | Backend::Lorax => choice(wanted, "the spec asks for it".to_owned()),
        Backend::Auto => {
            let lorax = host.program(&["lorax"]).is_some();
            // lorax makes images of the release that it comes from.
            let fits = host.id == "fedora" && host.version == release.to_string();
            match (lorax, fits) {
                (true, true) => choice(
                    Backend::Lorax,
                    format!("lorax is installed and this is Fedora {release}"),
                ),
                (true, false) if native_can => choice(
                    Backend::Native,
                    format!("lorax is installed, but this is not Fedora {release}"),
                ),
                (false, _) if native_can => {
                    choice(Backend::Native, "lorax is not installed".to_owned())
                }
                _ => choice(
                    Backend::Lorax,
                    format!("the native engine does not make images for {arch}"),
                ),
            }
        }
        Backend::LivemediaCreator | Backend::LivecdCreator => {
            refuse("makes live images, not boot images")
        }
        Backend::Pungi => refuse("makes DVDs, not boot images"),
        Backend::Kiwi | Backend::ImageBuilder => refuse("is not supported yet"),
    }
}

fn check_compression(
    rootfs: RootFs,
    compression: Compression,
    backend: Backend,
) -> Result<(), PlanError> {
    if rootfs == RootFs::Erofs
        && compression.algorithm == CompressionAlgorithm::Xz
        && backend == Backend::Native
    {
        return Err(PlanError::Compression {
            rootfs,
            compression: compression.algorithm,
            reason: "in a way that Fedora's kernels read".to_owned(),
        });
    }
    Ok(())
}

/// What a boot image of the native engine holds when the spec does not say.
const DEFAULT_PACKAGES: [&str; 1] = ["@core"];

/// Without these the native engine's image does not boot.
const BOOT_PACKAGES: [&str; 2] = ["kernel", "dracut-live"];

fn packages(
    shared: &Shared,
    compression: Compression,
    backend: Backend,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let mut packages: Vec<String> = shared
        .packages
        .iter()
        .map(|package| package.as_str().to_owned())
        .collect();
    if backend != Backend::Native {
        return packages;
    }
    if packages.iter().all(|name| name.starts_with('-')) {
        packages.splice(0..0, DEFAULT_PACKAGES.map(str::to_owned));
    }
    let compressor = compression.algorithm.as_str();
    let missing: Vec<&str> = BOOT_PACKAGES
        .into_iter()
        .chain([compressor])
        .filter(|name| !packages.iter().any(|package| package == name))
        .collect();
    if !missing.is_empty() && !shared.packages.is_empty() {
        notes.push(format!(
            "{} added: the image cannot boot without",
            missing.join(", ")
        ));
    }
    packages.extend(missing.into_iter().map(str::to_owned));
    packages
}

fn repositories(
    spec: &BuildSpec,
    shared: &Shared,
    release: &Release,
    arch: Arch,
    notes: &mut Vec<String>,
) -> Result<Vec<Repository>, PlanError> {
    let mut kinds = vec![RepositoryKind::Release];
    if shared.updates == Some(true) {
        kinds.push(RepositoryKind::Updates);
    }
    if shared.updates_testing == Some(true) {
        kinds.push(RepositoryKind::UpdatesTesting);
    }
    let base = spec.base_dir.clone().unwrap_or_else(|| PathBuf::from("/"));
    let gpg = Signatures::of(shared, release, &base);
    let mut repositories = Vec::new();
    for kind in kinds {
        let id = RepositoryId::new(release.clone(), kind);
        let mut sources = Vec::new();
        if let Some(urls) = shared.repositories.get(&id) {
            sources.extend(
                urls.url
                    .iter()
                    .map(|url| Source::BaseUrl(url.to_url_text(&base))),
            );
            sources.extend(
                urls.mirror
                    .iter()
                    .map(|url| Source::mirror(url.to_url_text(&base))),
            );
        }
        let written = !sources.is_empty();
        if !written {
            let source = match defaults::mirror_name(&id) {
                // Releases below this number are on the archive server, which has no mirrors.
                Some(name) if release.number().is_none_or(|number| number > 41) => {
                    Source::Metalink(defaults::metalink(&name, arch))
                }
                _ => Source::BaseUrl(
                    defaults::repository_url(&id, arch)
                        .ok_or_else(|| PlanError::Repository(id.clone()))?,
                ),
            };
            sources.push(source);
        }
        let mut repository = Repository::new(id.to_string(), sources);
        gpg.apply(&mut repository, written);
        if !repository.gpg_check {
            notes.push(format!("the signatures of {id}'s packages are not checked"));
        }
        repositories.push(repository);
    }
    Ok(repositories)
}

/// What the spec and the host say about signatures.
struct Signatures {
    check: Option<bool>,
    keys: Vec<String>,
    fedora: Option<String>,
}

impl Signatures {
    fn of(shared: &Shared, release: &Release, base: &Path) -> Self {
        // From the packages fedora-gpg-keys and distribution-gpg-keys.
        let fedora = release.number().and_then(|number| {
            [
                format!("/etc/pki/rpm-gpg/RPM-GPG-KEY-fedora-{number}-primary"),
                format!(
                    "/usr/share/distribution-gpg-keys/fedora/RPM-GPG-KEY-fedora-{number}-primary"
                ),
            ]
            .into_iter()
            .find(|path| Path::new(path).exists())
        });
        Self {
            check: shared.gpgcheck,
            keys: shared
                .gpgkey
                .iter()
                .map(|key| key.to_url_text(base))
                .collect(),
            fedora: fedora.map(|path| format!("file://{path}")),
        }
    }

    /// Checks where there is a key to check with, and where the spec insists.
    fn apply(&self, repository: &mut Repository, written: bool) {
        repository.gpg_keys = self.keys.clone();
        if repository.gpg_keys.is_empty() && (!written || self.check == Some(true)) {
            repository.gpg_keys.extend(self.fedora.clone());
        }
        repository.gpg_check = self.check.unwrap_or(!repository.gpg_keys.is_empty());
    }
}

fn staging(spec: &BuildSpec, current_dir: &Path) -> Result<PathBuf, PlanError> {
    let Some(address) = &spec.common.staging else {
        return Ok(current_dir.join(defaults::STAGING));
    };
    match (address.kind(), address.path()) {
        (AddressKind::Local, Some(path)) => Ok(current_dir.join(spec.resolve(&path))),
        _ => Err(PlanError::Staging(address.to_string())),
    }
}

/// An id that sorts by time: `20261121T094224-k3v9q0`.
fn job_id(now: Timestamp) -> String {
    // The hasher of the standard library is seeded by the operating system.
    let mut random = RandomState::new().build_hasher().finish();
    let mut id = now.strftime("%Y%m%dT%H%M%S-").to_string();
    for _ in 0..6 {
        let digit = u32::try_from(random % 36).unwrap_or_default();
        id.push(char::from_digit(digit, 36).unwrap_or('0'));
        random /= 36;
    }
    id
}

/// A word for a file name: what is not a letter, a digit, `.` or `_` becomes `-`.
fn file_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let word: String = text
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .collect();
    word.trim_start_matches(['.', '-']).to_owned()
}

/// The largest volume id that ISO 9660 has room for, in characters.
pub const VOLUME_ID_MAX: usize = 32;

/// A volume id from `product-version-arch`: at most 32 characters, all of them such that GRUB,
/// udev and the kernel's command line take them as they are.
#[must_use]
pub fn volume_id(product: &str, version: &str, arch: &str) -> String {
    let clean = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                    c
                } else {
                    '-'
                }
            })
            .collect()
    };
    // The end tells images apart, so a long product gives way.
    let end = format!("-{}-{}", clean(version), clean(arch));
    let room = VOLUME_ID_MAX.saturating_sub(end.len()).max(1);
    let mut id: String = clean(product).chars().take(room).collect();
    id.truncate(id.trim_end_matches('-').len());
    id.push_str(&end);
    id.truncate(VOLUME_ID_MAX);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::complete;
    use crate::spec::Format;

    fn options() -> PlanOptions {
        PlanOptions {
            now: "2026-11-21T09:42:24Z".parse().unwrap(),
            current_dir: PathBuf::from("/home/qa"),
            cache_dir: PathBuf::from("/var/cache/fbs"),
        }
    }

    fn plan_on(host: &Host, text: &str) -> Result<BuildPlan, PlanError> {
        let spec = BuildSpec::parse(text, Format::Ini, "boot.conf").unwrap();
        BuildPlan::new(&spec, host, &options())
    }

    fn plan(text: &str) -> Result<BuildPlan, PlanError> {
        plan_on(&complete(), text)
    }

    const BOOT: &str = "[DEFAULT]\ntype = boot\nrelease = 43\n";

    #[test]
    fn two_keys_make_a_whole_plan() {
        let plan = plan(BOOT).unwrap();
        assert_eq!(plan.title, "boot image of Fedora 43 (x86_64)");
        assert_eq!(plan.volume_id, "Fedora-43-x86_64");
        assert!(
            plan.name.starts_with("Fedora-boot-43-x86_64-20261121"),
            "{}",
            plan.name
        );
        assert_eq!(plan.packages, ["@core", "kernel", "dracut-live", "zstd"]);
        assert_eq!(plan.backend.name, Backend::Native);
        assert_eq!(plan.repositories[0].id, "43");
        assert!(
            plan.repositories[0].sources[0]
                .url()
                .contains("metalink?repo=fedora-43")
        );
        assert_eq!(plan.paths.staging, Path::new("/home/qa/fbs-images"));
        assert_eq!(plan.paths.work, Path::new("/var/tmp/fbs").join(&plan.job));
        assert_eq!(plan.paths.tree, None);
        assert!(plan.missing.is_empty());
        serde_json::to_string(&plan).unwrap();
    }

    #[test]
    fn auto_takes_lorax_on_the_release_it_comes_from() {
        let mut host = complete();
        host.found.insert("lorax".into(), "/usr/sbin/lorax".into());
        let choice = plan_on(&host, BOOT).unwrap().backend;
        assert_eq!(choice.name, Backend::Lorax);
        assert_eq!(choice.reason, "lorax is installed and this is Fedora 43");
        host.version = "42".into();
        let choice = plan_on(&host, BOOT).unwrap().backend;
        assert_eq!(choice.name, Backend::Native);
        assert_eq!(
            choice.reason,
            "lorax is installed, but this is not Fedora 43"
        );
    }

    #[test]
    fn what_cannot_be_done_is_said_with_the_way_out() {
        for (more, expected) in [
            ("nvr = bash-5.2-1.fc43;\n", "nvr cannot be honoured yet"),
            (
                "arch = aarch64\n",
                "the image is for aarch64, and this host is x86_64",
            ),
            ("backend = kiwi\n", "the backend kiwi is not supported yet"),
            (
                "backend = pungi\n",
                "the backend pungi makes DVDs, not boot images",
            ),
            (
                "staging = ftp://user:secret@host/\n",
                "images cannot be delivered to ftp://",
            ),
            (
                "rootfs = erofs\ncompression = xz\n",
                "erofs cannot be compressed with xz",
            ),
        ] {
            let error = plan(&format!("{BOOT}{more}")).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(error.hint().is_some());
        }
        let live = plan("[DEFAULT]\ntype = live\nrelease = 43\n").unwrap_err();
        assert_eq!(live, PlanError::ImageType(ImageType::Live));
    }

    #[test]
    fn given_packages_keep_what_boots() {
        let plan = plan(&format!("{BOOT}packages = vim; kernel; -man-db\n")).unwrap();
        assert_eq!(
            plan.packages,
            ["vim", "kernel", "-man-db", "dracut-live", "zstd"]
        );
        assert!(
            plan.notes[0].starts_with("dracut-live, zstd added"),
            "{:?}",
            plan.notes
        );
    }

    #[test]
    fn an_address_in_the_spec_wins_and_a_mirror_stands_beside_it() {
        let plan = plan(&format!(
            "{BOOT}updates = 1\n[boot]\n43_url = http://r/os\n43_mirror = http://m/list?x\n\
             43-updates_url = /srv/updates\ngpgkey = /k\n"
        ))
        .unwrap();
        assert_eq!(
            plan.repositories[0].sources,
            [
                Source::BaseUrl("http://r/os".into()),
                Source::MirrorList("http://m/list?x".into())
            ]
        );
        assert_eq!(plan.repositories[1].sources[0].url(), "file:///srv/updates");
        assert!(plan.repositories[0].gpg_check);
        assert_eq!(plan.repositories[0].gpg_keys, ["file:///k"]);
    }

    #[test]
    fn a_serialised_plan_shows_no_password() {
        let mut plan = plan(&format!(
            "{BOOT}proxy = http://u:secret@p\n43_url = http://u:secret@h/os\n"
        ))
        .unwrap();
        plan.steps.push(Step {
            stage: Stage::Tool,
            commands: vec![Invocation::new("lorax").args(["--proxy", "http://u:secret@p"])],
        });
        let json = serde_json::to_string(&plan).unwrap();
        assert!(
            json.contains("http://u:***@h/os") && !json.contains("secret"),
            "{json}"
        );
    }

    #[test]
    fn volume_ids_fit_and_keep_their_end() {
        assert_eq!(volume_id("Fedora", "43", "x86_64"), "Fedora-43-x86_64");
        assert_eq!(
            volume_id("My Fedora", "43 Beta", "x86_64"),
            "My-Fedora-43-Beta-x86_64"
        );
        let long = volume_id("A product with a very long name", "rawhide", "x86_64");
        assert_eq!(long, "A-product-with-a-rawhide-x86_64");
        assert!(volume_id("F", &"9".repeat(60), "x86_64").len() == VOLUME_ID_MAX);
    }

    #[test]
    fn job_ids_sort_by_time_and_differ() {
        let now = options().now;
        let (a, b) = (job_id(now), job_id(now));
        assert!(a.starts_with("20261121T094224-") && a.len() == 22, "{a}");
        assert_ne!(a, b);
    }
}
