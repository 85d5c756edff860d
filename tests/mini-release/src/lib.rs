//! A real RPM release, made from Debian packages in about a minute.
//!
//! The demo and the end-to-end tests of the build service need a release to make images of, and
//! no Fedora mirror is at hand where they run. This crate takes a closed set of Debian packages
//! (cloud kernel, glibc, systemd, dracut, ...), repackages each as an RPM, and lays them out and
//! names them as Fedora does, where an engine looks. `dnf --installroot` of `@core` gives a root
//! that boots to a login prompt; nothing that uses the release knows of Debian.
//!
//! ```no_run
//! use mini_release::{MiniRelease, Repository, Server};
//!
//! let release = MiniRelease::make("target/mini-release".as_ref(), None)?;
//! let server = Server::start(release.root())?;
//! let base_url = format!("{}/{}", server.url(), release.folder(Repository::Release));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is in it
//!
//! | folder | content |
//! |---|---|
//! | `releases/99/Everything/ARCH/os` | the release; groups `core` and `standard`, environment `minimal-environment` |
//! | `updates/99/Everything/ARCH` | `fbs-hello` 1.1-1, where the release has 1.0-1 |
//! | `faulty/99/ARCH` | `fbs-bad-pre`, `fbs-bad-post`, `fbs-slow-post`, `fbs-unsolvable` |
//!
//! # What differs from Debian
//!
//! * Maintainer scripts are not carried over; scriptlets run `ldconfig`, `depmod` and
//!   `systemctl preset-all`. Users, groups and PAM's common files are in `setup`.
//! * Manual pages, documentation, translations, the hardware database and Debian's own machinery
//!   (dpkg, debconf, adduser, Perl) are left out. So are conflicts between packages.
//! * `/usr` is merged, the default target is `multi-user.target`, root's password is locked,
//!   `/etc/machine-id` is empty and there is no `/etc/fstab`.
//! * The kernel is `kernel`, `kernel-core` and `kernel-modules`, its image at
//!   `/usr/lib/modules/RELEASE/vmlinuz`. It is Debian's cloud kernel: no ahci, so that in QEMU a
//!   CD must be on the default machine (`pc`), not on `q35`.

mod apt;
mod comps;
mod deb;
mod dependency;
mod error;
mod kernel;
mod names;
mod own;
mod package;
mod paths;
mod recipe;
mod release;
mod repack;
mod repository;
mod server;
mod tool;
mod version;

pub use error::Error;
pub use release::MiniRelease;
pub use repository::Repository;
pub use server::Server;
