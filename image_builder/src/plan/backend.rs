//! Who makes the image.

use super::{BackendChoice, PlanError};
use crate::host::Host;
use crate::spec::{Arch, Backend, BuildSpec, ImageType, Release, RootFs};

/// What is to be made, and where.
pub(super) struct Wanted<'a> {
    pub(super) spec: &'a BuildSpec,
    pub(super) arch: Arch,
    pub(super) release: &'a Release,
    pub(super) host: &'a Host,
    /// Whether the spec names a kiwi description.
    pub(super) described: bool,
}

/// The backends for an image type, those of the distribution in the order in which they are
/// preferred.
fn makers(image: ImageType) -> &'static [Backend] {
    match image {
        ImageType::Boot => &[Backend::Native, Backend::Lorax, Backend::ImageBuilder],
        ImageType::Live => &[
            Backend::Native,
            Backend::LivemediaCreator,
            Backend::LivecdCreator,
            Backend::Kiwi,
            Backend::ImageBuilder,
        ],
        ImageType::Dvd => &[Backend::Native, Backend::Pungi],
    }
}

/// What a backend makes, for a message.
fn makes(backend: Backend) -> &'static str {
    match backend {
        Backend::Auto | Backend::Native => "all kinds of images",
        Backend::Lorax => "boot images",
        Backend::LivemediaCreator | Backend::LivecdCreator | Backend::Kiwi => "live images",
        Backend::ImageBuilder => "boot and live images",
        Backend::Pungi => "DVDs",
    }
}

/// The architectures that a backend makes images for.
fn arches(backend: Backend) -> &'static [Arch] {
    use Arch::{Aarch64, I686, Ppc64le, S390x, X86_64};
    match backend {
        Backend::Auto | Backend::Lorax => Arch::ALL,
        Backend::Native => &[X86_64, Aarch64, I686],
        // No ISO of other architectures boots by UEFI or BIOS, which is what it makes.
        Backend::Kiwi => &[X86_64, Aarch64],
        Backend::LivecdCreator => &[X86_64, Aarch64, I686],
        Backend::LivemediaCreator | Backend::ImageBuilder => &[X86_64, Aarch64, Ppc64le, S390x],
        Backend::Pungi => &[X86_64, I686],
    }
}

/// The programs that are looked for when nobody says which backend, its own first; those without
/// one are taken only when they are asked for: kiwi and image-builder read no kickstart.
fn automatic(backend: Backend) -> Option<&'static [&'static str]> {
    match backend {
        Backend::Lorax => Some(&["lorax"]),
        // It comes with lorax, the installer that it runs does not.
        Backend::LivemediaCreator => Some(&["livemedia-creator", "anaconda"]),
        Backend::LivecdCreator => Some(&["livecd-creator"]),
        Backend::Pungi => Some(&["pungi"]),
        Backend::Auto | Backend::Native | Backend::Kiwi | Backend::ImageBuilder => None,
    }
}

/// The backend that the spec asks for, or the one that fits the host.
pub(super) fn choose(wanted: &Wanted<'_>) -> Result<BackendChoice, PlanError> {
    let Wanted {
        spec, arch, host, ..
    } = wanted;
    let runs_here =
        host.arch == Some(*arch) || (host.arch == Some(Arch::X86_64) && *arch == Arch::I686);
    if !runs_here {
        let host = host
            .arch
            .map_or_else(|| "of an unknown kind".to_owned(), |arch| arch.to_string());
        return Err(PlanError::Arch {
            wanted: *arch,
            host,
        });
    }
    match spec.shared().backend.unwrap_or_default() {
        Backend::Auto => automatically(wanted),
        name => match problem(name, wanted) {
            None => Ok(BackendChoice {
                name,
                reason: "the spec asks for it".to_owned(),
            }),
            Some(problem) => Err(refused(name, problem, wanted)),
        },
    }
}

/// The distribution's tool where it is installed and makes images of this release, else native.
fn automatically(wanted: &Wanted<'_>) -> Result<BackendChoice, PlanError> {
    let Wanted {
        spec,
        arch,
        release,
        host,
        ..
    } = wanted;
    let image = spec.image_type();
    let choice = |name, reason| Ok(BackendChoice { name, reason });
    // Each of them makes images of the release that it comes from.
    let fits = host.id == "fedora" && host.version == release.to_string();
    let tools = makers(image)
        .iter()
        .filter_map(|name| Some((*name, automatic(*name)?)));
    let able: Vec<_> = tools
        .filter(|(name, _)| problem(*name, wanted).is_none())
        .collect();
    let is_there = |program: &&str| host.program(&[program]).is_some();
    let installed = able
        .iter()
        .find(|(_, programs)| programs.iter().all(is_there));
    let native = problem(Backend::Native, wanted);
    match (installed, &native) {
        (Some((name, programs)), _) if fits => choice(
            *name,
            format!("{} is installed and this is Fedora {release}", programs[0]),
        ),
        (Some((_, programs)), None) => choice(
            Backend::Native,
            format!(
                "{} is installed, but this is not Fedora {release}",
                programs[0]
            ),
        ),
        (None, None) => {
            let names: Vec<&str> = able.iter().map(|(_, programs)| programs[0]).collect();
            let reason = match names.as_slice() {
                [] => format!("no other tool makes {image} images as the spec wants them"),
                [name] => format!("{name} is not installed"),
                names => format!("none of {} is installed", names.join(", ")),
            };
            choice(Backend::Native, reason)
        }
        (_, Some(problem)) => match installed.or(able.first()) {
            Some((name, _)) => choice(
                *name,
                format!("the native engine does not make images for {arch}"),
            ),
            None => Err(refused(Backend::Native, problem.clone(), wanted)),
        },
    }
}

fn refused(backend: Backend, problem: String, wanted: &Wanted<'_>) -> PlanError {
    let others = makers(wanted.spec.image_type()).iter().copied();
    PlanError::Backend {
        backend,
        problem,
        instead: others
            .filter(|other| self::problem(*other, wanted).is_none())
            .collect(),
    }
}

/// Why a backend cannot make this image here; nothing where it can.
fn problem(backend: Backend, wanted: &Wanted<'_>) -> Option<String> {
    let Wanted {
        spec, arch, host, ..
    } = wanted;
    let image = spec.image_type();
    if !makers(image).contains(&backend) {
        return Some(format!(
            "makes {}, not {image} images",
            makes(backend).replace("all kinds of ", "")
        ));
    }
    if !arches(backend).contains(arch) {
        return Some(format!("does not make {image} images for {arch}"));
    }
    let erofs = spec.shared().rootfs == Some(RootFs::Erofs);
    let selection = spec.shared().selection();
    let group = selection.iter().find(|name| name.name().starts_with('@'));
    match (backend, group) {
        (Backend::Kiwi, Some(group)) if wanted.described => Some(format!(
            "adds packages to a description, and {} is a group",
            group.name()
        )),
        (Backend::ImageBuilder, _) => {
            let live = spec.live.as_ref();
            if wanted.release.number().is_none() {
                let release = wanted.release;
                return Some(format!("knows releases by their number, and not {release}"));
            }
            if live.is_some_and(|live| live.config.is_some()) {
                Some("reads no kickstart: what it makes is fixed for each release".to_owned())
            } else if selection.is_empty() {
                None
            } else {
                Some("takes no packages: what it makes is fixed for each release".to_owned())
            }
        }
        (Backend::LivecdCreator | Backend::Kiwi, _) if erofs => {
            Some("packs the root with squashfs, not erofs".to_owned())
        }
        (Backend::Pungi, _) => modern_pungi(host).map(str::to_owned),
        _ => None,
    }
}

/// The pungi that makes a DVD from a kickstart is a Python 2 program: it ended with Fedora 30.
/// Today's package of this name has `pungi-koji`, which makes whole composes.
fn modern_pungi(host: &Host) -> Option<&'static str> {
    const LAST_FEDORA: u32 = 30;
    let koji = host.program(&["pungi-koji"]).is_some();
    let legacy = host.program(&["pungi"]).is_some();
    let modern = host.id == "fedora"
        && host
            .version
            .parse::<u32>()
            .is_ok_and(|version| version > LAST_FEDORA);
    if koji && (!legacy || modern) {
        return Some(
            "is pungi-koji on this host, which makes whole composes out of Koji and no single \
             DVD; the pungi that does ended with Fedora 30",
        );
    }
    (modern && legacy).then_some("of this host does not run: it ended with Fedora 30")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StageError;
    use crate::host::tests::complete;
    use crate::spec::Format;

    fn on(host: &Host, text: &str) -> Result<BackendChoice, PlanError> {
        let spec = BuildSpec::parse(text, Format::Ini, "a.conf").unwrap();
        choose(&Wanted {
            arch: spec.common.arch.unwrap_or(Arch::X86_64),
            release: spec.package_release(),
            spec: &spec,
            host,
            described: false,
        })
    }

    fn with(programs: &[&str]) -> Host {
        let mut host = complete();
        for program in programs {
            let path = format!("/usr/bin/{program}").into();
            host.found.insert((*program).to_owned(), path);
        }
        host
    }

    fn spec(image: &str, more: &str) -> String {
        format!("[DEFAULT]\ntype={image}\nrelease=43\n{more}\n")
    }

    #[test]
    fn auto_takes_the_tool_of_the_release_where_it_is() {
        for (image, installed, release, backend, reason) in [
            (
                "boot",
                "lorax",
                "43",
                "lorax",
                "lorax is installed and this is Fedora 43",
            ),
            (
                "boot",
                "lorax",
                "42",
                "native",
                "lorax is installed, but this is not Fedora 43",
            ),
            (
                "boot",
                "image-builder",
                "43",
                "native",
                "lorax is not installed",
            ),
            (
                "live",
                "livemedia-creator anaconda",
                "43",
                "livemedia-creator",
                "livemedia-creator is installed and this is Fedora 43",
            ),
            // lorax has it, and it does not run.
            (
                "live",
                "livemedia-creator",
                "43",
                "native",
                "none of livemedia-creator, livecd-creator is installed",
            ),
            (
                "live",
                "livecd-creator",
                "43",
                "livecd-creator",
                "livecd-creator is installed and this is Fedora 43",
            ),
            (
                "live",
                "kiwi-ng",
                "43",
                "native",
                "none of livemedia-creator, livecd-creator is installed",
            ),
            // Today's pungi is another program.
            (
                "dvd",
                "pungi",
                "43",
                "native",
                "no other tool makes dvd images as the spec wants them",
            ),
        ] {
            let mut host = with(&installed.split(' ').collect::<Vec<_>>());
            host.version = release.to_owned();
            let choice = on(&host, &spec(image, "")).unwrap();
            assert_eq!(
                (choice.name.as_str(), choice.reason.as_str()),
                (backend, reason)
            );
        }
        let mut old = with(&["pungi", "pungi-koji"]);
        old.version = "20".to_owned();
        let choice = on(&old, "[DEFAULT]\ntype=dvd\nrelease=20\n").unwrap();
        assert_eq!(choice.name, Backend::Pungi);
    }

    #[test]
    fn other_architectures_have_other_makers() {
        let mut host = complete();
        host.arch = Some(Arch::Ppc64le);
        for (image, backend) in [
            ("boot", Backend::Lorax),
            ("live", Backend::LivemediaCreator),
        ] {
            let choice = on(&host, &spec(image, "arch=ppc64le")).unwrap();
            assert_eq!(choice.name, backend);
            assert_eq!(
                choice.reason,
                "the native engine does not make images for ppc64le"
            );
        }
        let error = on(&host, &spec("dvd", "arch=ppc64le")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the backend native does not make dvd images for ppc64le"
        );
        let error = on(&host, &spec("live", "arch=ppc64le\nbackend=kiwi")).unwrap_err();
        assert_eq!(
            error.hint().unwrap(),
            "set `backend` to livemedia-creator or image-builder; `fbs doctor` shows which work here"
        );
    }

    #[test]
    fn what_a_backend_cannot_make_is_refused_with_those_that_can() {
        let live = "native, livemedia-creator, livecd-creator or kiwi";
        for (image, more, words, instead) in [
            (
                "live",
                "backend=lorax",
                "the backend lorax makes boot images, not live images",
                "native, livemedia-creator, livecd-creator, kiwi or image-builder",
            ),
            (
                "boot",
                "backend=livecd-creator",
                "the backend livecd-creator makes live images, not boot images",
                "native, lorax or image-builder",
            ),
            (
                "boot",
                "backend=pungi",
                "the backend pungi makes DVDs, not boot images",
                "native, lorax or image-builder",
            ),
            (
                "dvd",
                "backend=image-builder",
                "the backend image-builder makes boot and live images, not dvd images",
                "native",
            ),
            (
                "boot",
                "backend=image-builder\npackages=vim",
                "the backend image-builder takes no packages: what it makes is fixed for each release",
                "native or lorax",
            ),
            (
                "live",
                "backend=image-builder\n[live]\nconfig=a.ks",
                "the backend image-builder reads no kickstart: what it makes is fixed for each release",
                live,
            ),
            (
                "boot",
                "backend=image-builder\n[boot]\nrelease=rawhide",
                "the backend image-builder knows releases by their number, and not rawhide",
                "native or lorax",
            ),
            (
                "live",
                "backend=livecd-creator\nrootfs=erofs",
                "the backend livecd-creator packs the root with squashfs, not erofs",
                "native, livemedia-creator or image-builder",
            ),
            (
                "dvd",
                "backend=pungi",
                "the backend pungi is pungi-koji on this host, which makes whole composes out of \
                 Koji and no single DVD; the pungi that does ended with Fedora 30",
                "native",
            ),
        ] {
            let error = on(&with(&["pungi-koji"]), &spec(image, more)).unwrap_err();
            assert_eq!(error.to_string(), words);
            assert_eq!(
                error.hint().unwrap(),
                format!("set `backend` to {instead}; `fbs doctor` shows which work here")
            );
        }
    }

    #[test]
    fn a_backend_that_can_is_taken_at_its_word() {
        for (image, backend) in [
            ("boot", "lorax"),
            ("boot", "image-builder"),
            ("live", "image-builder"),
            ("live", "kiwi"),
            ("live", "livecd-creator"),
            ("live", "livemedia-creator"),
        ] {
            let choice = on(&complete(), &spec(image, &format!("backend={backend}"))).unwrap();
            assert_eq!(choice.name.as_str(), backend);
            assert_eq!(choice.reason, "the spec asks for it");
        }
    }
}
