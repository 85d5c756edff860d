//! Where a build is delivered.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use url::Url;

use crate::redact;
use crate::spec::{Address, AddressKind};

/// The folder of the service of 2012 on its FTP server.
const PUB: &str = "/pub";

/// A place where a build is delivered. `Display`, `Debug` and `Serialize` hide a password in it.
#[derive(Clone, PartialEq, Eq)]
pub enum Staging {
    /// A folder of this host, absolute.
    Folder(PathBuf),
    /// A folder of a server: `ftp`, `ftps`, `sftp` or `s3`.
    Server(Url),
}

impl Staging {
    /// That of an address in a spec; `folder` tells where a path of this host is.
    #[must_use]
    pub fn of(address: &Address, folder: impl Fn(&Path) -> PathBuf) -> Self {
        let url = match (address.path(), address.url()) {
            (Some(path), _) => return Self::Folder(folder(&path)),
            (None, Some(url)) => url,
            // An address is one or the other.
            (None, None) => return Self::Folder(folder(Path::new(address.as_written()))),
        };
        let is_ftp = matches!(
            address.kind(),
            AddressKind::Host | AddressKind::Ftp | AddressKind::Ftps
        );
        let mut url = url;
        // A user's own login leads to a folder of their own.
        if is_ftp && url.username().is_empty() && matches!(url.path(), "" | "/") {
            url.set_path(PUB);
        }
        Self::Server(url)
    }

    /// Whether what is delivered to one lies in the other, as far as the words tell: `.` and slashes at the end do not
    /// count.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            // Paths are compared part by part.
            (Self::Folder(one), Self::Folder(other)) => one == other,
            (Self::Server(one), Self::Server(other)) => {
                one.as_str().trim_end_matches('/') == other.as_str().trim_end_matches('/')
            }
            _ => false,
        }
    }
}

impl fmt::Display for Staging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Server(url) => f.write_str(&redact::passwords(url.as_str())),
        }
    }
}

impl fmt::Debug for Staging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Staging({self})")
    }
}

impl Serialize for Staging {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_alone_means_its_pub() {
        for (address, staging) in [
            ("ftp.example.org", "ftp://ftp.example.org/pub"),
            ("127.0.0.1:2121", "ftp://127.0.0.1:2121/pub"),
            ("ftps://ftp.example.org/", "ftps://ftp.example.org/pub"),
            ("ftp.example.org/qa", "ftp://ftp.example.org/qa"),
            ("ftp://qa@ftp.example.org/", "ftp://qa@ftp.example.org/"),
            ("sftp://qa@example.org/srv", "sftp://qa@example.org/srv"),
            (
                "ftp://qa:secret@example.org/x",
                "ftp://qa:***@example.org/x",
            ),
            ("s3://images/nightly", "s3://images/nightly"),
            ("./images", "/home/qa/./images"),
            ("file:///srv/images", "/srv/images"),
        ] {
            let address: Address = address.parse().unwrap();
            let shown = Staging::of(&address, |path| Path::new("/home/qa").join(path));
            assert_eq!(shown.to_string(), staging);
        }
    }
}
