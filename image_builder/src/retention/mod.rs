//! How long images stay.
//!
//! Images are large, and what is kept of a build beside them is small: they go one day, its report, log, checksums and
//! screenshots stay. Which image goes and when is decided by a [`Policy`] alone, a function of records and a time; the
//! records are in an [`ImageStore`]; and a [`Keeper`] does what was decided, tells people before, and lets them pin
//! what they need.
//!
//! Several keepers may work over one store and one folder. Each step is a change of one row that only one of them can
//! make, and what follows from it can be done twice without harm.

mod folder;
mod keeper;
mod policy;
mod record;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
mod store;
mod sweep;
#[cfg(test)]
mod tests;

pub use folder::ImageFolder;
pub use keeper::{Keeper, PinError, RetentionError};
pub use policy::{Policy, Step};
pub use record::{ImageRecord, Pin, Reason, Removal};
pub use store::{Duty, ImageFigures, ImageStore};
pub use sweep::Swept;
