//! What cannot be built of a spec anywhere, each value of which is right in itself.

use std::path::Path;

use super::{
    PlanError, backend, check_compression, compression_of, image, initramfs, packages, repositories,
};
use crate::error::StageError;
use crate::host::Host;
use crate::kickstart::{self, Settings};
use crate::spec::{
    Arch, Backend, BuildSpec, ImageType, Mistake, Origin, RepositoryKind, Section, defaults,
};

/// Everything in a spec that no host and no later version of a repository could build, as mistakes in `origin`
/// without a line. What depends on a kickstart's repositories is not among them.
#[must_use]
pub fn contradictions(spec: &BuildSpec, origin: &str) -> Vec<Mistake> {
    let section = Section::find(spec.image_type().as_str()).unwrap_or(Section::Default);
    errors(spec)
        .into_iter()
        .map(|error| {
            let (problem, hint) = (error.to_string(), error.hint());
            Mistake {
                origin: Origin::Text(origin.to_owned()),
                line: None,
                section: Some(section.name().to_owned()),
                key: Some(error.key().to_owned()),
                problem,
                hint,
            }
        })
        .collect()
}

fn errors(spec: &BuildSpec) -> Vec<PlanError> {
    let shared = spec.shared();
    let release = spec.package_release();
    let arch = spec.common.arch.or(Arch::host()).unwrap_or(Arch::X86_64);
    let current_dir = Path::new("/");
    let described = image::description(spec, current_dir).is_some();
    let chosen = backend::choose(&backend::Wanted {
        spec,
        arch,
        release,
        host: &Host::of(arch),
        described,
    });
    let mut errors = Vec::new();
    let backend = match chosen {
        Ok(choice) => choice.name,
        Err(error) => {
            errors.push(error);
            shared.backend.unwrap_or(Backend::Native)
        }
    };
    let rootfs = shared.rootfs.unwrap_or_else(defaults::rootfs);
    let written = shared.compression.unwrap_or_else(|| compression_of(rootfs));
    errors.extend(check_compression(rootfs, written, backend).err());
    let maker = packages::Maker {
        backend,
        arch,
        described,
    };
    let (none, initramfs) = (
        Settings::default(),
        initramfs::compression(release, written),
    );
    let notes = &mut Vec::new();
    errors.extend(packages::packages(spec, &none, initramfs, maker, notes).err());
    let found = repositories::repositories(spec, &none, current_dir, release, arch, notes);
    // The release's own is not needed where a kickstart has repositories.
    let counts = |error: &PlanError| match error {
        PlanError::Repository(id) if id.kind != RepositoryKind::Release => true,
        _ => kickstart::config(spec).is_none(),
    };
    errors.extend(found.err().filter(counts));
    if let Some(dvd) = &spec.dvd
        && spec.image_type() == ImageType::Dvd
        && dvd.sourceisos == Some(true)
        && dvd.nosource == Some(true)
    {
        errors.push(PlanError::NoSources);
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Format;

    #[test]
    fn what_no_host_could_build_is_a_mistake_of_the_spec() {
        for (image, keys, found) in [
            ("dvd", "sourceisos=yes\nnosource=yes", "sourceisos"),
            ("boot", "rootfs=erofs\ncompression=xz", "compression"),
            ("boot", "backend=livecd-creator", "backend"),
            ("boot", "backend=image-builder\npackages=vim", "backend"),
            ("boot", "packages=-@core", "packages"),
            ("boot", "backend=lorax\nrootfs=erofs\ncompression=xz", ""),
            ("boot", "updates=yes", ""),
            ("dvd", "backend=pungi\narch=x86_64", ""),
            (
                "live",
                "arch=aarch64\nbackend=kiwi\nrootfs=erofs\npackages=-@core",
                "backend",
            ),
        ] {
            let text = format!("[DEFAULT]\ntype={image}\nrelease=43\n{keys}\n");
            let spec = BuildSpec::parse(&text, Format::Ini, "a.conf").unwrap();
            let keys: Vec<_> = contradictions(&spec, "a.conf")
                .into_iter()
                .map(|mistake| mistake.key.unwrap())
                .collect();
            assert_eq!(keys.join(" "), found, "{text}");
        }
        let text = "[DEFAULT]\ntype=boot\nrelease=rawhide\nupdates=yes\nbackend=pungi\n";
        let spec = BuildSpec::parse(text, Format::Ini, "a.conf").unwrap();
        let lines: Vec<String> = contradictions(&spec, "a.conf")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "a.conf: [boot] backend: the backend pungi makes DVDs, not boot images; set `backend` to \
                 native or lorax; `fbs doctor` shows which work here",
                "a.conf: [boot] updates: no address is known for the repository rawhide-updates; give \
                 `rawhide-updates_url` or `rawhide-updates_mirror`",
            ]
        );
    }
}
