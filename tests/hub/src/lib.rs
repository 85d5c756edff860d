//! A Koji hub of the test suite's own: a real HTTP server on loopback that answers as a real hub
//! does, serves files where Koji has them, and fails on demand.
//!
//! It knows what the captures in `captures/` tell (answers of a real hub, byte for byte), what a
//! test adds to that, and folders of RPM files published as builds. Calls are matched by what they
//! ask and not by their bytes, so that batches of any order work.
//!
//! ```
//! use hub::{Fault, Hub, Times, record};
//!
//! let hub = Hub::of_captures()?;
//! hub.insert_build(record::build(7, "bash", "5.3", "1.fc43"));
//! hub.fail("/kojihub", Fault::Status(503), Times::Next(2));
//! println!("FBS_KOJI_HUB={} FBS_KOJI_FILES={}", hub.hub_url(), hub.files_url());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! It plays the part of Bodhi, too: `GET /updates/ID`.

mod captures;
mod data;
mod fault;
mod publish;
pub mod record;
mod respond;
mod server;
mod state;
mod xmlrpc;

pub use captures::{Capture, captures};
pub use fault::{Fault, Times};
pub use publish::{KnownBy, PublishError};
pub use server::Hub;
