//! The repodata that is there already, so that RPMs that have not changed are not read again.
//!
//! It is not parsed: the text of a package's element is taken over as it stands. That is sound for
//! repodata in the form that [`super::package_xml`] writes (which is also `createrepo_c`'s), whose
//! checksums match; anything else is not used.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::hex;
use super::metadata_file::Sum;
use super::repodata::ROOTS;
use super::repomd::{self, Record, between};

/// More than this is not unpacked, in bytes a file: it would be the index of several Fedoras.
const LARGEST: u64 = 4 << 30;

/// What is known of the RPMs of a folder.
#[derive(Debug, Default)]
pub(super) struct Previous {
    texts: [String; 3],
    /// By file.
    packages: HashMap<String, Known>,
    /// When it was made, in seconds since 1970.
    time: u64,
}

#[derive(Debug)]
struct Known {
    size: u64,
    time: i64,
    sha256: String,
    /// Where its element is, in each of the texts.
    parts: [Range<usize>; 3],
}

impl Previous {
    /// Reads the repodata of `dir`; empty if there is none, or none that can be used.
    pub(super) fn read(dir: &Path) -> Self {
        Self::try_read(dir).unwrap_or_default()
    }

    fn try_read(dir: &Path) -> Option<Self> {
        let repodata = dir.join("repodata");
        let (time, records) = repomd::read(&fs::read_to_string(repodata.join("repomd.xml")).ok()?)?;
        let record = |kind| records.iter().find(|record: &&Record| record.kind == kind);
        let records = [record("primary")?, record("filelists")?, record("other")?];
        let [primary, filelists, other] = std::thread::scope(|scope| {
            records
                .map(|record| scope.spawn(|| unpack(&repodata, record)))
                .map(|thread| thread.join().ok().flatten())
        });
        Self::of_texts(time, [primary?, filelists?, other?])
    }

    /// What the texts of the three files, made at `time`, say.
    pub(super) fn of_texts(time: u64, texts: [String; 3]) -> Option<Self> {
        let known = elements(&texts[0], 0)?;
        let by_id = |index: usize| -> Option<HashMap<&str, Range<usize>>> {
            let ranges = elements(&texts[index], index)?;
            let id = |range: &Range<usize>| {
                between(&texts[index][range.clone()], "<package pkgid=\"", "\"")
            };
            ranges
                .into_iter()
                .map(|range| Some((id(&range)?, range)))
                .collect()
        };
        let (filelists, other) = (by_id(1)?, by_id(2)?);
        let mut packages = HashMap::with_capacity(known.len());
        for range in known {
            let xml = &texts[0][range.clone()];
            let sha256 = between(xml, "<checksum type=\"sha256\" pkgid=\"YES\">", "</")?;
            let href = between(xml, "<location href=\"", "\"")?;
            let known = Known {
                size: between(xml, "<size package=\"", "\"")?.parse().ok()?,
                time: between(xml, "<time file=\"", "\"")?.parse().ok()?,
                sha256: sha256.to_owned(),
                parts: [
                    range,
                    filelists.get(sha256)?.clone(),
                    other.get(sha256)?.clone(),
                ],
            };
            packages.insert(href.to_owned(), known);
        }
        Some(Self {
            texts,
            packages,
            time,
        })
    }

    /// How many RPMs are known.
    pub(super) fn len(&self) -> usize {
        self.packages.len()
    }

    /// The size of `href`, if it is known.
    pub(super) fn size(&self, href: &str) -> Option<u64> {
        self.packages.get(href).map(|known| known.size)
    }

    /// Everything that a reader may ask for.
    #[cfg(fuzzing)]
    pub(super) fn ask_for_all(&self) {
        for (href, known) in &self.packages {
            let _ = self.get(href, known.size, known.time, None);
        }
    }

    /// What was written of `href`, if the file still has the size and the time of then: its element
    /// in each of the texts.
    pub(super) fn get(
        &self,
        href: &str,
        size: u64,
        time: i64,
        sha256: Option<&str>,
    ) -> Option<[&str; 3]> {
        let known = self.packages.get(href)?;
        // A file that was changed in the second in which it was read looks as it did before.
        let settled = u64::try_from(time).is_ok_and(|time| time < self.time);
        let same = known.size == size
            && known.time == time
            && sha256.is_none_or(|sha256| sha256 == known.sha256);
        let text = |index: usize| &self.texts[index][known.parts[index].clone()];
        (same && settled).then(|| [text(0), text(1), text(2)])
    }
}

/// The text of one of the files, if it is what `repomd.xml` says.
fn unpack(repodata: &Path, record: &Record) -> Option<String> {
    let Sum { size, sha256 } = record.open.as_ref().filter(|open| open.size <= LARGEST)?;
    if record.file.contains('/') {
        return None;
    }
    let packed = fs::File::open(repodata.join(&record.file)).ok()?;
    let reader: Box<dyn Read> = match record.file.rsplit_once('.')?.1 {
        "zst" => Box::new(zstd::stream::read::Decoder::new(packed).ok()?),
        "gz" => Box::new(flate2::read::GzDecoder::new(io::BufReader::new(packed))),
        _ => return None,
    };
    let mut text = String::new();
    // A byte more than it should have is enough to see that it is wrong.
    reader.take(size + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 == *size && hex::encode(&Sha256::digest(&text)) == *sha256).then_some(text)
}

/// Where the `<package>` elements of a text are. Between them and around them is nothing but the
/// root element as we write it.
fn elements(text: &str, index: usize) -> Option<Vec<Range<usize>>> {
    const END: &str = "</package>\n";
    let root = &ROOTS[index];
    // A `<` in the text of an element is always `&lt;`, unless one of these is used.
    if text.contains("<![CDATA[") || text.contains("<!--") {
        return None;
    }
    let body = text.strip_prefix(root.start)?;
    let (count, body) = body.split_once("\">\n")?;
    let count: usize = count.parse().ok()?;
    let mut at = text.len() - body.len();
    let mut elements = Vec::new();
    while let Some(length) = text[at..].find(END) {
        if !text[at..].starts_with("<package") {
            return None;
        }
        let end = at + length + END.len();
        elements.push(at..end);
        at = end;
    }
    let rest = text[at..].trim_end();
    (elements.len() == count && rest == root.end.trim_end()).then_some(elements)
}
