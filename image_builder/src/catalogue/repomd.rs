//! `repomd.xml` of any repository: which files there are, and their checksums.

use super::error::Fault;
use super::packed::Checksum;
use super::xml::{Part, Xml};

/// A checksum in hex with what blanks may be around it, in bytes.
pub(super) const LONGEST_SUM: usize = 200;

/// As many files a repository has at most; Fedora's have twenty.
const MOST: usize = 200;

/// A file of metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// `primary`, `group`, ...
    pub(super) kind: String,
    /// Where it is below the repository's folder.
    pub(super) href: String,
    pub(super) checksum: Checksum,
}

/// The files that are named. Those without a checksum that proves something, or outside of the repository, are left
/// out: nobody reads them.
///
/// # Errors
///
/// What is wrong with the XML.
pub(super) fn read(text: &[u8]) -> Result<Vec<File>, Fault> {
    let mut xml = Xml::new(text, "repomd");
    let mut files = Vec::new();
    let (mut kind, mut href, mut checksum) = (None, None, None);
    while let Some(part) = xml.next()? {
        match part {
            Part::Start => match xml.name() {
                "data" => (kind, href, checksum) = (xml.attribute("type"), None, None),
                "location" => href = xml.attribute("href").filter(|href| is_below(href)),
                "checksum" => {
                    let of = xml.attribute("type").unwrap_or_default();
                    checksum = Checksum::of(&of, &xml.text(LONGEST_SUM)?);
                }
                _ => {}
            },
            Part::End(1) => {
                if let (Some(kind), Some(href), Some(checksum)) =
                    (kind.take(), href.take(), checksum.take())
                {
                    files.push(File {
                        kind,
                        href,
                        checksum,
                    });
                }
                if files.len() > MOST {
                    let limit = MOST as u64;
                    return Err(Fault::TooLarge {
                        limit,
                        what: "files",
                    });
                }
            }
            Part::Text | Part::End(_) | Part::Other => {}
        }
    }
    Ok(files)
}

/// Whether a path leads nowhere but below its folder.
fn is_below(href: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+~/".contains(c);
    !href.is_empty()
        && href.len() < 500
        && href.chars().all(plain)
        && href.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
