//! A package repository as every backend needs it: the planner fills it in, dnf, lorax and the
//! checks read it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Where a repository's metadata is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The folder above `repodata/`: http, https, ftp or file URL.
    BaseUrl(String),
    /// A list of such folders, one a line.
    MirrorList(String),
    /// A [metalink](https://datatracker.ietf.org/doc/html/rfc5854) as Fedora's MirrorManager
    /// gives out.
    Metalink(String),
}

impl Source {
    /// A mirror address is a metalink when it says so, as yum and lorax decide it too.
    #[must_use]
    pub fn mirror(url: impl Into<String>) -> Self {
        let url = url.into();
        if url.contains("metalink") {
            Self::Metalink(url)
        } else {
            Self::MirrorList(url)
        }
    }

    /// The URL, whichever kind it is.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::BaseUrl(url) | Self::MirrorList(url) | Self::Metalink(url) => url,
        }
    }
}

/// A repository that a build takes packages from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// A short name without blanks, as in the spec: `43`, `43-updates`.
    pub id: String,
    /// Where it is: a base URL, a mirror list, or both.
    pub sources: Vec<Source>,
    /// dnf's priority: 1 (wins) to 99 (the default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// dnf's cost: of two repositories with the same package the cheaper one is asked; 1000 if
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
    /// Packages and globs that are not taken from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// If any, nothing else is taken from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// A proxy for it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Whether its groups are used.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub groups: bool,
    /// Whether the server's certificate is checked.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub verify_tls: bool,
    /// Whether signatures of its packages are checked.
    pub gpg_check: bool,
    /// URLs of the keys to check them with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpg_keys: Vec<String>,
}

impl Repository {
    /// An unchecked repository of usual priority.
    #[must_use]
    pub fn new(id: impl Into<String>, sources: Vec<Source>) -> Self {
        Self {
            id: id.into(),
            sources,
            priority: None,
            cost: None,
            exclude: Vec::new(),
            include: Vec::new(),
            proxy: None,
            groups: true,
            verify_tls: true,
            gpg_check: false,
            gpg_keys: Vec::new(),
        }
    }

    /// Its section of a `.repo` file, or of dnf's configuration
    /// (<https://dnf.readthedocs.io/en/latest/conf_ref.html>).
    #[must_use]
    pub fn section(&self) -> String {
        let mut text = format!("[{0}]\nname={0}\nenabled=1\n", self.id);
        // Writing to a String cannot fail.
        for source in &self.sources {
            let _ = match source {
                Source::BaseUrl(url) => writeln!(text, "baseurl={url}"),
                Source::MirrorList(url) => writeln!(text, "mirrorlist={url}"),
                Source::Metalink(url) => writeln!(text, "metalink={url}"),
            };
        }
        if let Some(priority) = self.priority {
            let _ = writeln!(text, "priority={priority}");
        }
        if let Some(cost) = self.cost {
            let _ = writeln!(text, "cost={cost}");
        }
        for (name, list) in [
            ("excludepkgs", &self.exclude),
            ("includepkgs", &self.include),
        ] {
            if !list.is_empty() {
                let _ = writeln!(text, "{name}={}", list.join(" "));
            }
        }
        if let Some(proxy) = &self.proxy {
            let _ = writeln!(text, "proxy={proxy}");
        }
        if !self.groups {
            text.push_str("enablegroups=0\n");
        }
        if !self.verify_tls {
            text.push_str("sslverify=0\n");
        }
        if self.gpg_check {
            let _ = writeln!(text, "gpgcheck=1\ngpgkey={}", self.gpg_keys.join(" "));
        } else {
            text.push_str("gpgcheck=0\n");
        }
        text
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_yes(flag: &bool) -> bool {
    *flag
}
