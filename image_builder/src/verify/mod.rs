//! Looking at a finished image: what is in it ([`inspect`]) and does it boot ([`BootTest`]).

mod boot_test;
mod boots;
mod compare;
mod console;
mod error;
mod expect;
mod firmware;
mod implanted_md5;
mod iso;
mod iso_image;
mod kvm;
mod loader;
mod media;
mod packages;
mod proof;
mod qemu;
mod qmp;
mod render;
mod rootfs;
mod session;
#[cfg(test)]
mod test_tools;
#[cfg(test)]
mod tests;
mod volume;

pub use boot_test::{BootFailure, BootPath, BootTest, BootTestError, BootVerdict};
pub use boots::boot_each;
pub use compare::{
    ComparedImage, Comparison, Difference, Fate, FileChange, PackageChanges, PackagePair, Part,
    compare, render_comparison,
};
pub use error::InspectError;
pub use expect::{DEFAULT_EXPECT, FailureKind};
pub use firmware::{Firmware, UefiImage};
pub use implanted_md5::ImplantedMd5;
pub use iso::{DigestFiles, InspectOptions, IsoContents, IsoFile, inspect};
pub use iso_image::BootEntry;
pub(crate) use iso_image::{Entry, IsoImage};
pub use packages::{Package, PackageList, PackageSource};
pub use proof::{Absence, BuildProof, Evidence, Landed, Missing, not_landed, prove};
pub use qemu::{Accelerator, GuestArch};
pub use render::render;
pub use rootfs::{RootFormat, RootImage, RootLayout};
