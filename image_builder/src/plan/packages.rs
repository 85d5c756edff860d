//! What the image holds.

use super::PlanError;
use crate::kickstart::{GroupContent, Packages, Settings};
use crate::spec::{Arch, Backend, BuildSpec, Compression, ImageType};

/// What an image holds when nobody says.
const DEFAULT_PACKAGES: [&str; 1] = ["@core"];

/// Without these the native engine's image does not boot.
const BOOT_PACKAGES: [&str; 2] = ["kernel", "dracut-live"];

/// What a live image needs to boot, beside a kernel, when one of the distribution's tools makes it:
/// each takes loaders from the packages in the image.
fn live_packages(backend: Backend, arch: Arch) -> Vec<&'static str> {
    let loaders: &[&str] = match (backend, arch) {
        // https://github.com/weldr/lorax/blob/master/docs/fedora-livemedia.ks
        (Backend::LivemediaCreator | Backend::LivecdCreator, Arch::X86_64) => &[
            "efibootmgr",
            "grub2-efi-x64",
            "grub2-efi-x64-cdboot",
            "grub2-pc",
            "shim-x64",
        ],
        (Backend::Kiwi, Arch::X86_64) => &[
            "grub2-efi-x64",
            "grub2-efi-x64-cdboot",
            "grub2-efi-x64-modules",
            "grub2-pc",
            "grub2-pc-modules",
            "shim-x64",
        ],
        (Backend::Kiwi, Arch::Aarch64) => &[
            "grub2-efi-aa64",
            "grub2-efi-aa64-cdboot",
            "grub2-efi-aa64-modules",
            "shim-aa64",
        ],
        (_, Arch::Aarch64) => &["efibootmgr", "grub2-efi-aa64-cdboot", "shim-aa64"],
        (_, Arch::Ppc64le) => &["grub2-ppc64le", "grub2-tools", "powerpc-utils"],
        (_, Arch::S390x) => &["s390utils-base"],
        (_, Arch::X86_64 | Arch::I686) => &["grub2-pc"],
    };
    ["kernel", "dracut-live"]
        .into_iter()
        .chain(loaders.iter().copied())
        .collect()
}

/// Who makes the image, for what.
#[derive(Clone, Copy)]
pub(super) struct Maker {
    pub(super) backend: Backend,
    pub(super) arch: Arch,
    /// Whether the spec names a kiwi description, which has packages of its own.
    pub(super) described: bool,
}

/// The packages that dnf or the backend is asked for.
pub(super) fn packages(
    spec: &BuildSpec,
    settings: &Settings,
    initramfs: Compression,
    maker: Maker,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, PlanError> {
    let Maker {
        backend,
        arch,
        described,
    } = maker;
    let mut packages = match spec.image_type() {
        ImageType::Boot => selection(spec)?,
        ImageType::Live if described => return selection(spec),
        ImageType::Live | ImageType::Dvd => of_kickstart(settings.packages.as_ref()),
    };
    let config = spec.live.as_ref().and_then(|live| live.config.as_ref());
    let needed: Vec<&str> = match (backend, spec.image_type()) {
        // A DVD is not started from the packages that lie on it.
        (Backend::Native, ImageType::Boot | ImageType::Live) => boot_packages(initramfs).collect(),
        // It reads no kickstart and takes no packages.
        (Backend::ImageBuilder, _) => return Ok(packages),
        (Backend::Kiwi, ImageType::Live) => live_packages(backend, arch),
        (Backend::LivemediaCreator | Backend::LivecdCreator, ImageType::Live)
            if config.is_none() =>
        {
            live_packages(backend, arch)
        }
        // A kickstart for it has its loaders; this it looks for by name.
        (Backend::LivemediaCreator, ImageType::Live) => vec!["dracut-live"],
        (Backend::Native, ImageType::Dvd) => Vec::new(),
        _ => return Ok(packages),
    };
    let picked = !packages.is_empty();
    if packages.iter().all(|name| name.starts_with('-')) {
        packages.splice(0..0, DEFAULT_PACKAGES.map(str::to_owned));
    }
    let missing: Vec<&str> = needed
        .into_iter()
        .filter(|name| !packages.iter().any(|package| package == name))
        .collect();
    if !missing.is_empty() && picked {
        notes.push(format!(
            "{} added: the image cannot boot without",
            missing.join(", ")
        ));
    }
    packages.extend(missing.into_iter().map(str::to_owned));
    Ok(packages)
}

/// What the installer of a DVD is made of.
pub(super) fn installer(initramfs: Compression) -> Vec<String> {
    DEFAULT_PACKAGES
        .into_iter()
        .chain(boot_packages(initramfs))
        .map(str::to_owned)
        .collect()
}

fn boot_packages(initramfs: Compression) -> impl Iterator<Item = &'static str> {
    BOOT_PACKAGES
        .into_iter()
        .chain([initramfs.algorithm.as_str()])
}

/// What the spec picks.
fn selection(spec: &BuildSpec) -> Result<Vec<String>, PlanError> {
    let selection = spec.shared().selection();
    match selection
        .iter()
        .find(|name| name.as_str().starts_with("-@"))
    {
        Some(group) => Err(PlanError::ExcludedGroup(group.name().to_owned())),
        None => Ok(selection
            .iter()
            .map(|package| package.as_str().to_owned())
            .collect()),
    }
}

/// What a kickstart picks, but for what [`super::InstallOptions`] has to look up.
fn of_kickstart(picked: Option<&Packages>) -> Vec<String> {
    let Some(picked) = picked else {
        return Vec::new();
    };
    let core = "core".to_owned();
    let groups = picked
        .groups
        .iter()
        .filter(|group| group.value.content == GroupContent::Default)
        .map(|group| &group.value.name);
    // The installer adds it unless told not to.
    let core_is_named = picked.groups.iter().any(|group| group.value.name == core);
    let core = (!picked.options.no_core && !core_is_named).then_some(&core);
    let environment = picked
        .environment
        .iter()
        .filter(|_| picked.excluded_groups.is_empty())
        .map(|name| format!("@^{}", name.value));
    let all = environment
        .chain(
            core.into_iter()
                .chain(groups)
                .map(|name| format!("@{name}")),
        )
        .chain(picked.packages.iter().map(|name| name.value.clone()))
        .chain(
            picked
                .excluded
                .iter()
                .map(|name| format!("-{}", name.value)),
        );
    all.collect()
}
