//! What the image holds.

use crate::spec::{Backend, Compression, Shared};

/// What a boot image of the native engine holds when the spec does not say.
const DEFAULT_PACKAGES: [&str; 1] = ["@core"];

/// Without these the native engine's image does not boot.
const BOOT_PACKAGES: [&str; 2] = ["kernel", "dracut-live"];

/// The packages that dnf or lorax is asked for.
pub(super) fn packages(
    shared: &Shared,
    initramfs: Compression,
    backend: Backend,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let selection = shared.selection();
    let mut packages: Vec<String> = selection
        .iter()
        .map(|package| package.as_str().to_owned())
        .collect();
    if backend != Backend::Native {
        return packages;
    }
    if packages.iter().all(|name| name.starts_with('-')) {
        packages.splice(0..0, DEFAULT_PACKAGES.map(str::to_owned));
    }
    let compressor = initramfs.algorithm.as_str();
    let missing: Vec<&str> = BOOT_PACKAGES
        .into_iter()
        .chain([compressor])
        .filter(|name| !packages.iter().any(|package| package == name))
        .collect();
    if !missing.is_empty() && !selection.is_empty() {
        notes.push(format!(
            "{} added: the image cannot boot without",
            missing.join(", ")
        ));
    }
    packages.extend(missing.into_iter().map(str::to_owned));
    packages
}
