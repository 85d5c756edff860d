//! Koji, Fedora's build system: which builds there are, which RPMs they hold, and where the files
//! lie.
//!
//! [`Koji`] is what the library needs of a hub; [`HubClient`] asks a real one by XML-RPC. Any
//! number of builds costs two round trips ([`look_up`]): one multiCall of `getBuild`, one of
//! `listRPMs`. [`choose`] then takes the RPMs of an architecture and says where each is to be
//! had, or which builds cannot be used and why, all of them at once.
//!
//! ```no_run
//! use image_builder::koji::{BuildRef, ChooseOptions, HubClient, KojiConfig, Nvr, choose, look_up};
//! use image_builder::spec::Arch;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = KojiConfig::from_environment()?;
//! let hub = HubClient::new(&config, None)?;
//! let asked = [BuildRef::from("anaconda-43.34-1.fc43".parse::<Nvr>()?)];
//! let found = look_up(&hub, &asked).await?;
//! for rpm in choose(&found, &ChooseOptions::new(Arch::X86_64), &config.files)?.rpms {
//!     println!("{} {}", rpm.rpm.size, rpm.urls[0]);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What a hub answers is not trusted: its answers are limited in size and depth, and a name in
//! them is a part of a path or of a URL only after it was found fit for that.
//!
//! The calls are those of <https://docs.pagure.org/koji/writing_koji_code/> and of
//! <https://koji.fedoraproject.org/koji/api>.

mod bodhi;
mod build;
mod call;
mod choose;
mod codec;
mod config;
mod error;
mod guard;
mod hub;
mod limits;
mod look_up;
mod nvr;
mod payload_hash;
mod row;
mod rpm;
mod sigkey;
mod tag;
mod transport;
mod url;
mod wrong;

#[cfg(test)]
mod tests;

pub use bodhi::{Bodhi, BodhiClient, BodhiError, Update, UpdateId};
pub use build::{Build, BuildState};
pub use choose::{Choice, ChooseOptions, ChosenRpm, choose};
pub use config::KojiConfig;
pub use error::KojiError;
pub use hub::HubClient;
pub use limits::Limits;
pub use look_up::{Candidate, look_up, look_up_tag};
pub use nvr::{BuildId, BuildRef, Nvr};
pub use payload_hash::{PayloadHash, RpmDigest};
pub use rpm::{Rpm, RpmSignature};
pub use sigkey::SigKey;
pub use tag::{Tag, TagQuery, Tagged};
pub use transport::TransportError;
pub use wrong::{ChooseError, ChooseWarning, Wrong, WrongBuild};

#[cfg(any(test, feature = "mock"))]
pub use self::bodhi::MockBodhi;

/// For `fuzz/`: reads the body of a hub's answer, and what is in it as builds and RPMs, and chooses.
#[cfg(fuzzing)]
pub fn fuzz_answer(body: &[u8]) {
    let Ok(Ok(value)) = codec::decode(body, Limits::default().depth) else {
        return;
    };
    let rows: Vec<_> = match &value {
        xmlrpc::Value::Array(rows) => rows.iter().collect(),
        one => vec![one],
    };
    let rpms: Vec<Rpm> = rows
        .iter()
        .filter_map(|row| Rpm::from_value(row).ok())
        .collect();
    for build in rows.iter().filter_map(|row| Build::from_value(row).ok()) {
        let candidate = Candidate {
            asked: BuildRef::Id(build.id),
            build: Some(build),
            rpms: rpms.clone(),
        };
        let options = ChooseOptions::new(crate::spec::Arch::X86_64);
        if let Ok(config) = KojiConfig::new(None, None) {
            let _ = choose(&[candidate], &options, &config.files);
        }
    }
}

use async_trait::async_trait;

/// What the library asks of a Koji hub.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Koji: Send + Sync + std::fmt::Debug {
    /// The build, or `None` if the hub knows none of this name or number.
    ///
    /// # Errors
    ///
    /// See [`KojiError`]; the same holds for every other call.
    async fn get_build(&self, build: &BuildRef) -> Result<Option<Build>, KojiError>;

    /// The same for many builds in one round trip, in the order they are asked for.
    async fn get_builds(&self, builds: &[BuildRef]) -> Result<Vec<Option<Build>>, KojiError>;

    /// The RPMs of a build, of every architecture and with the source RPM. None for a build that
    /// the hub does not know or that is not done yet.
    async fn list_rpms(&self, build: BuildId) -> Result<Vec<Rpm>, KojiError>;

    /// The same for many builds in one round trip, in the order they are asked for.
    async fn list_rpms_of(&self, builds: &[BuildId]) -> Result<Vec<Vec<Rpm>>, KojiError>;

    /// The builds in a tag or side tag.
    async fn list_tagged(&self, tag: &Tag, query: TagQuery) -> Result<Vec<Build>, KojiError>;

    /// The latest build of each package in a tag and in the tags it inherits from.
    async fn get_latest_builds(&self, tag: &Tag) -> Result<Vec<Build>, KojiError>;

    /// The builds in a tag and all their RPMs, in one round trip.
    async fn list_tagged_rpms(&self, tag: &Tag, query: TagQuery) -> Result<Tagged, KojiError>;

    /// With which keys each RPM (by its number at the hub) was signed; one round trip.
    async fn query_rpm_sigs(&self, rpms: &[u64]) -> Result<Vec<Vec<RpmSignature>>, KojiError>;
}
