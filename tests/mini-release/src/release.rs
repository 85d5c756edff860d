//! Making the release, or finding it made.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::recipe::{Architecture, RELEASE};
use crate::repository::Repository;
use crate::{Error, apt, own, repack, tool};

/// In the release's folder: what it was made of.
const STAMP: &str = ".mini-release";

/// A release on disk.
#[derive(Debug, Clone)]
pub struct MiniRelease {
    root: PathBuf,
    arch: Architecture,
    reused: bool,
}

impl MiniRelease {
    /// Makes the release in the folder `out`, or reuses the one there if it is of the same recipe.
    ///
    /// Debian's packages are kept in `cache`, by default a hidden folder beside `out`. Several
    /// processes may do this at once: one makes the release, the others wait and reuse it. A
    /// release is only ever seen whole, whenever its making was interrupted.
    ///
    /// # Errors
    ///
    /// When the host is not Debian, lacks a program or the network, when `out` is something else,
    /// or when a package does not fit the recipe.
    pub fn make(out: &Path, cache: Option<&Path>) -> Result<Self, Error> {
        let arch = Architecture::host()?;
        let root = std::path::absolute(out).map_err(Error::io(out))?;
        let stamp = stamp(arch);
        refuse_foreign(&root)?;

        let parent = root.parent().ok_or_else(|| Error::Foreign(root.clone()))?;
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
        let lock = beside(&root, "lock");
        let lock_file = File::create(&lock).map_err(Error::io(&lock))?;
        lock_file.lock().map_err(Error::io(&lock))?;

        if fs::read_to_string(root.join(STAMP)).is_ok_and(|found| found == stamp) {
            return Ok(Self {
                root,
                arch,
                reused: true,
            });
        }
        check_debian()?;
        tool::check_installed()?;

        let cache = cache.map_or_else(|| beside(&root, "debs"), Path::to_owned);
        let partial = beside(&root, "partial");
        remove(&partial)?; // what a killed run left
        make_in(&partial, &cache, arch)?;
        let stamp_path = partial.join(STAMP);
        fs::write(&stamp_path, stamp).map_err(Error::io(&stamp_path))?;

        let old = beside(&root, "old");
        remove(&old)?;
        if root.exists() {
            fs::rename(&root, &old).map_err(Error::io(&root))?;
        }
        fs::rename(&partial, &root).map_err(Error::io(&root))?;
        remove(&old)?;
        Ok(Self {
            root,
            arch,
            reused: false,
        })
    }

    /// The folder of the release.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the release was there already.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// The release's number, for `--releasever`.
    pub fn number(&self) -> &'static str {
        RELEASE
    }

    /// RPM's name of the architecture.
    pub fn arch(&self) -> &'static str {
        self.arch.rpm
    }

    /// The folder of a repository, relative to the release's, and to the URL it is served at.
    pub fn folder(&self, repository: Repository) -> String {
        repository.folder(self.arch)
    }

    /// The `file://` URL of a repository.
    pub fn file_url(&self, repository: Repository) -> String {
        format!(
            "file://{}",
            self.root.join(self.folder(repository)).display()
        )
    }
}

fn make_in(root: &Path, cache: &Path, arch: Architecture) -> Result<(), Error> {
    let debs = apt::fetch(cache, arch)?;
    let packages = Repository::Release.create(root, arch, own::release())?;
    Repository::Updates.create(root, arch, own::updates())?;
    Repository::Faulty.create(root, arch, own::faulty())?;
    repack::repack_all(&debs, arch, &packages)?;
    Repository::ALL
        .iter()
        .try_for_each(|repository| repository.index(root, arch))
}

/// What a release is made of, besides Debian's packages: this crate's version and its sources.
///
/// Debian's versions are not part of it: a release that is there stays good, and needs no network.
fn stamp(arch: Architecture) -> String {
    let sources: [&[u8]; _] = [
        include_bytes!("comps.rs"),
        include_bytes!("deb.rs"),
        include_bytes!("dependency.rs"),
        include_bytes!("kernel.rs"),
        include_bytes!("names.rs"),
        include_bytes!("own.rs"),
        include_bytes!("own/faulty.rs"),
        include_bytes!("own/filesystem.rs"),
        include_bytes!("own/hello.rs"),
        include_bytes!("own/identity.rs"),
        include_bytes!("own/setup.rs"),
        include_bytes!("package.rs"),
        include_bytes!("paths.rs"),
        include_bytes!("recipe.rs"),
        include_bytes!("repack.rs"),
        include_bytes!("repository.rs"),
        include_bytes!("version.rs"),
        include_bytes!("../root/85-mini-release.preset"),
        include_bytes!("../root/common-account"),
        include_bytes!("../root/common-auth"),
        include_bytes!("../root/common-password"),
        include_bytes!("../root/common-session"),
        include_bytes!("../root/common-session-noninteractive"),
        include_bytes!("../root/fbs-hello.service"),
        include_bytes!("../root/group"),
        include_bytes!("../root/nsswitch.conf"),
        include_bytes!("../root/passwd"),
        include_bytes!("../root/profile"),
    ];
    let mut hash = Sha256::new();
    for source in sources {
        hash.update(source.len().to_le_bytes());
        hash.update(source);
    }
    let hash: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!(
        "mini-release {} {} {hash}\n",
        env!("CARGO_PKG_VERSION"),
        arch.rpm
    )
}

/// `DIR/.NAME.suffix` for `DIR/NAME`: on the same file system, so that a rename does.
fn beside(root: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(root.file_name().unwrap_or_default());
    name.push(".");
    name.push(suffix);
    root.with_file_name(name)
}

fn remove(dir: &Path) -> Result<(), Error> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(Error::io(dir))
    } else {
        Ok(())
    }
}

/// An old release may be replaced, an empty folder too; nothing else.
fn refuse_foreign(root: &Path) -> Result<(), Error> {
    let is_empty = || fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none());
    if root.exists() && !root.join(STAMP).exists() && !is_empty() {
        return Err(Error::Foreign(root.to_owned()));
    }
    Ok(())
}

fn check_debian() -> Result<(), Error> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let id = release
        .lines()
        .find_map(|line| line.strip_prefix("ID="))
        .unwrap_or("something else");
    match id.trim_matches('"') {
        "debian" => Ok(()),
        found => Err(Error::NotDebian {
            found: found.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("precious");
        fs::create_dir(&out).unwrap();
        fs::write(out.join("thesis"), "").unwrap();
        assert!(matches!(MiniRelease::make(&out, None), Err(Error::Foreign(path)) if path == out));
        assert!(out.join("thesis").exists());
    }

    #[test]
    fn the_stamp_covers_all_sources_that_shape_the_release() {
        let others = [
            "apt.rs",
            "error.rs",
            "lib.rs",
            "main.rs",
            "release.rs",
            "server.rs",
            "tool.rs",
        ];
        let listed = include_str!("release.rs");
        for dir in ["src", "src/own", "root"] {
            for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                let include = match dir {
                    "src" => format!("include_bytes!(\"{name}\")"),
                    "src/own" => format!("include_bytes!(\"own/{name}\")"),
                    _ => format!("include_bytes!(\"../root/{name}\")"),
                };
                assert!(
                    path.is_dir() || others.contains(&name) || listed.contains(&include),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_current_release_is_reused() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("release");
        fs::create_dir(&out).unwrap();
        fs::write(out.join(STAMP), stamp(Architecture::host().unwrap())).unwrap();
        let release = MiniRelease::make(&out, None).unwrap();
        assert!(release.is_reused());
        assert_eq!(
            release.folder(Repository::Updates),
            format!("updates/99/Everything/{}", release.arch())
        );
    }
}
