//! The build spec: the small text file from which everything follows.

mod address;
mod arch;
mod build_spec;
mod choice;
mod compression;
pub mod defaults;
mod location;
mod nvr;
mod package;
mod password;
mod proxy;
mod release;
mod repository;
mod sections;
mod stage;
mod timeout;
mod value;
mod word;

pub use address::{Address, AddressKind};
pub use arch::Arch;
pub use build_spec::BuildSpec;
pub use choice::{Backend, BootTest, ImageType, RootFs};
pub use compression::{Compression, CompressionAlgorithm};
pub use location::Location;
pub use nvr::{BuildId, Nvr};
pub use package::Package;
pub use proxy::Proxy;
pub use release::Release;
pub use repository::{RepositoryId, RepositoryKind, RepositoryUrls};
pub use sections::{BootSpec, Common, DvdSpec, LiveSpec, Shared};
pub use stage::{Stage, Stages};
pub use timeout::Timeout;
pub use value::ValueError;
