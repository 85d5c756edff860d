//! Where a line of a kickstart was written.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use url::Url;

use crate::redact;

/// Where a text comes from. `Display` hides a password in a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A file of this machine.
    File(PathBuf),
    /// A URL: http, https or ftp.
    Url(Url),
    /// A text that was handed over, by the name that messages give it.
    Text(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(url) => f.write_str(&redact::passwords(url.as_str())),
            Self::Text(name) => f.write_str(name),
        }
    }
}

/// One text among those that make up a kickstart, and the line that asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Where the text comes from.
    pub source: Source,
    /// The `%include` or `%ksappend` that asked for it; `None` for the first text.
    pub included_at: Option<Place>,
}

/// A line of a text. `Display` is `live.ks:12`, and is what serialises.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The text, shared by all its lines.
    pub origin: Arc<Origin>,
    /// The line in it, counted from 1.
    pub line: usize,
}

impl Place {
    /// The places that lead here, the first text's first; the last is this one.
    pub fn chain(&self) -> Vec<&Place> {
        let mut chain = vec![self];
        while let Some(place) = chain[chain.len() - 1].origin.included_at.as_ref() {
            chain.push(place);
        }
        chain.reverse();
        chain
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin.source, self.line)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A value and the line that gives it. Dereferences to the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placed<T> {
    /// What was said.
    pub value: T,
    /// Where.
    pub place: Place,
}

impl<T> std::ops::Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_knows_the_way_to_it() {
        let at = |name: &str, line, included_at| Place {
            origin: Arc::new(Origin {
                source: Source::Text(name.into()),
                included_at,
            }),
            line,
        };
        let place = at("c", 1, Some(at("b", 2, Some(at("a", 3, None)))));
        let chain: Vec<String> = place.chain().iter().map(ToString::to_string).collect();
        assert_eq!(chain, ["a:3", "b:2", "c:1"]);
    }

    #[test]
    fn a_password_is_not_shown() {
        let url = Url::parse("http://me:pw@host/a.ks").unwrap();
        assert_eq!(Source::Url(url).to_string(), "http://me:***@host/a.ks");
    }
}
