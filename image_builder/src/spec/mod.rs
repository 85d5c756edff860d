//! The build spec: the small text file from which everything follows.
//!
//! A [`BuildSpec`] is what the user wrote, with every value of a type that means something and
//! with `[DEFAULT]` already inherited. It reads the INI format of 2012, TOML and JSON; all three
//! know the sections and keys of [`KEYS`], and `docs/spec-reference.md` lists them.
//!
//! ```
//! use image_builder::spec::{BuildSpec, Format, ImageType};
//!
//! let text = "[DEFAULT]\ntype=boot\nrelease=43\n[boot]\nnvr=anaconda-43.34-1.fc43;\n";
//! let spec = BuildSpec::parse(text, Format::Ini, "boot.conf")?;
//! assert_eq!(spec.image_type(), ImageType::Boot);
//! assert_eq!(spec.shared().nvr[0].name(), "anaconda");
//!
//! // Every mistake is reported at once, with its place and what would be right.
//! let text = "[DEFAULT]\ntype=boot\nrelease=43\n[boot]\nupdats=1\ntimeout=soon\n";
//! let error = BuildSpec::parse(text, Format::Ini, "boot.conf").unwrap_err();
//! assert_eq!(error.mistakes().len(), 2);
//! assert_eq!(
//!     error.mistakes()[0].to_string(),
//!     "boot.conf:5: [boot] updats: unknown key; did you mean \"updates\"?"
//! );
//! # Ok::<(), image_builder::spec::SpecError>(())
//! ```
//!
//! The way of a text: `format` picks `ini`, `toml_text` or `json_text`, which take it apart into a
//! document of entries with lines; `validate` puts the entries into sections by the table in
//! `keys`; `reader` expands, checks and types one value; `read` fills the structs of `sections`.
//! `write` goes the other way.

mod address;
mod arch;
mod build_spec;
mod choice;
mod compression;
pub mod defaults;
mod entry;
mod error;
mod format;
pub(crate) mod ini;
mod interpolate;
mod json_text;
mod keys;
mod load;
mod location;
mod mistake;
mod nvr;
mod overrides;
mod package;
pub(crate) mod password;
mod proxy;
mod read;
mod reader;
mod release;
mod repository;
mod sample;
mod sections;
mod stage;
mod tables;
mod text;
mod timeout;
mod toml_text;
mod trust;
mod validate;
pub(crate) mod value;
pub(crate) mod word;
mod write;

#[cfg(test)]
mod tests;

pub use address::{Address, AddressKind};
pub use arch::Arch;
pub use build_spec::BuildSpec;
pub use choice::{Backend, BootTest, ImageType, RequireLanded, RootFs};
pub use compression::{Compression, CompressionAlgorithm, CompressionPreset};
pub use error::{LARGEST_SPEC, SpecError};
pub use format::Format;
pub use keys::{KEYS, Key, Kind, Section};
pub use location::Location;
pub use mistake::{Mistake, Origin};
pub use nvr::{BuildId, Nvr};
pub use overrides::Override;
pub use package::Package;
pub use proxy::Proxy;
pub use release::Release;
pub use repository::{RepositoryId, RepositoryKind, RepositoryUrls};
pub use sample::sample;
pub use sections::{BootSpec, Common, DvdSpec, LiveSpec, Shared};
pub use stage::{Stage, Stages};
pub(crate) use text::label;
pub use timeout::Timeout;
pub use trust::Trust;
pub use value::ValueError;
#[cfg(any(feature = "ftp", feature = "sftp"))]
pub(crate) use value::on_one_line;
