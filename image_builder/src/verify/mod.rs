//! Looking at a finished image: what is in it ([`inspect`]).

mod digest;
mod error;
mod implanted_md5;
mod iso;
mod iso_image;
mod packages;
mod render;
mod rootfs;
mod volume;

pub use digest::{TreeFile, digest_files, sha256_file};
pub use error::InspectError;
pub use implanted_md5::ImplantedMd5;
pub use iso::{DigestFiles, InspectOptions, IsoContents, IsoFile, inspect};
pub use iso_image::BootEntry;
pub use packages::{Package, PackageList, PackageSource};
pub use render::render;
pub use rootfs::{RootFormat, RootImage, RootLayout};
