//! The packages in a root tree, read with the host's rpm from the database in the tree.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::InspectError;
use crate::context::BuildContext;
use crate::process::{CommandError, Invocation};
use crate::repo_create::{RpmHeader, nevra};

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Epoch; 0 when the package has none.
    pub epoch: u64,
    /// Version.
    pub version: String,
    /// Release, with its dist tag.
    pub release: String,
    /// Architecture.
    pub arch: String,
    /// The SHA-256 of its header, in hex: which file it was installed from. Absent for packages of
    /// rpm before 4.14, and where the image's list has names only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256_header: Option<String>,
    /// The MD5 of its header and payload, in hex; absent where the package has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigmd5: Option<String>,
}

impl Package {
    /// `name-version-release`, as Koji names builds and rpm -q packages.
    #[must_use]
    pub fn nvr(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.release)
    }

    /// `name-[epoch:]version-release.arch`; an epoch of 0 is left out.
    #[must_use]
    pub fn nevra(&self) -> String {
        nevra(
            &self.name,
            self.epoch,
            &self.version,
            &self.release,
            &self.arch,
        )
    }

    /// A line of [`QUERY`].
    fn parse_query(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut field = || fields.next().map(str::to_owned);
        let package = Self {
            name: field()?,
            epoch: field()?.parse().ok()?,
            version: field()?,
            release: field()?,
            arch: field()?,
            sha256_header: field().filter(|sum| is_hex(sum)),
            sigmd5: field().filter(|sum| is_hex(sum)),
        };
        // Imported keys are kept as packages without an architecture.
        (package.name != "gpg-pubkey").then_some(package)
    }

    /// `bash-5.3.0-2.fc43.x86_64`, with the epoch before the version or the name or nowhere.
    pub(super) fn parse_nevra(text: &str) -> Option<Self> {
        let (rest, arch) = text.trim().rsplit_once('.')?;
        let (rest, release) = rest.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        let (in_name, name) = name.split_once(':').unwrap_or(("0", name));
        let (epoch, version) = version.split_once(':').unwrap_or((in_name, version));
        let whole = ![name, version, release, arch].contains(&"");
        whole.then_some(())?;
        Some(Self {
            name: name.to_owned(),
            epoch: epoch.parse().ok()?,
            version: version.to_owned(),
            release: release.to_owned(),
            arch: arch.to_owned(),
            sha256_header: None,
            sigmd5: None,
        })
    }
}

impl From<RpmHeader> for Package {
    fn from(header: RpmHeader) -> Self {
        Self {
            name: header.name,
            epoch: header.epoch.into(),
            version: header.version,
            release: header.release,
            arch: header.arch,
            sha256_header: Some(header.sha256),
            sigmd5: header.sigmd5,
        }
    }
}

/// rpm writes `(none)` for what a package does not have.
fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Ord for Package {
    /// By name first, the rest as text: an order for lists, not rpm's of versions.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |p: &Self| {
            (
                p.name.clone(),
                p.epoch,
                p.version.clone(),
                p.release.clone(),
                p.arch.clone(),
            )
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Package {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where a package list was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PackageSource {
    /// The rpm database in the root image.
    RpmDatabase {
        /// Its folder in the root.
        path: String,
        /// `sqlite`, `ndb` or `bdb`.
        backend: String,
    },
    /// The list that lorax leaves in the installer's root, whose database it removes.
    LoraxLog {
        /// Its path in the root.
        path: String,
    },
}

/// The packages in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PackageList {
    /// They could be read.
    Listed {
        /// From where.
        source: PackageSource,
        /// Sorted by name.
        packages: Vec<Package>,
    },
    /// The image has no list of packages.
    Unavailable {
        /// Why.
        reason: String,
    },
}

impl PackageList {
    /// The packages; none when the list is unavailable.
    #[must_use]
    pub fn packages(&self) -> &[Package] {
        match self {
            PackageList::Listed { packages, .. } => packages,
            PackageList::Unavailable { .. } => &[],
        }
    }

    /// Why there are none.
    pub(super) fn reason(&self) -> Option<String> {
        match self {
            PackageList::Listed { .. } => None,
            PackageList::Unavailable { reason } => Some(reason.clone()),
        }
    }
}

/// Where the database may be, newest place first.
const DATABASES: &[&str] = &["usr/lib/sysimage/rpm", "var/lib/rpm"];

/// File, back end, and what the host's rpm calls the one that reads it.
const BACKENDS: &[(&str, &str, &str)] = &[
    ("rpmdb.sqlite", "sqlite", "sqlite"),
    ("Packages.db", "ndb", "ndb"),
    ("Packages", "bdb", "bdb_ro"),
];

const LORAX_LOG: &str = "root/lorax-packages.log";

const QUERY: &str =
    "%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t%{SHA256HEADER}\\t%{SIGMD5}\\n";

/// A line for each file of a package.
const FILES: &str = "[%{=NAME}-%{=EPOCHNUM}:%{=VERSION}-%{=RELEASE}.%{=ARCH}\\t%{FILENAMES}\\n]";

/// What must be taken out of a root image for [`list`].
pub(super) const WANTED: &[&str] = &[
    "usr/lib/sysimage/rpm",
    "var/lib/rpm",
    "root/lorax-packages.log",
];

/// A database that was found in a root.
#[derive(Debug, PartialEq, Eq)]
struct Database {
    dir: PathBuf,
    path: &'static str,
    backend: &'static str,
    rpm_name: &'static str,
}

/// The packages in the tree at `root`, which was taken out of `image` for this purpose: rpm may
/// write beside the database.
pub(super) async fn list(
    ctx: &BuildContext,
    image: &Path,
    root: &Path,
) -> Result<PackageList, InspectError> {
    if let Some(database) = find_database(root) {
        let packages = query(ctx, image, &database, root).await?;
        return Ok(PackageList::Listed {
            source: PackageSource::RpmDatabase {
                path: database.path.to_owned(),
                backend: database.backend.to_owned(),
            },
            packages,
        });
    }
    let log = confined(root, LORAX_LOG).and_then(|path| std::fs::read_to_string(path).ok());
    Ok(match log {
        Some(text) => PackageList::Listed {
            source: PackageSource::LoraxLog {
                path: LORAX_LOG.to_owned(),
            },
            packages: parse_lorax_log(&text),
        },
        None => PackageList::Unavailable {
            reason: format!(
                "its root has neither an rpm database ({}) nor {LORAX_LOG}",
                DATABASES.join(", ")
            ),
        },
    })
}

/// The package of each file of the tree at `root`, by the database there; none without one.
pub(super) async fn owners(
    ctx: &BuildContext,
    image: &Path,
    root: &Path,
) -> Result<HashMap<String, String>, InspectError> {
    let Some(database) = find_database(root) else {
        return Ok(HashMap::new());
    };
    let lines = ctx.query(&rpm(&database, root, FILES)).await;
    let lines = lines.map_err(|error| InspectError::command(image, error))?;
    let owned = lines.iter().filter_map(|line| {
        let (package, path) = line.split_once('\t')?;
        // An epoch of 0 is left out, as in the lists.
        let package = package.replacen("-0:", "-", 1);
        Some((path.trim_start_matches('/').to_owned(), package))
    });
    Ok(owned.collect())
}

fn find_database(root: &Path) -> Option<Database> {
    for &path in DATABASES {
        let Some(dir) = confined(root, path) else {
            continue;
        };
        for &(file, backend, rpm_name) in BACKENDS {
            // A link would have rpm open a file of this host.
            let regular = std::fs::symlink_metadata(dir.join(file)).is_ok_and(|m| m.is_file());
            if regular {
                return Some(Database {
                    dir,
                    path,
                    backend,
                    rpm_name,
                });
            }
        }
    }
    None
}

/// `path` below `root` with its links followed, if they do not lead out of `root`.
pub(super) fn confined(root: &Path, path: &str) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let found = root.join(path).canonicalize().ok()?;
    found.starts_with(&root).then_some(found)
}

async fn query(
    ctx: &BuildContext,
    image: &Path,
    database: &Database,
    home: &Path,
) -> Result<Vec<Package>, InspectError> {
    let unreadable = |reason: String| InspectError::Database {
        path: image.into(),
        database: database.path.to_owned(),
        backend: database.backend,
        reason,
    };
    let lines = match ctx.query(&invocation(database, home)).await {
        Ok(lines) => lines,
        Err(CommandError::Failed { tail, .. }) => return Err(unreadable(tail.join("; "))),
        Err(error) => return Err(InspectError::command(image, error)),
    };
    let mut packages: Vec<Package> = lines
        .iter()
        .filter_map(|line| Package::parse_query(line))
        .collect();
    // An rpm without the back end warns, reads a database of nothing and succeeds.
    if packages.is_empty() {
        return Err(unreadable(
            "it listed no package; an rpm built with that back end is needed".to_owned(),
        ));
    }
    packages.sort();
    Ok(packages)
}

fn invocation(database: &Database, home: &Path) -> Invocation {
    rpm(database, home, QUERY)
}

/// rpm, telling `format` of all packages.
fn rpm(database: &Database, home: &Path, format: &str) -> Invocation {
    // The user's ~/.rpmmacros must not matter, nor what this host thinks of the signatures.
    Invocation::new("rpm")
        .env("HOME", home.to_string_lossy())
        .env("LC_ALL", "C")
        .arg("--dbpath")
        .path(&database.dir)
        .arg("--define")
        .arg(format!("_db_backend {}", database.rpm_name))
        .args(["--nosignature", "--nodigest", "-qa", "--qf", format])
}

fn parse_lorax_log(text: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = text.lines().filter_map(Package::parse_nevra).collect();
    packages.sort();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(epoch: u64, name: &str) -> Package {
        Package {
            name: name.into(),
            epoch,
            version: "1.2".into(),
            release: "3.fc43".into(),
            arch: "noarch".into(),
            sha256_header: None,
            sigmd5: None,
        }
    }

    #[test]
    fn names_a_package_as_people_do() {
        assert_eq!(package(0, "a-b").nevra(), "a-b-1.2-3.fc43.noarch");
        assert_eq!(package(2, "a-b").nevra(), "a-b-2:1.2-3.fc43.noarch");
        assert_eq!(package(2, "a-b").nvr(), "a-b-1.2-3.fc43");
    }

    #[test]
    fn reads_what_rpm_prints() {
        let line = "a-b\t2\t1.2\t3.fc43\tnoarch";
        assert_eq!(Package::parse_query(line), Some(package(2, "a-b")));
        let key = "gpg-pubkey\t0\tabc\tdef\t(none)";
        assert_eq!(Package::parse_query(key), None);
        assert_eq!(Package::parse_query("warning: x"), None);
    }

    #[test]
    fn reads_the_list_of_lorax_with_the_epoch_anywhere() {
        let text =
            "b-2:1.2-3.fc43.noarch\n\na-b-1.2-3.fc43.noarch\n2:c-1.2-3.fc43.noarch\nnonsense\n";
        assert_eq!(
            parse_lorax_log(text),
            [package(0, "a-b"), package(2, "b"), package(2, "c")]
        );
        for wrong in ["", "a", "a.b", "a-b.c", "-1-2.x", "a--2.x", "a-x:1-2.x"] {
            assert_eq!(Package::parse_nevra(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn asks_with_the_back_end_of_the_database() {
        let database = Database {
            dir: "/t/usr/lib/sysimage/rpm".into(),
            path: DATABASES[0],
            backend: "bdb",
            rpm_name: "bdb_ro",
        };
        let rpm = invocation(&database, Path::new("/t"));
        let (query, options) = rpm.args.split_last().unwrap();
        assert_eq!(query, QUERY);
        assert_eq!(
            options.join(" "),
            "--dbpath /t/usr/lib/sysimage/rpm --define _db_backend bdb_ro \
             --nosignature --nodigest -qa --qf"
        );
        assert_eq!(rpm.env["HOME"], "/t");
    }

    #[test]
    fn a_link_out_of_the_root_is_not_followed() {
        let host = tempfile::tempdir().unwrap();
        std::fs::write(host.path().join("rpmdb.sqlite"), "").unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("usr/lib/sysimage")).unwrap();
        std::fs::create_dir_all(root.path().join("var/lib/rpm")).unwrap();
        let link = |target: &Path, name: &str| {
            std::os::unix::fs::symlink(target, root.path().join(name)).unwrap();
        };
        link(host.path(), "usr/lib/sysimage/rpm");
        link(
            &host.path().join("rpmdb.sqlite"),
            "var/lib/rpm/rpmdb.sqlite",
        );
        assert_eq!(find_database(root.path()), None);
        std::fs::write(root.path().join("var/lib/rpm/Packages"), "").unwrap();
        let found = find_database(root.path()).unwrap();
        assert_eq!((found.path, found.backend), ("var/lib/rpm", "bdb"));
    }
}
