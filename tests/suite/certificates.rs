//! A certificate for 127.0.0.1, and the authority that signed it.

use std::path::{Path, PathBuf};

use crate::command::Program;

/// PEM files.
#[derive(Debug)]
pub struct Certificates {
    /// The authority.
    pub authority: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's key.
    pub key: PathBuf,
}

impl Certificates {
    /// New ones in `folder`.
    pub fn make(folder: &Path) -> Self {
        let path = |name: &str| folder.join(name);
        let openssl = |args: &[&str]| {
            let done = Program::new("openssl").args(args).folder(folder).run();
            done.assert_exit(0);
        };
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=fbs tests",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ]);
        openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-keyout",
            "server.key",
            "-out",
            "server.csr",
        ]);
        let names = "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n";
        std::fs::write(path("server.ext"), names).expect("the folder is ours");
        openssl(&[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "server.ext",
            "-out",
            "server.pem",
        ]);
        Self {
            authority: path("ca.pem"),
            certificate: path("server.pem"),
            key: path("server.key"),
        }
    }
}
