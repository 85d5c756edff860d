//! Where an input of a build lies: a URL or a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use super::password::hidden;
use super::value::{ValueError, closest, quoted};
use super::word::deserialize_from_text;

/// An `http`, `https` or `ftp` URL, a `file:` URL, or a path, absolute or relative to the spec's
/// folder. `Display` and `Debug` hide a password in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    raw: String,
}

impl Location {
    /// The location as it was written, password included.
    pub fn as_written(&self) -> &str {
        &self.raw
    }

    /// The URL, if it lies on the network.
    pub fn url(&self) -> Option<Url> {
        Url::parse(&self.raw)
            .ok()
            .filter(|url| url.scheme() != "file" && self.has_scheme())
    }

    /// The path, if it lies on this machine; a relative one is not yet resolved.
    pub fn path(&self) -> Option<PathBuf> {
        if !self.has_scheme() {
            return Some(PathBuf::from(&self.raw));
        }
        Url::parse(&self.raw)
            .ok()
            .filter(|url| url.scheme() == "file")?
            .to_file_path()
            .ok()
    }

    /// The text to give to a tool that takes URLs: a path becomes `file:///...`, a relative one
    /// counted from `base`.
    pub fn to_url_text(&self, base: &Path) -> String {
        match self.path() {
            None => self.raw.clone(),
            Some(path) => match Url::from_file_path(base.join(&path)) {
                Ok(url) => url.into(),
                Err(()) => format!("file://{}", base.join(&path).display()),
            },
        }
    }

    fn has_scheme(&self) -> bool {
        self.raw.contains("://")
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hidden(&self.raw))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({:?})", hidden(&self.raw))
    }
}

impl serde::Serialize for Location {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.raw)
    }
}

deserialize_from_text!(Location);

const EXPECTED: &str = "expected an http, https, ftp or file URL, or a path";

impl FromStr for Location {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let shown = || quoted(&hidden(text));
        let location = Self {
            raw: text.to_owned(),
        };
        let Some((scheme, _)) = text.split_once("://") else {
            if text.is_empty() {
                return Err(ValueError::new("the address is empty", EXPECTED));
            }
            if text.starts_with('~') {
                return Err(ValueError::new(
                    "\"~\" is not expanded",
                    "write the whole path",
                ));
            }
            let scheme = text.split(['/', ':']).next().unwrap_or_default();
            if text[scheme.len()..].starts_with(':') {
                return Err(ValueError::new(
                    format!("{} is not a URL", shown()),
                    EXPECTED,
                ));
            }
            return Ok(location);
        };
        let wanted = ["http", "https", "ftp", "file"];
        let scheme = scheme.to_ascii_lowercase();
        if !wanted.contains(&scheme.as_str()) {
            let hint = match closest(&scheme, wanted) {
                Some(scheme) => format!("did you mean \"{scheme}://\"?"),
                None => EXPECTED.to_owned(),
            };
            return Err(ValueError::new(
                format!("{} is not a scheme to read from", quoted(&scheme)),
                hint,
            ));
        }
        if text.contains(char::is_whitespace) {
            return Err(ValueError::new(
                format!("{} holds a blank", shown()),
                "expected one URL; write a blank in it as %20",
            ));
        }
        let named = location
            .url()
            .is_some_and(|url| url.host_str().is_some_and(|h| !h.is_empty()));
        if named || location.path().is_some() {
            return Ok(location);
        }
        let hint = match scheme.as_str() {
            "file" => "write file:///path with three slashes",
            _ => EXPECTED,
        };
        Err(ValueError::new(format!("{} is not a URL", shown()), hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_paths() {
        let base = Path::new("/specs");
        for (text, url) in [
            ("http://host/os/?repo=fedora-17&arch=x86_64;a=%20b", None),
            ("https://host/$releasever/$basearch/", None),
            ("ftp://host/os", None),
            ("file:///srv/os", Some("file:///srv/os")),
            ("/srv/os", Some("file:///srv/os")),
            ("os/here", Some("file:///specs/os/here")),
            ("./os here", Some("file:///specs/os%20here")),
        ] {
            let location: Location = text.parse().unwrap();
            assert_eq!(location.as_written(), text);
            assert_eq!(location.to_url_text(base), url.unwrap_or(text));
            assert_eq!(location.path().is_some(), url.is_some());
            assert_eq!(location.url().is_some(), url.is_none());
        }
    }

    #[test]
    fn refused() {
        for (text, message) in [
            (
                "htp://host/",
                "\"htp\" is not a scheme to read from; did you mean \"http://\"?",
            ),
            (
                "gopher://host/",
                "\"gopher\" is not a scheme to read from; expected an http, https, ftp or file URL, or a path",
            ),
            (
                "http://",
                "\"http://\" is not a URL; expected an http, https, ftp or file URL, or a path",
            ),
            (
                "file://host/x",
                "\"file://host/x\" is not a URL; write file:///path with three slashes",
            ),
            (
                "http:/host/x",
                "\"http:/host/x\" is not a URL; expected an http, https, ftp or file URL, or a path",
            ),
            (
                "http://a/ http://b/",
                "\"http://a/ http://b/\" holds a blank; expected one URL; write a blank in it as %20",
            ),
            ("~/os", "\"~\" is not expanded; write the whole path"),
        ] {
            assert_eq!(text.parse::<Location>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn the_password_is_hidden() {
        let location: Location = "https://me:pw@host/os".parse().unwrap();
        assert_eq!(location.to_string(), "https://me:***@host/os");
        assert!(!format!("{location:?}").contains("pw"));
    }
}
