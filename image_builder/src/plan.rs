//! From what the user wrote to what will be done: [`BuildPlan`].
//!
//! A plan has no gap that a later stage would have to guess at. It is made of a spec and of what
//! the host has, without touching the network or starting a program, and it can be serialised:
//! `fbs plan` prints it, the report contains what it decided.

mod backend;
mod contradictions;
mod error;
mod image;
mod initramfs;
mod install;
mod limits;
mod names;
mod options;
mod packages;
mod repositories;
mod side;
mod sources;
mod staging;

pub use contradictions::contradictions;
pub use error::PlanError;
pub use image::{DvdPlan, ImagePlan, KickstartPlan, LivePlan, description};
pub use install::InstallOptions;
pub use names::{VOLUME_ID_MAX, volume_id};
pub use options::{CACHE_DIR, CACHE_MAX_BYTES, PlanOptions};
pub use repositories::repositories_of;
pub use side::{SIDE_REPOSITORY, SidePlan};
pub use staging::Staging;

use std::path::{Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use self::image::Named;
use crate::destdir::Destdir;
use crate::events::Stage;
use crate::host::{DnfVersion, Host, Missing, boot_test_requirements, requirements};
use crate::job_id::JobId;
use crate::process::Invocation;
use crate::redact;
use crate::repository::Repository;
use crate::source_date::SourceDate;
use crate::spec::{
    Arch, Backend, BootTest, BuildSpec, Compression, CompressionAlgorithm, CompressionPreset,
    ImageType, Release, RootFs, defaults,
};

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
    /// The side repository, if the build has one.
    pub side_repository: PathBuf,
    /// Caches shared by all builds of the host.
    pub cache: PathBuf,
    /// What these may hold at most, in bytes.
    pub cache_max_bytes: u64,
    /// Whether a new root may be made in memory, where it fits.
    pub in_memory: bool,
    /// Where the tree is left; no tree is kept when absent.
    pub tree: Option<PathBuf>,
    /// Where the image is delivered; to each of them.
    pub staging: Vec<Staging>,
}

/// The commands of one stage, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// Its commands, as they are with an empty cache. `{kernel-version}` and `{kernel-date}` stand for
    /// what only the installed root tells, and
    /// `{source-date-epoch}` for what only the solved set of packages tells.
    #[serde(serialize_with = "redact::serialize")]
    pub commands: Vec<Invocation>,
}

/// Everything that a build will do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BuildPlan {
    /// The job's id: sorts by time, safe in URLs and file names.
    pub job: String,
    /// When the plan was made.
    pub created: Timestamp,
    /// The time that the image is to carry; absent where its newest package says it.
    #[serde(rename = "source_date_epoch")]
    pub source_date: Option<SourceDate>,
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
    #[serde(serialize_with = "redact::serialize")]
    pub repositories: Vec<Repository>,
    /// The side repository, which is then the first of them, if Koji builds are asked for.
    pub side: Option<SidePlan>,
    /// Packages, `@groups` and `-exclusions`, as dnf takes them.
    pub packages: Vec<String>,
    /// How they are installed.
    pub install: InstallOptions,
    /// The flattened kickstart of a live image or a DVD; never serialised.
    #[serde(skip)]
    pub kickstart: KickstartPlan,
    /// What only this kind of image has.
    pub image: ImagePlan,
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
    /// The compression of the initramfs.
    pub initramfs: Compression,
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
    #[serde(serialize_with = "redact::serialize")]
    pub spec: BuildSpec,
}

/// What a spec asks for, in words: `boot image of Fedora 43 (x86_64)`.
#[must_use]
pub fn title(spec: &BuildSpec, arch: Arch) -> String {
    let named = Named::of(spec);
    let version = named.version;
    let version = version.unwrap_or_else(|| spec.package_release().to_string());
    format!(
        "{} image of {} {version} ({arch})",
        spec.image_type(),
        named.product
    )
}

impl BuildPlan {
    /// Decides everything but the commands, which the chosen backend adds. `kickstart` is the
    /// one of the spec ([`crate::kickstart::of_spec`]); a boot image has none.
    ///
    /// # Errors
    ///
    /// See [`PlanError`]. What is only missing on the host is no error; it is in
    /// [`BuildPlan::missing`].
    pub fn new(
        spec: &BuildSpec,
        kickstart: &KickstartPlan,
        host: &Host,
        options: &PlanOptions,
    ) -> Result<Self, PlanError> {
        let source_date = options.source_date_epoch.as_deref();
        let source_date = source_date
            .map(|text| SourceDate::of_environment(text, options.now))
            .transpose()?;
        let image_type = spec.image_type();
        let shared = spec.shared();
        let release = spec.package_release().clone();
        let arch = spec.common.arch.or(host.arch).unwrap_or(Arch::X86_64);
        let named = Named::of(spec);
        let version = named.version.clone().unwrap_or_else(|| release.to_string());
        let described = image::description(spec, &options.current_dir).is_some();
        let backend = backend::choose(&backend::Wanted {
            spec,
            arch,
            release: &release,
            host,
            described,
        })?;
        let rootfs = shared.rootfs.unwrap_or_else(defaults::rootfs);
        let written = shared.compression.unwrap_or_else(|| compression_of(rootfs));
        let initramfs = initramfs::compression(&release, written);
        check_compression(rootfs, written, backend.name)?;
        let compression = meant_for(rootfs, written);
        let boot_test = shared.boot_test.unwrap_or_else(defaults::boot_test);

        let mut notes = Vec::new();
        if !spec.common.email.is_empty() && !options.notified {
            notes.push("mail is sent with --notify only".to_owned());
        }
        let packages = packages::packages(
            spec,
            &kickstart.settings,
            initramfs,
            packages::Maker {
                backend: backend.name,
                arch,
                described,
            },
            &mut notes,
        )?;
        let mut repositories = repositories::repositories(
            spec,
            &kickstart.settings,
            &options.current_dir,
            &release,
            arch,
            &mut notes,
        )?;
        let side = SidePlan::of(spec, shared, arch, &release, options)?;
        limits::note(spec, backend.name, side.is_some(), &mut notes);
        let job = match &options.job {
            Some(job) => job.to_string(),
            None => JobId::new(options.now).to_string(),
        };
        let stamp = options
            .now
            .to_zoned(TimeZone::system())
            .strftime("%Y%m%d%H%M%S")
            .to_string();
        let name = format!(
            "{}-{image_type}-{release}-{arch}-{stamp}",
            names::file_word(&named.product)
        );
        let here = |path: &Path| options.current_dir.join(spec.resolve(path));
        let work_parent = match &named.work {
            Some(path) => here(path),
            None => PathBuf::from(defaults::WORK_DIR),
        };
        let work = work_parent.join(&job);
        let side_repository = work.join("side");
        if side.is_some() {
            repositories.insert(0, side::repository(&side_repository));
        }
        let mut needs = requirements(backend.name, arch, rootfs);
        if boot_test != BootTest::None {
            needs.extend(boot_test_requirements(boot_test != BootTest::Bios));
        }
        let staging = staging(spec, &options.current_dir, &mut notes);
        let install = InstallOptions::of(image_type, &kickstart.settings, &mut notes);
        let mut image = image::of(spec, &version, initramfs, &work, &options.current_dir);
        if let ImagePlan::Dvd(dvd) = &mut image {
            dvd.find_sources(&repositories, &mut notes)?;
        }
        let volume_id = match (&named.label, image_type) {
            (Some(label), _) => label.clone(),
            (None, ImageType::Boot) => volume_id(&named.product, &version, arch.basearch()),
            (None, ImageType::Live) => volume_id(&named.product, "Live", &version),
            (None, ImageType::Dvd) => {
                let product = format!("{}-{}", named.product, image.flavor());
                volume_id(&product, &version, arch.basearch())
            }
        };
        Ok(Self {
            title: title(spec, arch),
            created: options.now,
            source_date,
            image_type,
            arch,
            volume_id,
            name,
            repositories,
            side,
            packages,
            install,
            kickstart: kickstart.clone(),
            image,
            proxy: shared
                .proxy
                .as_ref()
                .map(|proxy| proxy.as_written().to_owned()),
            dnf: host.dnf.unwrap_or(DnfVersion::Dnf5),
            mkimage: host.mkimage().to_owned(),
            processors: host.processors,
            rootfs,
            compression,
            initramfs,
            boot_test,
            timeout_seconds: shared
                .timeout
                .unwrap_or_else(defaults::timeout)
                .duration()
                .as_secs(),
            paths: Paths {
                work,
                side_repository,
                work_parent,
                cache: match &named.cache {
                    Some(path) => here(path),
                    None => options.current_dir.join(&options.cache_dir),
                },
                cache_max_bytes: options.cache_max_bytes,
                in_memory: options.in_memory,
                tree: named.tree.as_deref().map(here),
                staging,
            },
            missing: host.missing(&needs),
            notes,
            steps: Vec::new(),
            spec: spec.clone(),
            release,
            product: named.product,
            version,
            backend,
            job,
        })
    }

    /// The image's file name where it is delivered: a DVD has the one that pungi gives it, which
    /// its list of checksums names.
    #[must_use]
    pub fn image_file(&self) -> String {
        match &self.image {
            ImagePlan::Dvd(dvd) => Destdir::of(self, dvd).dvd_name(),
            ImagePlan::Boot | ImagePlan::Live(_) => format!("{}.iso", self.name),
        }
    }

    /// The repositories that exist before the build.
    pub fn release_repositories(&self) -> impl Iterator<Item = &Repository> {
        self.repositories
            .iter()
            .filter(|repository| repository.id != SIDE_REPOSITORY)
    }
}

/// EROFS with lz4 is read by every kernel that reads EROFS; zstd by those from 6.10 on.
fn compression_of(rootfs: RootFs) -> Compression {
    match rootfs {
        RootFs::Squashfs => defaults::compression(),
        RootFs::Erofs => Compression::of(CompressionAlgorithm::Lz4),
    }
}

/// What a word means for this file system: EROFS has only lz4 that all its kernels read, and a
/// thorough way of it.
fn meant_for(rootfs: RootFs, written: Compression) -> Compression {
    match (rootfs, written.preset) {
        (RootFs::Erofs, Some(preset)) => Compression {
            preset: Some(preset),
            level: (preset == CompressionPreset::Small).then_some(12),
            ..compression_of(rootfs)
        },
        _ => written,
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
            compression,
            reason: "in a way that Fedora's kernels read".to_owned(),
        });
    }
    Ok(())
}

/// Each place once, however often and in whichever words the spec names it.
fn staging(spec: &BuildSpec, current_dir: &Path, notes: &mut Vec<String>) -> Vec<Staging> {
    let folder = |path: &Path| current_dir.join(spec.resolve(path));
    let mut places: Vec<Staging> = Vec::new();
    for address in &spec.common.staging {
        let place = Staging::of(address, folder);
        let Some(named) = places.iter().find(|one| one.is_same_place(&place)) else {
            places.push(place);
            continue;
        };
        let note = format!("staging names {named} more than once: it gets one copy");
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    match places.is_empty() {
        true => vec![Staging::Folder(current_dir.join(defaults::STAGING))],
        false => places,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StageError;
    use crate::host::tests::complete;
    use crate::kickstart::Kickstart;
    use crate::repository::Source;
    use crate::spec::{Format, RequireLanded};

    fn options() -> PlanOptions {
        let now = "2026-11-21T09:42:24Z".parse().unwrap();
        PlanOptions::new(now, "/home/qa", "/var/cache/fbs")
    }

    fn plan_on(host: &Host, text: &str) -> Result<BuildPlan, PlanError> {
        let spec = BuildSpec::parse(text, Format::Ini, "boot.conf").unwrap();
        BuildPlan::new(&spec, &KickstartPlan::default(), host, &options())
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
        let staging = Staging::Folder("/home/qa/fbs-images".into());
        assert_eq!(plan.paths.staging, [staging]);
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
    fn koji_builds_make_a_side_repository_that_wins() {
        let plan = plan(&format!(
            "{BOOT}nvr = bash-5.2-1.fc43;\nbid = 7\ntag = f43-build-side-1\nrequire_landed = any\n"
        ))
        .unwrap();
        let side = plan.side.as_ref().unwrap();
        assert_eq!(side.builds.len(), 2);
        assert_eq!(side.tags[0].as_str(), "f43-build-side-1");
        assert_eq!(side.require_landed, RequireLanded::Any);
        let first = &plan.repositories[0];
        assert_eq!(
            (first.id.as_str(), first.priority),
            (SIDE_REPOSITORY, Some(1))
        );
        let url = format!("file://{}/side", plan.paths.work.display());
        assert_eq!(first.sources, [Source::BaseUrl(url)]);
        assert_eq!(plan.release_repositories().count(), 1);
    }

    #[test]
    fn the_specs_koji_goes_before_the_environments() {
        let mut options = options();
        options.koji_hub = Some("http://env/kojihub".to_owned());
        options.koji_files = Some("http://env/files/".to_owned());
        let koji = |more: &str| {
            let text = format!("{BOOT}bid = 7\n{more}");
            let spec = BuildSpec::parse(&text, Format::Ini, "boot.conf").unwrap();
            let plan =
                BuildPlan::new(&spec, &KickstartPlan::default(), &complete(), &options).unwrap();
            let koji = plan.side.unwrap().koji;
            (koji.hub.to_string(), koji.files.to_string())
        };
        let pair = |hub: &str, files: &str| (hub.to_owned(), files.to_owned());
        assert_eq!(koji(""), pair("http://env/kojihub", "http://env/files/"));
        assert_eq!(
            koji("koji_hub = http://spec/kojihub\n"),
            pair("http://spec/kojihub", "http://spec/kojifiles")
        );
        assert_eq!(
            koji("koji_files = http://spec/x\n"),
            pair("http://env/kojihub", "http://spec/x")
        );
    }

    #[test]
    fn what_cannot_be_done_is_said_with_the_way_out() {
        for (more, expected) in [
            (
                "arch = aarch64\n",
                "the image is for aarch64, and this host is x86_64",
            ),
            (
                "backend = kiwi\n",
                "the backend kiwi makes live images, not boot images",
            ),
            (
                "backend = pungi\n",
                "the backend pungi makes DVDs, not boot images",
            ),
            (
                "rootfs = erofs\ncompression = xz\n",
                "erofs cannot be compressed with xz",
            ),
            (
                "rootfs = erofs\ncompression = release\n",
                "erofs cannot be compressed with release (xz) in a way that Fedora's kernels read",
            ),
        ] {
            let error = plan(&format!("{BOOT}{more}")).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn a_place_that_is_named_twice_gets_one_copy() {
        let plan = plan(&format!(
            "{BOOT}staging = /srv/b;file:///home/qa/same;./same;./same/;ftp://u:secret@h/x;ftp://u:secret@h/x/\n"
        ))
        .unwrap();
        let places: Vec<String> = plan.paths.staging.iter().map(ToString::to_string).collect();
        assert_eq!(places, ["/srv/b", "/home/qa/same", "ftp://u:***@h/x"]);
        let named = |note: &&String| note.starts_with("staging names");
        let notes: Vec<&String> = plan.notes.iter().filter(named).collect();
        assert_eq!(
            notes,
            [
                "staging names /home/qa/same more than once: it gets one copy",
                "staging names ftp://u:***@h/x more than once: it gets one copy",
            ]
        );
    }

    fn with_kickstart(section: &str, text: &str) -> Result<BuildPlan, PlanError> {
        let spec = format!("[DEFAULT]\ntype = {section}\nrelease = 43\n[{section}]\n");
        let spec = BuildSpec::parse(&spec, Format::Ini, "a.conf").unwrap();
        let kickstart = KickstartPlan::new(Kickstart::parse(text, "a.ks")?)?;
        BuildPlan::new(&spec, &kickstart, &complete(), &options())
    }

    #[test]
    fn a_kickstart_says_where_packages_come_from_and_which() {
        let plan = with_kickstart(
            "live",
            "repo --name=fedora --mirrorlist=http://m/ --cost=5 --excludepkgs=a,b\n\
             %packages --excludedocs --inst-langs=en\n@base-x\n@fonts --optional\nvim\n-nano\n%end\n",
        )
        .unwrap();
        assert_eq!(plan.title, "live image of Fedora 43 (x86_64)");
        assert_eq!(plan.volume_id, "Fedora-Live-43");
        assert_eq!(
            plan.packages,
            [
                "@core",
                "@base-x",
                "vim",
                "-nano",
                "kernel",
                "dracut-live",
                "zstd"
            ]
        );
        let fedora = &plan.repositories[0];
        assert_eq!((plan.repositories.len(), fedora.cost), (1, Some(5)));
        assert!(fedora.section().contains("excludepkgs=a b\n"));
        assert_eq!(plan.install.groups[0].name, "fonts");
        assert!(plan.install.weak_dependencies && !plan.install.documentation);
        assert_eq!(
            plan.install.languages.as_deref(),
            Some(&["en".to_owned()][..])
        );
        let ImagePlan::Live(live) = &plan.image else {
            panic!("{:?}", plan.image);
        };
        assert_eq!(
            (live.title.as_str(), live.script_seconds),
            ("Fedora 43 Live", 1800)
        );
    }

    #[test]
    fn a_kickstart_without_repositories_takes_the_releases() {
        let plan = with_kickstart("dvd", "%packages --nocore\nvim\n%end\n").unwrap();
        assert_eq!(plan.packages, ["vim"]);
        assert_eq!(plan.repositories[0].id, "43");
        assert_eq!(plan.volume_id, "Fedora-Server-43-x86_64");
        let ImagePlan::Dvd(dvd) = &plan.image else {
            panic!("{:?}", plan.image);
        };
        assert!(dvd.stages.is_all() && !dvd.sources && !dvd.keep);
        assert_eq!(dvd.installer, ["@core", "kernel", "dracut-live", "zstd"]);
        let error = with_kickstart("dvd", "repo --name=updates\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.ks:1: the repository updates has no address"
        );
    }

    #[test]
    fn a_serialised_plan_shows_no_password() {
        let mut plan = plan(&format!(
            "{BOOT}proxy = http://u:secret@p\n43_url = http://u:secret@h/os\n"
        ))
        .unwrap();
        let lorax = Invocation::new("lorax").args(["--proxy", "http://u:secret@p"]);
        plan.steps.push(Step {
            stage: Stage::Tool,
            commands: vec![lorax],
        });
        let json = serde_json::to_string(&plan).unwrap();
        assert!(
            json.contains("http://u:***@h/os") && !json.contains("secret"),
            "{json}"
        );
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
}
