//! The proxy that packages are downloaded through.

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::password::hidden;
use super::value::{ValueError, quoted};
use super::word::deserialize_from_text;

/// An `http`, `https`, `socks5` or `socks5h` proxy URL. `Display` and `Debug` hide its password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy(String);

impl Proxy {
    /// The URL as it was written, password included.
    pub fn as_written(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hidden(&self.0))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?})", hidden(&self.0))
    }
}

impl serde::Serialize for Proxy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

deserialize_from_text!(Proxy);

impl FromStr for Proxy {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let schemes = ["http", "https", "socks5", "socks5h"];
        match Url::parse(text) {
            Ok(url)
                if schemes.contains(&url.scheme())
                    && url.host_str().is_some_and(|host| !host.is_empty())
                    && !text.contains(char::is_whitespace) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(ValueError::new(
                format!("{} is not a proxy", quoted(&hidden(text))),
                "expected a URL such as http://proxy.example.org:3128",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_refused() {
        let proxy: Proxy = "http://me:pw@proxy:3128".parse().unwrap();
        assert_eq!(proxy.to_string(), "http://me:***@proxy:3128");
        assert!(!format!("{proxy:?}").contains("pw"));
        for text in ["", "proxy:3128", "ftp://proxy", "http://", "http://a b"] {
            assert!(text.parse::<Proxy>().is_err(), "{text}");
        }
    }
}
