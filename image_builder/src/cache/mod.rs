//! What the builds of a host keep for each other, by content.
//!
//! ```text
//! <cache>/root/3f/3f2a.../lock        users share it, whoever fills or removes has it alone
//!                         note.json   what it is; written last: an entry without it does not count
//!                         used        its time: last used
//!                         data        a file or a folder
//! ```
//!
//! An entry's name is the [`Key`] of everything that its content depends on, so an entry never becomes
//! stale; it only stops being asked for. `docs/caches.md` has what is in the keys.
//!
//! What dnf keeps of repositories is dnf's own ([`Kind::Dnf`]), and only counted and pruned with the rest.

mod key;
mod lock;
mod pruning;
mod repositories;
mod store;

pub use key::Key;
pub(crate) use lock::EntryLock;
pub use pruning::{Pruned, Usage, clear_leftovers, make_room, prune, usage};
pub(crate) use repositories::{Phase, hold, mark_used};
pub use store::{Entry, Fresh, Store};

use serde::{Deserialize, Serialize};

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// RPMs from Koji ([`crate::repo_create::RpmCache`]).
    Rpms,
    /// Packages and metadata of repositories, as dnf keeps them.
    Dnf,
    /// What dnf chose of repositories of a certain state.
    Solution,
    /// Roots that packages were installed into.
    Root,
    /// Which files went into an initramfs.
    Inputs,
    /// What dracut made.
    Initramfs,
    /// Packed roots.
    Image,
    /// Whole images.
    Iso,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Rpms,
        Self::Dnf,
        Self::Solution,
        Self::Root,
        Self::Inputs,
        Self::Initramfs,
        Self::Image,
        Self::Iso,
    ];

    /// The name of its folder, and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rpms => "rpms",
            Self::Dnf => "dnf",
            Self::Solution => "solution",
            Self::Root => "root",
            Self::Inputs => "inputs",
            Self::Initramfs => "initramfs",
            Self::Image => "image",
            Self::Iso => "iso",
        }
    }

    /// What its entries are, for people, singular.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Rpms => "package",
            Self::Dnf => "part of repositories",
            Self::Solution => "solution",
            Self::Root => "root",
            Self::Inputs => "list of files",
            Self::Initramfs => "initramfs",
            Self::Image => "packed root",
            Self::Iso => "ISO",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
