//! What a release has: its packages, each with a line about it, and its groups.
//!
//! [`CatalogueReader`] reads the metadata of repositories
//! (`repomd.xml` and `primary`, as [createrepo_c](https://rpm-software-management.github.io/createrepo_c/) writes them,
//! and the groups of [comps](https://fedoraproject.org/wiki/How_to_use_and_edit_comps.xml_for_package_groups))
//! and makes a [`Catalogue`] of them, in which names and words are [found](Catalogue::find). Where they are is what the
//! plan of a spec says: [`plan::repositories_of`](crate::plan::repositories_of).
//!
//! Fedora's 70,000 packages are 200 MB of XML. It is read as it comes and never held; of it stay about 6 MB.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use image_builder::catalogue::CatalogueReader;
//! use image_builder::repository::{Repository, Source};
//! use image_builder::spec::Trust;
//!
//! let source = Source::BaseUrl("https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Everything/x86_64/os/".into());
//! let catalogue = CatalogueReader::new(Trust::Local).read(&[Repository::new("43", vec![source])]).await?;
//! for package in catalogue.find("vim", 20).packages {
//!     println!("{}: {}", package.name, package.summary);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Catalogues`] keeps what was read for those who ask again.

mod comps;
mod error;
mod fetch;
mod index;
mod kept;
mod limits;
mod mirrors;
mod packed;
mod primary;
mod reader;
mod repomd;
mod search;
mod xml;

#[cfg(test)]
mod tests;

pub use error::{CatalogueError, Fault};
pub use index::{Catalogue, Group, Package};
pub use kept::Catalogues;
pub use limits::Limits;
pub use reader::CatalogueReader;
pub use search::Found;
