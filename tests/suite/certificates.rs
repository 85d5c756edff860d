//! A certificate authority of the test's own, and a certificate for servers on loopback.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::Program;

/// Files in PEM. They go when their folder does.
#[derive(Debug)]
pub struct Certificates {
    /// The authority's certificate, which makes the server's one to trust.
    pub authority: PathBuf,
    /// The server's, for `localhost` and 127.0.0.1.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them in a new folder below `top`.
    pub fn make(top: &Path) -> Self {
        let folder = top.join("certificates");
        fs::create_dir(&folder).expect("it is new");
        let file = |name: &str| folder.join(name);
        let (authority, authority_key) = (file("ca.pem"), file("ca.key"));
        let (certificate, key) = (file("server.pem"), file("server.key"));
        let new = |subject: &str, key: &Path, certificate: &Path, extensions: &[&str]| {
            let mut openssl = Program::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
                .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
                .args(["-subj", subject, "-keyout"])
                .arg(key)
                .arg("-out")
                .arg(certificate);
            for extension in extensions {
                openssl = openssl.args(["-addext", extension]);
            }
            openssl
        };
        new("/CN=Test authority", &authority_key, &authority, &[])
            .run()
            .assert_exit(0);
        let names = [
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "basicConstraints=critical,CA:FALSE",
            "extendedKeyUsage=serverAuth",
        ];
        new("/CN=localhost", &key, &certificate, &names)
            .arg("-CA")
            .arg(&authority)
            .arg("-CAkey")
            .arg(&authority_key)
            .run()
            .assert_exit(0);
        Self {
            authority,
            certificate,
            key,
        }
    }
}
