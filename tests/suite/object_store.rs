//! An object store: moto's server.

use std::path::Path;

use crate::command::Program;
use crate::daemon::{Daemon, free_port};
use crate::python;

/// A moto server with the bucket `images`.
#[derive(Debug)]
pub struct ObjectStore {
    /// Its port.
    pub port: u16,
    _daemon: Daemon,
}

impl ObjectStore {
    /// Starts one that keeps everything in memory.
    pub fn start(folder: &Path) -> Self {
        let port = free_port();
        let moto = Program::new(python::programs().join("moto_server")).args([
            "-H",
            "127.0.0.1",
            "-p",
            &port.to_string(),
        ]);
        let daemon = Daemon::start(moto, port, folder.join("moto.log"));
        let bucket = Program::new(python::interpreter())
            .args([
                "-c",
                "import sys, urllib.request as r; \
                 r.urlopen(r.Request(sys.argv[1], method='PUT'))",
            ])
            .arg(format!("http://127.0.0.1:{port}/images"));
        bucket.run().assert_exit(0);
        Self {
            port,
            _daemon: daemon,
        }
    }

    /// The store's list of uploads in parts that have begun and not ended, as XML.
    pub fn uploads(&self) -> String {
        let list = Program::new(python::interpreter())
            .args([
                "-c",
                "import sys, urllib.request as r; \
                 print(r.urlopen(sys.argv[1]).read().decode())",
            ])
            .arg(format!("http://127.0.0.1:{}/images?uploads", self.port));
        let list = list.run();
        list.assert_exit(0);
        list.stdout.join("\n")
    }
}
