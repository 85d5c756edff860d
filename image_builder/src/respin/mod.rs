//! Respin: an existing image changed without a rebuild.
//!
//! xorriso reads the image, which may be ours, lorax's or Fedora's, and writes a new one with other
//! files, another label, other kernel arguments; what it boots by is made as it was. The new image
//! comes through a pipe and is checksummed on its way to the disk. The image that is read is never
//! touched; the new one gets its name when it is whole.
//!
//! [`respin`] is the order of the steps. Everything before xorriso is small: [`boot_config`] changes
//! menus and is pure, `loader` and `esp` change what the firmware reads, `updates` packs files of
//! packages for the installer; [`RespinPlan`] is what xorriso is told.
//!
//! ```no_run
//! use image_builder::context::BuildContext;
//! use image_builder::respin::{RespinRequest, render, respin};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut request = RespinRequest::new("Fedora-43-boot.iso", "QA.iso");
//! request.add_arguments = vec!["inst.text".to_owned()];
//! let report = respin(&BuildContext::default(), &request).await?;
//! print!("{}", render(&report));
//! # Ok(())
//! # }
//! ```

mod additions;
pub mod boot_config;
mod cpio;
mod error;
mod esp;
mod loader;
mod medium;
mod menus;
mod plan;
mod rebuild;
mod report;
mod request;
mod run;
mod treeinfo;
mod updates;

pub use error::RespinError;
pub use plan::{Map, RespinPlan};
pub use report::{Change, ChangeKind, RespinReport, VERSION, render};
pub use request::{REPOSITORY, RespinRequest};
pub use run::respin;
pub use updates::UPDATES_IMAGE;
