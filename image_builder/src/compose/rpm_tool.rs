//! rpm itself, where dnf has nothing to solve: the difference between two roots.

use std::path::{Path, PathBuf};

use super::sandbox;
use crate::plan::InstallOptions;
use crate::process::Invocation;
use crate::repo_create::nevra;
use crate::source_date::dated;

/// Puts `packages` into `root`, in the place of whatever version is there, in a sandbox without network.
/// `home` has the `.rpmmacros` of [`Dnf::macros`](super::dnf::Dnf::macros).
pub(crate) fn install(
    root: &Path,
    home: &Path,
    install: &InstallOptions,
    packages: &[PathBuf],
) -> Invocation {
    let mut rpm = rpm(root, home).args(["-U", "--oldpackage", "--replacepkgs", "--verbose"]);
    if !install.documentation {
        rpm = rpm.arg("--excludedocs");
    }
    let rpm = packages.iter().fold(rpm, |rpm, path| rpm.path(path));
    sandbox::beside(root, dated(rpm))
}

/// Removes packages from `root`.
pub(crate) fn erase(root: &Path, home: &Path, packages: &[String]) -> Invocation {
    let rpm = rpm(root, home).args(["-e", "--allmatches", "--verbose"]);
    sandbox::beside(root, dated(rpm.args(packages.iter().map(String::as_str))))
}

/// Lists what is installed in `root`, a package a line, for [`listed`].
pub(crate) fn list(root: &Path, home: &Path) -> Invocation {
    let format = "%{name} %{epochnum} %{version} %{release} %{arch} %{sha256header}\\n";
    rpm(root, home).args(["-qa", "--qf", format])
}

/// The `name-[epoch:]version-release.arch` and the SHA-256 of the header of a package in a line that [`list`]
/// printed. The keys that signatures were checked by stand among the packages, and are none.
pub(crate) fn listed(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let mut word = || words.next();
    let (name, epoch) = (word()?, word()?.parse().ok()?);
    let (version, release, arch, header) = (word()?, word()?, word()?, word()?);
    let nevra = || nevra(name, epoch, version, release, arch);
    (name != "gpg-pubkey").then(|| (nevra(), header.to_owned()))
}

/// Asks which of `packages` have scriptlets that ran when they came, a name a line, and for the files of each, for
/// [`leaves_behind`].
pub(crate) fn scriptlets(root: &Path, home: &Path, packages: &[String]) -> Invocation {
    // A scriptlet may be a text, a program, or both.
    let each = [
        "PREIN",
        "PREINPROG",
        "POSTIN",
        "POSTINPROG",
        "PRETRANS",
        "PRETRANSPROG",
        "POSTTRANS",
        "POSTTRANSPROG",
        "TRIGGERSCRIPTS",
        "TRIGGERSCRIPTPROG",
    ];
    let tags = each.map(|tag| format!("%|{tag}?{{+}}:{{}}|"));
    let format = format!(
        "%{{name}} {}\\n[%{{=name}} %{{filenames}}\\n]",
        tags.concat()
    );
    rpm(root, home)
        .args(["-q", "--qf", &format])
        .args(packages.iter().map(String::as_str))
}

/// Folders whose files have systemd's triggers make something that stays when they go: accounts, folders, and what is
/// compiled of them all.
const TRIGGERS: [&str; 4] = [
    "/usr/lib/systemd/catalog/",
    "/usr/lib/sysusers.d/",
    "/usr/lib/tmpfiles.d/",
    "/usr/lib/udev/hwdb.d/",
];

/// The name in a line that [`scriptlets`] printed, if the package has had something made that does not go with it.
pub(crate) fn leaves_behind(line: &str) -> Option<&str> {
    let (name, what) = line.split_once(' ')?;
    let is_read = || TRIGGERS.iter().any(|folder| what.starts_with(folder));
    (what.starts_with('+') || is_read()).then_some(name)
}

fn rpm(root: &Path, home: &Path) -> Invocation {
    Invocation::new("rpm")
        .option("--root", root.display())
        .env("HOME", home.to_string_lossy())
        .env("LC_ALL", "C.UTF-8")
}

/// A line that says that a scriptlet failed; rpm goes on with the others.
pub(crate) fn is_scriptlet_failure(line: &str) -> bool {
    line.contains(" scriptlet failed, ") || line.contains(" scriptlet failed:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rpm_works_beside_the_root() {
        let (root, home) = (Path::new("/w/root"), Path::new("/w/home"));
        let options = InstallOptions::default();
        let line = install(root, home, &options, &["/c/a.rpm".into()]).to_string();
        assert!(
            line.starts_with("HOME=/w/home LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH="),
            "{line}"
        );
        assert!(line.ends_with(
            " -- rpm --root=/w/root -U --oldpackage --replacepkgs --verbose --excludedocs /c/a.rpm"
        ));
        let options = InstallOptions {
            documentation: true,
            ..options
        };
        let line = install(root, home, &options, &[]).to_string();
        assert!(!line.contains("excludedocs"), "{line}");
    }

    #[test]
    fn packages_are_listed_and_keys_are_not() {
        let package = |nevra: &str, header: &str| Some((nevra.to_owned(), header.to_owned()));
        assert_eq!(
            listed("a-b 0 1 2.fc43 noarch 0a1b"),
            package("a-b-1-2.fc43.noarch", "0a1b")
        );
        assert_eq!(
            listed("a 3 1 2 x86_64 (none)"),
            package("a-3:1-2.x86_64", "(none)")
        );
        assert_eq!(listed("gpg-pubkey 0 1234 5678 (none) (none)"), None);
        assert_eq!(listed("warning: something is odd here"), None);
    }

    #[test]
    fn packages_that_leave_something_behind_are_told() {
        assert_eq!(leaves_behind("fbs-hello ++"), Some("fbs-hello"));
        assert_eq!(leaves_behind("tree "), None);
        assert_eq!(leaves_behind("tree /usr/lib64/libstdc++.so.6"), None);
        assert_eq!(leaves_behind("tree /usr/lib/sysusers.d"), None);
        assert_eq!(
            leaves_behind("chrony /usr/lib/sysusers.d/chrony.conf"),
            Some("chrony")
        );
        let ask = scriptlets(
            Path::new("/r"),
            Path::new("/h"),
            &["a-1-1.noarch".to_owned()],
        );
        let line = ask.to_string();
        assert!(line.contains("%|POSTINPROG?{+}:{}|%|"), "{line}");
        assert!(line.ends_with(" a-1-1.noarch"), "{line}");
    }

    #[test]
    fn a_failed_scriptlet_is_heard() {
        assert!(is_scriptlet_failure(
            "warning: %post(a-1-1.noarch) scriptlet failed, exit status 1"
        ));
        assert!(!is_scriptlet_failure("a-1-1.noarch"));
    }
}
