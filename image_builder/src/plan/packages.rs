//! What the image holds.

use super::PlanError;
use crate::kickstart::{GroupContent, Packages, Settings};
use crate::spec::{Backend, BuildSpec, Compression, ImageType};

/// What an image holds when nobody says.
const DEFAULT_PACKAGES: [&str; 1] = ["@core"];

/// Without these the native engine's image does not boot.
const BOOT_PACKAGES: [&str; 2] = ["kernel", "dracut-live"];

/// The packages that dnf or the backend is asked for.
pub(super) fn packages(
    spec: &BuildSpec,
    settings: &Settings,
    initramfs: Compression,
    backend: Backend,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, PlanError> {
    let mut packages = match spec.image_type() {
        ImageType::Boot => selection(spec)?,
        ImageType::Live | ImageType::Dvd => of_kickstart(settings.packages.as_ref()),
    };
    if backend != Backend::Native {
        return Ok(packages);
    }
    let picked = !packages.is_empty();
    if packages.iter().all(|name| name.starts_with('-')) {
        packages.splice(0..0, DEFAULT_PACKAGES.map(str::to_owned));
    }
    // A DVD is not started from the packages that lie on it.
    if spec.image_type() != ImageType::Dvd {
        let missing = boot_packages(initramfs)
            .filter(|name| !packages.iter().any(|package| package == name))
            .collect::<Vec<_>>();
        if !missing.is_empty() && picked {
            notes.push(format!(
                "{} added: the image cannot boot without",
                missing.join(", ")
            ));
        }
        packages.extend(missing.into_iter().map(str::to_owned));
    }
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
