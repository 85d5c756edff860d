//! Reading and tidying a root that packages were installed into.
//!
//! A package can put a symbolic link anywhere, `/var -> /` of the host included, so nothing here
//! follows one: every path below the root is walked part by part first.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::ComposeError;
use super::files::remove;

/// The kernel of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its version, the name of its folder below `/usr/lib/modules`: `6.1.0-9.fc43.x86_64`.
    pub version: String,
    /// The compressed kernel, on the host's file system.
    pub image: PathBuf,
}

/// The newest kernel of `root`, by the version of its modules folder.
///
/// Fedora's kernel packages keep the image beside the modules, as `vmlinuz`
/// (<https://uapi-group.org/specifications/specs/boot_loader_specification/> copies it to /boot).
///
/// # Errors
///
/// [`ComposeError::NoKernel`] when no package brought one.
pub fn find_kernel(root: &Path) -> Result<Kernel, ComposeError> {
    let modules = below(root, "usr/lib/modules").filter(|path| path.is_dir());
    let entries = modules
        .and_then(|path| path.read_dir().ok())
        .into_iter()
        .flatten();
    let mut kernels: Vec<Kernel> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let version = entry.file_name().into_string().ok()?;
            let image = below(root, &format!("usr/lib/modules/{version}/vmlinuz"))?;
            image.is_file().then_some(Kernel { version, image })
        })
        .collect();
    kernels.sort_by(|a, b| compare_versions(&a.version, &b.version));
    kernels.pop().ok_or(ComposeError::NoKernel)
}

/// Compares versions by their runs of digits and of letters, as rpm does
/// (<https://rpm-software-management.github.io/rpm/manual/dependencies.html>), without `~` and `^`,
/// which kernel folders do not have.
fn compare_versions(a: &str, b: &str) -> std::cmp::Ordering {
    fn parts(version: &str) -> Vec<(bool, u64, &str)> {
        version
            .split(|c: char| !c.is_ascii_alphanumeric())
            .flat_map(|word| {
                let digits = |c: char| c.is_ascii_digit();
                word.split_inclusive(digits).flat_map(move |part| {
                    // "fc43" comes as "fc4", "3": only the order within one version scheme counts.
                    let at = part.find(digits).unwrap_or(part.len());
                    let (letters, number) = part.split_at(at);
                    [(letters, "")].into_iter().chain([("", number)])
                })
            })
            .filter(|(letters, number)| !letters.is_empty() || !number.is_empty())
            .fold(
                Vec::new(),
                |mut parts: Vec<(bool, u64, &str)>, (letters, number)| {
                    match (parts.last_mut(), number.parse::<u64>()) {
                        (Some((true, value, _)), Ok(digit)) if letters.is_empty() => {
                            *value = value.saturating_mul(10).saturating_add(digit);
                        }
                        (_, Ok(digit)) => parts.push((true, digit, "")),
                        (_, Err(_)) => parts.push((false, 0, letters)),
                    }
                    parts
                },
            )
    }
    parts(a).cmp(&parts(b))
}

/// Removes what a fresh installation should not carry: dnf's logs and caches, the machine's
/// identity, and caches that would differ from build to build.
///
/// # Errors
///
/// The operating system's, with the path.
pub fn tidy(root: &Path) -> Result<(), ComposeError> {
    let at = |path: PathBuf| move |source| ComposeError::Io { path, source };
    for name in [
        "var/cache/dnf",
        "var/cache/libdnf5",
        "var/cache/ldconfig/aux-cache",
        "var/lib/rpm/__db.001",
        "var/lib/systemd/random-seed",
    ] {
        if let Some(path) = below(root, name) {
            remove(&path).map_err(at(path.clone()))?;
        }
    }
    // dnf's history has times and the host's paths; an image that is not made by dnf has none either.
    for history in [
        "var/lib/dnf/history.sqlite",
        "usr/lib/sysimage/libdnf5/transaction_history.sqlite",
    ] {
        for name in [
            history.to_owned(),
            format!("{history}-wal"),
            format!("{history}-shm"),
        ] {
            if let Some(path) = below(root, &name) {
                remove(&path).map_err(at(path.clone()))?;
            }
        }
    }
    for folder in ["usr/lib/sysimage/rpm", "var/lib/rpm"] {
        settle_database(root, folder)?;
    }
    // dnf 4 keeps its logs in the root it installs into.
    if let Some(logs) = below(root, "var/log").filter(|path| path.is_dir()) {
        let entries = logs.read_dir().map_err(at(logs.clone()))?;
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if ["dnf", "hawkey.log"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                remove(&entry.path()).map_err(at(entry.path()))?;
            }
        }
    }
    // An empty machine-id is filled in at boot; a missing one makes systemd ask first-boot
    // questions on the console (machine-id(5)).
    if let Some(id) = below(root, "etc/machine-id")
        && below(root, "etc").is_some_and(|etc| etc.is_dir())
    {
        std::fs::write(&id, "").map_err(at(id.clone()))?;
    }
    Ok(())
}

/// Removes what SQLite shares between the programs that have a database open: nobody has, and it
/// differs from build to build. It stays as long as the log beside it has what the database lacks
/// (<https://www.sqlite.org/tempfiles.html>).
fn settle_database(root: &Path, folder: &str) -> Result<(), ComposeError> {
    let file = |end: &str| below(root, &format!("{folder}/rpmdb.sqlite{end}"));
    let (Some(log), Some(shared)) = (file("-wal"), file("-shm")) else {
        return Ok(());
    };
    if log.metadata().is_ok_and(|log| log.len() > 0) {
        return Ok(());
    }
    for path in [log, shared] {
        remove(&path).map_err(|source| ComposeError::Io { path, source })?;
    }
    Ok(())
}

/// Makes the folders that sandboxes mount on, where no package brought them.
///
/// # Errors
///
/// The operating system's, with the path.
pub(crate) fn make_mount_points(root: &Path) -> Result<(), ComposeError> {
    for name in ["dev", "proc", "run", "sys", "tmp", "var/tmp"] {
        if let Some(path) = below(root, name) {
            super::files::make_folder(&path)?;
        }
    }
    Ok(())
}

/// Accounts that were made on the day of `from` seconds since 1970 are of the day of `to`: the third
/// field of [shadow(5)](https://man7.org/linux/man-pages/man5/shadow.5.html).
///
/// # Errors
///
/// The operating system's, with the path.
pub(crate) fn redate_accounts(root: &Path, from: u64, to: u64) -> Result<(), ComposeError> {
    const DAY: u64 = 86_400;
    let (from, to) = ((from / DAY).to_string(), (to / DAY).to_string());
    for name in ["etc/shadow", "etc/shadow-"] {
        let Some(path) = below(root, name).filter(|path| path.is_file() && from != to) else {
            continue;
        };
        let at = |source| ComposeError::Io {
            path: path.clone(),
            source,
        };
        let text = std::fs::read_to_string(&path).map_err(at)?;
        let lines = text.lines().map(|line| {
            let mut fields: Vec<&str> = line.split(':').collect();
            if let Some(day) = fields.get_mut(2).filter(|day| **day == from) {
                *day = &to;
            }
            fields.join(":") + "\n"
        });
        let redated: String = lines.collect();
        std::fs::write(&path, redated).map_err(at)?;
    }
    Ok(())
}

/// `name` below `root`; nothing when a part of it is a symbolic link or climbs out.
#[must_use]
pub fn below(root: &Path, name: &str) -> Option<PathBuf> {
    let mut path = root.to_owned();
    for part in Path::new(name).components() {
        let Component::Normal(part) = part else {
            return None;
        };
        path.push(part);
        if path.is_symlink() {
            return None;
        }
    }
    Some(path)
}

/// Where `name` of the root can be written: its folder is there, nothing is at its place any more,
/// and no symbolic link of a package leads elsewhere.
///
/// # Errors
///
/// The operating system's; a symbolic link among the folders.
pub fn vacant(root: &Path, name: &str) -> io::Result<PathBuf> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let folder = below(root, folder).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "a symbolic link is in the way")
    })?;
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(file);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(path),
    }
}

/// What the files of `root` take on the disk, in bytes.
///
/// # Errors
///
/// The operating system's.
pub fn size(root: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut total = 0;
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir()? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            total += metadata.blocks() * 512;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering;

    fn file(root: &Path, name: &str) -> PathBuf {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, name).unwrap();
        path
    }

    #[test]
    fn versions_compare_by_number() {
        for (smaller, larger) in [
            ("6.9.1-200.fc43", "6.10.0-100.fc43"),
            ("6.1.0-9-cloud-amd64", "6.1.0-41-cloud-amd64"),
            ("6.10.0-1.fc42.x86_64", "6.10.0-1.fc43.x86_64"),
            ("6.10.0-1", "6.10.0-1.1"),
        ] {
            assert_eq!(
                compare_versions(smaller, larger),
                Ordering::Less,
                "{smaller} {larger}"
            );
            assert_eq!(compare_versions(larger, smaller), Ordering::Greater);
        }
        assert_eq!(compare_versions("6.1", "6.1"), Ordering::Equal);
    }

    #[test]
    fn the_newest_kernel_with_an_image_is_taken() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(
            find_kernel(root.path()),
            Err(ComposeError::NoKernel)
        ));
        file(root.path(), "usr/lib/modules/6.9.0/vmlinuz");
        file(root.path(), "usr/lib/modules/6.10.0/vmlinuz");
        file(root.path(), "usr/lib/modules/6.11.0/modules.dep");
        let kernel = find_kernel(root.path()).unwrap();
        assert_eq!(kernel.version, "6.10.0");
        assert!(kernel.image.ends_with("usr/lib/modules/6.10.0/vmlinuz"));
    }

    #[test]
    fn tidying_leaves_an_empty_machine_id_and_no_logs_of_dnf() {
        let root = tempfile::tempdir().unwrap();
        let id = file(root.path(), "etc/machine-id");
        let kept = file(root.path(), "var/log/wtmp");
        let gone = [
            file(root.path(), "var/log/dnf.rpm.log"),
            file(root.path(), "var/log/hawkey.log"),
            file(root.path(), "var/cache/dnf/x/packages/y.rpm"),
            file(root.path(), "var/lib/dnf/history.sqlite"),
            file(root.path(), "var/lib/dnf/history.sqlite-wal"),
            file(root.path(), "usr/lib/sysimage/rpm/rpmdb.sqlite-shm"),
        ];
        tidy(root.path()).unwrap();
        assert_eq!(std::fs::read(&id).unwrap(), b"");
        assert!(kept.exists() && !gone.iter().any(|path| path.exists()));
    }

    #[test]
    fn accounts_of_a_day_are_of_another() {
        let root = tempfile::tempdir().unwrap();
        let shadow = file(root.path(), "etc/shadow");
        std::fs::write(&shadow, "root:!:100:0:99999:7:::\nbin:*:7:0:::::\n").unwrap();
        redate_accounts(root.path(), 100 * 86_400 + 5, 101 * 86_400).unwrap();
        let text = std::fs::read_to_string(&shadow).unwrap();
        assert_eq!(text, "root:!:101:0:99999:7:::\nbin:*:7:0:::::\n");
    }

    #[test]
    fn a_database_keeps_what_is_only_in_its_log() {
        let root = tempfile::tempdir().unwrap();
        let of = |end: &str| format!("usr/lib/sysimage/rpm/rpmdb.sqlite{end}");
        let kept = ["", "-wal", "-shm"].map(|end| file(root.path(), &of(end)));
        tidy(root.path()).unwrap();
        assert!(kept.iter().all(|path| path.exists()));
        std::fs::write(&kept[1], "").unwrap();
        tidy(root.path()).unwrap();
        assert_eq!(kept.map(|path| path.exists()), [true, false, false]);
    }

    #[test]
    fn a_link_that_a_package_left_is_never_followed() {
        let host = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        let precious = file(host.path(), "cache/dnf/precious");
        file(host.path(), "log/dnf.log");
        std::os::unix::fs::symlink(host.path(), root.path().join("var")).unwrap();
        tidy(root.path()).unwrap();
        assert!(precious.exists() && host.path().join("log/dnf.log").exists());
        assert_eq!(below(root.path(), "../etc"), None);
        assert_eq!(below(root.path(), "/etc"), None);
    }
}
