//! Debian's kernel package as Fedora's `kernel`, `kernel-core` and `kernel-modules`.

use crate::Error;
use crate::dependency::Dependency;
use crate::package::{File, Files, Package, Scriptlets};

const MODULES: &str = "/usr/lib/modules";

/// What `depmod` writes besides the modules; `kernel-core` owns it, since it is there without
/// `kernel-modules` too.
const MADE_BY_DEPMOD: &[&str] = &[
    "modules.alias",
    "modules.alias.bin",
    "modules.builtin.alias.bin",
    "modules.builtin.bin",
    "modules.dep",
    "modules.dep.bin",
    "modules.devname",
    "modules.softdep",
    "modules.symbols",
    "modules.symbols.bin",
];

/// Whether a Debian package is a kernel (and not the name that stands for the newest one).
pub(crate) fn is_kernel(debian: &str) -> bool {
    debian
        .strip_prefix("linux-image-")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Splits a kernel as Fedora does: `kernel-core` boots, `kernel-modules` drives, `kernel` asks for
/// both.
///
/// As in Fedora, the kernel's image, configuration and symbols are beside its modules; nothing is
/// in `/boot`. The release of the kernel (`uname -r`) is Debian's.
pub(crate) fn split(whole: Package) -> Result<Vec<Package>, Error> {
    let release = kernel_release(&whole)?;
    let home = format!("{MODULES}/{release}");

    let mut core_files = Files::new();
    let mut module_files = Files::new();
    for (path, file) in whole.files {
        if let Some(name) = path.strip_prefix("/boot/") {
            // "vmlinuz-6.1.0-1-cloud-amd64" and its like, without the kernel's release.
            let name = name.strip_suffix(&format!("-{release}")).unwrap_or(name);
            core_files.insert(format!("{home}/{name}"), file);
        } else if path.starts_with(&format!("{home}/kernel")) {
            module_files.insert(path, file);
        } else {
            core_files.insert(path, file);
        }
    }
    for name in MADE_BY_DEPMOD {
        core_files.insert(format!("{home}/{name}"), File::ghost());
    }

    let part = |name: &str, files: Files| Package {
        name: name.to_owned(),
        version: whole.version.clone(),
        arch: whole.arch.clone(),
        summary: whole.summary.clone(),
        built: whole.built,
        files,
        requires: Vec::new(),
        provides: Vec::new(),
        scriptlets: Scriptlets::default(),
    };
    let same = |name: &str| Dependency::equal(name, &whole.version);

    let mut core = part("kernel-core", core_files).requires(["dracut", "kmod", "systemd-udev"]);
    core.requires.push(same("kernel-modules-core"));
    core.provides
        .push(Dependency::any(format!("kernel-uname-r({release})")));
    core.scriptlets.posttrans = Some(format!("/usr/sbin/depmod -a {release}"));

    let mut modules = part("kernel-modules", module_files);
    modules.requires.push(same("kernel-core"));
    modules.provides.push(same("kernel-modules-core"));

    let mut kernel = part("kernel", Files::new());
    kernel
        .requires
        .extend([same("kernel-core"), same("kernel-modules")]);
    Ok(vec![kernel, core, modules])
}

fn kernel_release(whole: &Package) -> Result<String, Error> {
    whole
        .files
        .keys()
        .find_map(|path| path.strip_prefix("/boot/vmlinuz-"))
        .map(str::to_owned)
        .ok_or_else(|| Error::Malformed {
            package: whole.name.clone(),
            problem: "there is no /boot/vmlinuz-RELEASE in it".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_package_with_a_number_is_a_kernel() {
        assert!(is_kernel("linux-image-6.1.0-56-cloud-amd64"));
        assert!(!is_kernel("linux-image-cloud-amd64"));
    }

    #[test]
    fn a_kernel_is_split_as_in_fedora() {
        let whole = Package::own("linux-image-6.1-x", "6.1.2-3", "Linux")
            .file("/boot/vmlinuz-6.1-x", File::text("", 0o644))
            .file("/boot/config-6.1-x", File::text("", 0o644))
            .file("/usr/lib/modules/6.1-x", File::folder(0o755))
            .file(
                "/usr/lib/modules/6.1-x/modules.order",
                File::text("", 0o644),
            )
            .file("/usr/lib/modules/6.1-x/kernel/a.ko", File::text("", 0o644));
        let packages = split(whole).unwrap();
        let names: Vec<&str> = packages.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["kernel", "kernel-core", "kernel-modules"]);
        assert!(packages[0].files.is_empty());
        for name in ["vmlinuz", "config", "modules.order", "modules.dep"] {
            assert!(
                packages[1]
                    .files
                    .contains_key(&format!("/usr/lib/modules/6.1-x/{name}"))
            );
        }
        assert_eq!(
            packages[2].files.keys().collect::<Vec<_>>(),
            ["/usr/lib/modules/6.1-x/kernel/a.ko"]
        );
    }

    #[test]
    fn a_kernel_without_an_image_is_refused() {
        assert!(split(Package::own("linux-image-6.1-x", "1-1", "Linux")).is_err());
    }
}
