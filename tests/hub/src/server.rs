//! The server: on loopback, on a thread of its own, gone when dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::data::Data;
use crate::fault::{Fault, Times};
use crate::publish::{self, KnownBy, PublishError};
use crate::record;
use crate::respond::{HUB, respond};
use crate::state::{Shared, Source};

/// A hub and its file host, for tests with and without an async runtime.
#[derive(Debug)]
pub struct Hub {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Hub {
    /// A hub that knows what the captures tell, on a free port.
    ///
    /// # Errors
    ///
    /// When no port can be opened or no thread started.
    pub fn of_captures() -> io::Result<Self> {
        Self::start(Data::of_captures(), 0)
    }

    /// A hub that knows nothing yet, on a free port.
    ///
    /// # Errors
    ///
    /// As [`of_captures`](Self::of_captures).
    pub fn empty() -> io::Result<Self> {
        Self::start(Data::default(), 0)
    }

    /// The same on a port of one's choice.
    ///
    /// # Errors
    ///
    /// As [`of_captures`](Self::of_captures).
    pub fn empty_at(port: u16) -> io::Result<Self> {
        Self::start(Data::default(), port)
    }

    fn start(data: Data, port: u16) -> io::Result<Self> {
        // Bound here rather than on the thread, so that the caller learns of a failure.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(data));
        let app = Router::new()
            .fallback(respond)
            .with_state(Arc::clone(&shared));
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = thread::Builder::new()
            .name("test-hub".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                        return;
                    };
                    // Not a graceful end: an answer that hangs would hold it up.
                    tokio::select! {
                        _ = axum::serve(listener, app).into_future() => {}
                        _ = stopped => {}
                    }
                });
                runtime.shutdown_background();
            })?;
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The address of the hub: `http://127.0.0.1:34567/kojihub`.
    pub fn hub_url(&self) -> String {
        format!("http://{}{HUB}", self.address)
    }

    /// The address of the files, the folder above `packages/`; that of Bodhi, too.
    pub fn files_url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Adds a build; see [`record::build`].
    pub fn insert_build(&self, build: Value) {
        self.shared.lock().data.insert_build(build);
    }

    /// Adds an RPM to a build; see [`record::rpm`].
    pub fn insert_rpm(&self, rpm: Value) {
        self.shared.lock().data.insert_rpm(rpm);
    }

    /// Adds an update to Bodhi; see [`record::update`].
    pub fn insert_update(&self, id: &str, update: Value) {
        self.shared
            .lock()
            .data
            .updates
            .insert(id.to_owned(), update);
    }

    /// Puts a build into a tag, as its latest.
    pub fn tag(&self, tag: &str, build: u64) {
        self.shared.lock().data.tag_build(tag, build);
    }

    /// Serves bytes at a path of the file host, `/packages/...`.
    pub fn insert_file(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        let source = Source::Memory(Bytes::from(bytes.into()));
        self.shared.lock().files.insert(path.to_owned(), source);
    }

    /// Publishes the RPM files of a folder as one complete build and gives its number: `getBuild`
    /// and `listRPMs` know it, and the files lie where Koji has them. The build is called `nvr`,
    /// or as the source package that the RPMs name.
    ///
    /// # Errors
    ///
    /// See [`PublishError`].
    pub fn publish(&self, folder: &Path, nvr: Option<&str>) -> Result<u64, PublishError> {
        let known_by = self.shared.lock().known_by;
        let folder = publish::read(folder, nvr, known_by)?;
        let mut state = self.shared.lock();
        let id = state.data.next_build_id();
        let [name, version, release] = &folder.build;
        state
            .data
            .insert_build(record::build(id, name, version, release));
        for (at, (path, row)) in (1..).zip(folder.rpms) {
            let text = |key: &str| row[key].as_str().unwrap_or_default();
            let [sub, subversion, subrelease, arch] =
                ["name", "version", "release", "arch"].map(text);
            let mut rpm = record::rpm(id * 1000 + at, id, sub, subversion, subrelease, arch);
            let place = format!(
                "/packages/{name}/{version}/{release}/{arch}/{sub}-{subversion}-{subrelease}.{arch}.rpm"
            );
            for key in ["epoch", "size", "payloadhash", "buildtime"] {
                rpm[key] = row[key].clone();
            }
            state.data.insert_rpm(rpm);
            state.files.insert(place, Source::Disk(path));
        }
        Ok(id)
    }

    /// Adds a signature of an RPM, and the copy signed with it.
    pub fn sign(&self, rpm_id: u64, sigkey: &str, path: &str, bytes: impl Into<Vec<u8>>) {
        let row = json!({"rpm_id": rpm_id, "sigkey": sigkey, "sighash": format!("{rpm_id:032x}")});
        self.shared.lock().data.insert_signature(row);
        self.insert_file(path, bytes);
    }

    /// Makes requests whose path contains `path` fail. Faults of earlier calls come first.
    pub fn fail(&self, path: &str, fault: Fault, times: Times) {
        self.shared.lock().faults.add(path, fault, times);
    }

    /// From now on nothing fails.
    pub fn heal(&self) {
        self.shared.lock().faults.clear();
    }

    /// What RPMs that are published from now on are known by.
    pub fn know_rpms_by(&self, known_by: KnownBy) {
        self.shared.lock().known_by = known_by;
    }

    /// Every answer takes so much longer.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.lock().latency = latency;
    }

    /// How many requests the hub itself got, however many calls were in them.
    pub fn round_trips(&self) -> usize {
        self.requests_of(HUB)
    }

    /// How many requests there were of this path.
    pub fn requests_of(&self, path: &str) -> usize {
        self.shared.lock().requests.get(path).copied().unwrap_or(0)
    }

    /// How many requests there were in all.
    pub fn requests(&self) -> usize {
        self.shared.lock().requests.values().sum()
    }

    /// How often a method was called, within a multiCall or not.
    pub fn calls(&self, method: &str) -> usize {
        self.shared.lock().calls.get(method).copied().unwrap_or(0)
    }

    /// The body of the last call, byte for byte.
    pub fn last_body(&self) -> Vec<u8> {
        self.shared.lock().last_body.clone()
    }

    /// Serves until the process is ended.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        drop(self.stop.take()); // the receiver wakes up when its sender is gone
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
