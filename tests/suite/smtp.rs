//! A mail server that keeps what it gets.

use serde_json::Value;

use crate::binaries;
use crate::certificates::Certificates;
use crate::command::{Program, Running};
use crate::python;

/// User and password of a server with a login.
pub const LOGIN: (&str, &str) = ("fbs", "s3cret-pass");

/// A mail server on loopback; it ends when this is dropped.
#[derive(Debug)]
pub struct MailServer {
    running: Running,
    port: u64,
}

impl MailServer {
    /// Takes every mail, without TLS and login.
    pub fn open() -> Self {
        Self::start(&[])
    }

    /// Takes mails of those who log in as [`LOGIN`] says, after STARTTLS (or with TLS from the first
    /// byte, where `tls` is `tls`).
    pub fn with_login(certificates: &Certificates, tls: &str) -> Self {
        let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
        Self::start(&[
            "--tls",
            tls,
            "--cert",
            &path(&certificates.certificate),
            "--key",
            &path(&certificates.key),
            "--login",
            LOGIN.0,
            LOGIN.1,
        ])
    }

    /// One with arguments of `smtp_server.py`.
    pub fn start(args: &[&str]) -> Self {
        let script = binaries::workspace().join("tests/suite/smtp_server.py");
        let mut running = Program::new(python::interpreter())
            .arg(script)
            .args(args)
            .start();
        let ready = running.wait_for("its port", |event| event["event"] == "ready");
        let port = ready["port"].as_u64().expect("it is a number");
        Self { running, port }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u64 {
        self.port
    }

    /// The next mail, taken apart by Python's email package.
    pub fn mail(&mut self) -> Mail {
        Mail(
            self.running
                .wait_for("a mail", |event| event["event"] == "mail"),
        )
    }
}

/// A mail as it arrived.
#[derive(Debug)]
pub struct Mail(pub Value);

impl Mail {
    /// All values of a header.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let all = self.0["headers"].as_array().expect("it is a list");
        all.iter()
            .filter(|pair| {
                pair[0]
                    .as_str()
                    .is_some_and(|found| found.eq_ignore_ascii_case(name))
            })
            .map(|pair| pair[1].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The value of a header that is there once.
    pub fn header(&self, name: &str) -> String {
        let mut found = self.headers(name);
        assert_eq!(found.len(), 1, "{name}: {:#}", self.0);
        found.remove(0)
    }

    /// The one part of a type.
    pub fn part(&self, kind: &str) -> &Value {
        let parts = self.0["parts"].as_array().expect("it is a list");
        let found: Vec<&Value> = parts.iter().filter(|part| part["type"] == kind).collect();
        assert_eq!(found.len(), 1, "{kind}: {:#}", self.0);
        found[0]
    }

    /// The text of the one part of a type.
    pub fn text(&self, kind: &str) -> &str {
        self.part(kind)["text"].as_str().expect("it is text")
    }

    /// What every mail must be: whole, seven bits, no line too long, and one that nobody answers by
    /// itself.
    pub fn assert_proper(&self) -> &Self {
        assert_eq!(self.0["defects"], serde_json::json!([]), "{:#}", self.0);
        assert_eq!(self.0["ascii"], true);
        assert!(self.0["longest_line"].as_u64().expect("it is a number") <= 998);
        assert_eq!(self.header("Auto-Submitted"), "auto-generated");
        assert_eq!(self.header("X-Auto-Response-Suppress"), "All");
        assert_eq!(self.header("Precedence"), "bulk");
        assert_eq!(self.headers("Bcc"), [] as [String; 0]);
        for once in [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "MIME-Version",
        ] {
            self.header(once);
        }
        self
    }
}
