//! Where a finished image is delivered: the staging address.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use super::password::hidden;
use super::text::is_of_the_system;
use super::value::{ValueError, closest, quoted};
use super::word::deserialize_from_text;
use crate::percent;

/// How a staging address is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// A folder of this machine: `/srv/images`, `./images`, `file:///srv/images`.
    Local,
    /// A bare host, `ftp.example.org` or `ftp.example.org/folder`: anonymous FTP as in 2012.
    Host,
    /// `ftp://`.
    Ftp,
    /// `ftps://`: FTP over TLS.
    Ftps,
    /// `sftp://`: over SSH.
    Sftp,
    /// `s3://bucket/prefix`: an object store.
    S3,
}

/// A staging address as it was written. `Display` and `Debug` hide a password in it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    raw: String,
    kind: AddressKind,
}

impl Address {
    /// How the address is reached.
    pub fn kind(&self) -> AddressKind {
        self.kind
    }

    /// The address as it was written, password included.
    pub fn as_written(&self) -> &str {
        &self.raw
    }

    /// The folder of a [`AddressKind::Local`] address, relative ones not yet resolved.
    pub fn path(&self) -> Option<PathBuf> {
        if self.kind != AddressKind::Local {
            return None;
        }
        match Url::parse(&self.raw) {
            Ok(url) if url.scheme() == "file" => url.to_file_path().ok(),
            _ => Some(PathBuf::from(&self.raw)),
        }
    }

    /// The URL of an address on the network; a bare host becomes `ftp://HOST/`.
    pub fn url(&self) -> Option<Url> {
        match self.kind {
            AddressKind::Local => None,
            AddressKind::Host => Url::parse(&format!("ftp://{}", self.raw)).ok(),
            _ => Url::parse(&self.raw).ok(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hidden(&self.raw))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?} {:?})", self.kind, hidden(&self.raw))
    }
}

impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.raw)
    }
}

deserialize_from_text!(Address);

const EXPECTED: &str = "expected a host, ftp://, ftps://, sftp:// or s3://, or a folder as \
                        /folder, ./folder or file:///folder";

impl FromStr for Address {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let kind = kind_of(text)?;
        let address = Self {
            raw: text.to_owned(),
            kind,
        };
        match kind {
            AddressKind::Local => {
                let path = address.path().ok_or_else(|| {
                    ValueError::new(
                        format!("{} names another host", quoted(&hidden(text))),
                        "write file:///folder with three slashes",
                    )
                })?;
                no_parent_folders(text, &path)?;
                let whole: PathBuf = path.components().collect();
                if is_of_the_system(&whole) {
                    return Err(ValueError::new(
                        format!("{} belongs to the system", quoted(text)),
                        "deliver to a folder such as /srv/images",
                    ));
                }
            }
            _ => host_of(&address)?,
        }
        Ok(address)
    }
}

/// Decides the kind by the scheme, or by the look of an address without one.
fn kind_of(text: &str) -> Result<AddressKind, ValueError> {
    let Some((scheme, _)) = text.split_once("://") else {
        if text.starts_with("file:") {
            return Err(ValueError::new(
                format!("{} is not a file address", quoted(&hidden(text))),
                "write file:///folder with three slashes",
            ));
        }
        if text.starts_with('~') {
            return Err(ValueError::new(
                "\"~\" is not expanded",
                "write the whole path",
            ));
        }
        let local = text.starts_with('/') || text.starts_with("./") || text == ".";
        return Ok(if local || text.starts_with("..") {
            AddressKind::Local
        } else {
            AddressKind::Host
        });
    };
    match scheme.to_ascii_lowercase().as_str() {
        "file" => Ok(AddressKind::Local),
        "ftp" => Ok(AddressKind::Ftp),
        "ftps" => Ok(AddressKind::Ftps),
        "sftp" => Ok(AddressKind::Sftp),
        "s3" => Ok(AddressKind::S3),
        "http" | "https" => Err(ValueError::new(
            "nothing can be delivered over http",
            EXPECTED,
        )),
        other => {
            let hint = match closest(other, ["file", "ftp", "ftps", "sftp", "s3"]) {
                Some(scheme) => format!("did you mean \"{scheme}://\"?"),
                None => EXPECTED.to_owned(),
            };
            Err(ValueError::new(
                format!("{} is not a known way to deliver", quoted(other)),
                hint,
            ))
        }
    }
}

fn no_parent_folders(text: &str, path: &Path) -> Result<(), ValueError> {
    let parent = path
        .components()
        .any(|part| part == std::path::Component::ParentDir);
    // Url::parse resolves "..", so the text is looked at too.
    if parent || text.split('/').any(|part| part == "..") {
        return Err(ValueError::new(
            "the path goes up with \"..\"",
            "write the whole path",
        ));
    }
    Ok(())
}

fn host_of(address: &Address) -> Result<(), ValueError> {
    let shown = quoted(&hidden(&address.raw));
    all_of_it_is_said(&address.raw, &shown)?;
    let url = address
        .url()
        .ok_or_else(|| ValueError::new(format!("{shown} is not an address"), EXPECTED))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(ValueError::new(format!("{shown} names no host"), EXPECTED));
    }
    if url.host_str().is_some_and(|host| host.starts_with('-')) {
        return Err(ValueError::new(
            format!("the host of {shown} begins with \"-\""),
            EXPECTED,
        ));
    }
    let Some(folder) = percent::decoded(url.path()) else {
        return Err(ValueError::new(
            format!("{shown} holds a \"%\" that begins no character of a name"),
            "write % as %25",
        ));
    };
    // Who delivers decodes the path, and Url::parse resolves an encoded ".." of its own.
    let parts = address.raw.split('/').filter_map(percent::decoded);
    let decoded: Vec<String> = parts.collect();
    no_parent_folders(&decoded.join("/"), Path::new(&folder))
}

/// Refuses what would not be a part of the folder: blanks, a query and a fragment.
fn all_of_it_is_said(text: &str, shown: &str) -> Result<(), ValueError> {
    if text.contains(char::is_whitespace) {
        return Err(ValueError::new(
            format!("{shown} holds a blank"),
            "expected one address; write a blank in it as %20",
        ));
    }
    for (mark, code) in [('?', "%3F"), ('#', "%23")] {
        if text.contains(mark) {
            return Err(ValueError::new(
                format!("{shown} holds \"{mark}\", which ends the folder's name"),
                format!("write {mark} as {code}"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (text, kind) in [
            ("/srv/images", AddressKind::Local),
            ("./images", AddressKind::Local),
            ("file:///srv/images", AddressKind::Local),
            ("ftp.example.org", AddressKind::Host),
            ("127.0.0.1:2121/pub", AddressKind::Host),
            ("ftp://qa:pw@host/pub", AddressKind::Ftp),
            ("ftps://host", AddressKind::Ftps),
            ("sftp://qa@host:22/srv", AddressKind::Sftp),
            ("s3://bucket/nightly", AddressKind::S3),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.kind(), kind, "{text}");
            assert_eq!(address.as_written(), text);
        }
    }

    #[test]
    fn paths_and_urls() {
        let address: Address = "file:///srv/my%20images".parse().unwrap();
        assert_eq!(address.path(), Some(PathBuf::from("/srv/my images")));
        let address: Address = "127.0.0.1:2121/pub".parse().unwrap();
        assert_eq!(address.url().unwrap().as_str(), "ftp://127.0.0.1:2121/pub");
        assert_eq!(address.path(), None);
    }

    #[test]
    fn the_password_is_hidden() {
        let address: Address = "ftp://qa:s3cret@host/pub".parse().unwrap();
        assert_eq!(address.to_string(), "ftp://qa:***@host/pub");
        assert!(!format!("{address:?}").contains("s3cret"));
    }

    #[test]
    fn refused() {
        for (text, problem) in [
            ("https://host/x", "nothing can be delivered over http"),
            ("stfp://host", "\"stfp\" is not a known way to deliver"),
            ("ftp://", "\"ftp://\" is not an address"),
            ("s3:///prefix", "\"s3:///prefix\" names no host"),
            ("my host", "\"my host\" holds a blank"),
            ("s3://images/a b", "\"s3://images/a b\" holds a blank"),
            ("ftp://h/a/..%2F..%2Fetc", "the path goes up with \"..\""),
            ("sftp://h/a/%2e%2E/b", "the path goes up with \"..\""),
            (
                "s3://images/100%zz",
                "\"s3://images/100%zz\" holds a \"%\" that begins no character of a name",
            ),
            (
                "sftp://-oProxyCommand=x/",
                "the host of \"sftp://-oProxyCommand=x/\" begins with \"-\"",
            ),
            ("file://host/x", "\"file://host/x\" names another host"),
            ("file:/x", "\"file:/x\" is not a file address"),
            ("/srv/../etc", "the path goes up with \"..\""),
            ("file:///srv/../etc", "the path goes up with \"..\""),
            ("../images", "the path goes up with \"..\""),
            ("/", "\"/\" belongs to the system"),
            ("//etc/", "\"//etc/\" belongs to the system"),
            ("/proc/self", "\"/proc/self\" belongs to the system"),
            ("file:///etc", "\"file:///etc\" belongs to the system"),
            ("~/images", "\"~\" is not expanded"),
        ] {
            assert_eq!(
                text.parse::<Address>().unwrap_err().problem,
                problem,
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_of_an_address_is_dropped() {
        for (text, message) in [
            (
                "ftp://h/pub/a?b",
                "\"ftp://h/pub/a?b\" holds \"?\", which ends the folder's name; write ? as %3F",
            ),
            (
                "h/pub/a#b",
                "\"h/pub/a#b\" holds \"#\", which ends the folder's name; write # as %23",
            ),
            (
                "s3://images/x?versionId=1",
                "\"s3://images/x?versionId=1\" holds \"?\", which ends the folder's name; write ? as %3F",
            ),
            (
                "sftp://h/d/a b",
                "\"sftp://h/d/a b\" holds a blank; expected one address; write a blank in it as %20",
            ),
        ] {
            assert_eq!(text.parse::<Address>().unwrap_err().to_string(), message);
        }
        for text in ["/srv/a?b#c %zz", "./a?b", "ftp://h/a%3Fb%23c%20d%25"] {
            assert!(text.parse::<Address>().is_ok(), "{text}");
        }
    }
}
