//! A provider of accounts, by OpenID Connect.

use std::path::Path;

use serde_json::Value;

use crate::binaries;
use crate::command::Program;
use crate::daemon::{Daemon, free_port};
use crate::python;

/// A provider on loopback; it ends when this is dropped.
#[derive(Debug)]
pub struct Provider {
    port: u16,
    _daemon: Daemon,
}

impl Provider {
    /// One that knows these people: each with `sub` and all else that is said of them. It logs in whoever says so, and
    /// insists on PKCE.
    pub fn start(folder: &Path, people: &[Value]) -> Self {
        let port = free_port();
        let mut program = Program::new(python::interpreter())
            .arg(binaries::workspace().join("tests/suite/oidc_provider.py"))
            .arg("--port")
            .arg(port.to_string())
            .folder(folder);
        for person in people {
            program = program.arg("--user-claims").arg(person.to_string());
        }
        Self {
            port,
            _daemon: Daemon::start(program, port, folder.join("provider.log")),
        }
    }

    /// Its address.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
