//! Where the mirrors of a repository are.

use std::sync::Arc;

use url::Url;

use super::error::Fault;
use super::packed::Checksum;
use super::repomd::LONGEST_SUM;
use super::xml::{Part, Xml};

/// What addresses of a metalink end with.
const REPOMD: &str = "repodata/repomd.xml";

/// Bytes that an address has at most.
const LONGEST: usize = 2000;

/// As many mirrors are looked at.
const MOST: usize = 2000;

/// As many checksums: MirrorManager tells a few of each of the last days.
const MOST_SUMS: usize = 200;

/// The folder of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// Ends with a slash.
    pub(super) url: Url,
    /// What its `repomd.xml` may be; anything if none is said.
    pub(super) announced: Arc<[Checksum]>,
}

impl Base {
    /// The folder of this address, of whatever scheme.
    pub(super) fn of(address: &str) -> Option<Self> {
        let mut url = Url::parse(address.trim()).ok()?;
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Some(Self {
            url,
            announced: Arc::default(),
        })
    }

    /// One that a list names: only what is served by HTTP is looked at.
    fn listed(address: &str) -> Option<Self> {
        Self::of(address).filter(|base| matches!(base.url.scheme(), "http" | "https"))
    }

    /// A file in it.
    pub(super) fn file(&self, href: &str) -> Option<Url> {
        let mut url = self.url.join(href).ok()?;
        // Some servers are asked with a query, whatever the file.
        url.set_query(self.url.query());
        Some(url)
    }
}

/// A list of addresses, one a line.
///
/// # Errors
///
/// There is none with HTTP.
pub(super) fn list(text: &[u8]) -> Result<Vec<Base>, Fault> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    found(lines.filter_map(Base::listed).take(MOST).collect())
}

/// A [metalink](https://datatracker.ietf.org/doc/html/rfc5854), or one of version 3, as MirrorManager writes it: the
/// preferred mirrors first.
///
/// # Errors
///
/// What is wrong with the XML; no mirror with HTTP.
pub(super) fn metalink(text: &[u8]) -> Result<Vec<Base>, Fault> {
    let mut xml = Xml::new(text, "metalink");
    let (mut announced, mut mirrors) = (Vec::<Checksum>::new(), Vec::<(i64, Base)>::new());
    let mut is_repomd = false;
    while let Some(part) = xml.next()? {
        if part != Part::Start {
            continue;
        }
        match xml.name() {
            "file" => is_repomd = xml.attribute("name").as_deref() == Some("repomd.xml"),
            // Those of the versions before are announced too: a mirror may be a little behind.
            "hash" if is_repomd && announced.len() < MOST_SUMS => {
                let kind = xml.attribute("type").unwrap_or_default();
                announced.extend(Checksum::of(&kind, &xml.text(LONGEST_SUM)?));
            }
            "url" if is_repomd && mirrors.len() < MOST => {
                let preference = xml.attribute("preference");
                let preference = preference.and_then(|number| number.parse().ok());
                let address = xml.text(LONGEST)?;
                let folder = address.strip_suffix(REPOMD);
                if let Some(base) = folder.and_then(Base::listed) {
                    mirrors.push((preference.unwrap_or(0), base));
                }
            }
            _ => {}
        }
    }
    mirrors.sort_by_key(|(preference, _)| -preference.clamp(&0, &100));
    let announced: Arc<[Checksum]> = announced.into();
    let with_sums = |(_, base): (i64, Base)| Base {
        announced: announced.clone(),
        ..base
    };
    found(mirrors.into_iter().map(with_sums).collect())
}

fn found(mirrors: Vec<Base>) -> Result<Vec<Base>, Fault> {
    match mirrors.is_empty() {
        true => Err(Fault::NoMirror),
        false => Ok(mirrors),
    }
}
