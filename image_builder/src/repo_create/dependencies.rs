//! What an RPM provides and requires, as repodata lists it.

use std::borrow::Cow;
use std::collections::HashSet;

use rpmrepo_metadata::Evr;

use super::fault::RpmFault;
use super::file_list::PrimaryFiles;
use super::tags::{self, Tags};
use super::xml::{self, Place};

/// One of the lists, each of which has three tags.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    element: &'static str,
    names: u32,
    flags: u32,
    versions: u32,
}

const fn list(element: &'static str, names: u32, flags: u32, versions: u32) -> List {
    List {
        element,
        names,
        flags,
        versions,
    }
}

const PROVIDES: List = list("provides", 1047, 1112, 1113);
const REQUIRES: List = list("requires", 1049, 1048, 1050);

/// The others, in the order in which they are written.
const OTHERS: [List; 6] = [
    list("conflicts", 1054, 1053, 1055),
    list("obsoletes", 1090, 1114, 1115),
    list("suggests", 5049, 5051, 5050),
    list("enhances", 5055, 5057, 5056),
    list("recommends", 5046, 5048, 5047),
    list("supplements", 5052, 5054, 5053),
];

/// Flags of a dependency: how versions compare, ...
const LESS: u32 = 1 << 1;
const GREATER: u32 = 1 << 2;
const EQUAL: u32 = 1 << 3;

/// ... and that it must be there before the package is: `%posttrans`, `PreReq`, `%pretrans`,
/// `%pre`, `%post`.
const BEFORE: u32 = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 9 | 1 << 10;

/// A dependency, as the header has it.
#[derive(Debug)]
struct Dependency<'a> {
    name: Cow<'a, str>,
    flags: u32,
    version: Cow<'a, str>,
}

/// A dependency, as repodata has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Entry<'a> {
    name: &'a str,
    comparison: Option<&'static str>,
    epoch: Option<&'a str>,
    version: Option<&'a str>,
    release: Option<&'a str>,
    before: bool,
}

/// Appends all lists of a package to its part of `primary.xml`.
pub(super) fn write(
    tags: &Tags<'_>,
    files: &PrimaryFiles<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpmFault> {
    let provides = read(tags, PROVIDES)?;
    write_list(PROVIDES, provides.iter().map(Dependency::entry), out)?;
    let requires = read(tags, REQUIRES)?;
    let required = required(&requires, &provides, files);
    write_list(REQUIRES, required.into_iter(), out)?;
    for list in OTHERS {
        let others = read(tags, list)?;
        write_list(list, others.iter().map(Dependency::entry), out)?;
    }
    Ok(())
}

fn read<'a>(tags: &Tags<'a>, list: List) -> Result<Vec<Dependency<'a>>, RpmFault> {
    let parts = (
        tags.strings(list.names)?,
        tags.numbers::<4>(list.flags)?,
        tags.strings(list.versions)?,
    );
    match parts {
        (None, None, None) => Ok(Vec::new()),
        (Some(names), Some(flags), Some(versions)) => (names.zip(flags).zip(versions))
            .map(|((name, flags), version)| {
                Ok(Dependency {
                    name: name?,
                    flags: u32::from_be_bytes(*flags),
                    version: version?,
                })
            })
            .collect(),
        _ => Err(tags::fault(&format!(
            "of what it {}, it does not say all",
            list.element
        ))),
    }
}

impl Dependency<'_> {
    fn comparison(&self) -> Option<&'static str> {
        match self.flags & (LESS | GREATER | EQUAL) {
            LESS => Some("LT"),
            GREATER => Some("GT"),
            EQUAL => Some("EQ"),
            flags if flags == LESS | EQUAL => Some("LE"),
            flags if flags == GREATER | EQUAL => Some("GE"),
            _ => None,
        }
    }

    fn entry(&self) -> Entry<'_> {
        let known = !self.version.is_empty();
        let (epoch, rest) = self.version.split_once(':').unwrap_or(("", &self.version));
        let (version, release) = rest.split_once('-').unwrap_or((rest, ""));
        Entry {
            name: &self.name,
            comparison: self.comparison(),
            epoch: known.then_some(if epoch.is_empty() { "0" } else { epoch }),
            version: known.then_some(version),
            release: Some(release).filter(|it| !it.is_empty()),
            before: false,
        }
    }
}

/// What of `requires` others have to provide, each once, as `createrepo_c` chooses it:
/// [`cr_package_from_header`](https://github.com/rpm-software-management/createrepo_c/blob/1.2.1/src/parsehdr.c).
fn required<'a>(
    requires: &'a [Dependency<'_>],
    provides: &[Dependency<'_>],
    files: &PrimaryFiles<'_>,
) -> Vec<Entry<'a>> {
    let provided: HashSet<(&str, Option<&str>, &str)> = (provides.iter())
        .map(|it| (&*it.name, it.comparison(), &*it.version))
        .collect();
    let mut paths: Option<HashSet<(&str, &str)>> = None;
    let mut own = |path: &str| {
        let (dir, name) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
        let paths = paths.get_or_insert_with(|| files.paths().collect());
        paths.contains(&(dir, name))
    };
    let (mut seen, mut entries) = (HashSet::new(), Vec::with_capacity(requires.len()));
    let mut libc: Option<Entry<'_>> = None;
    for dependency in requires {
        let name = &*dependency.name;
        // What rpm itself must be able to do.
        if name.starts_with("rpmlib(")
            || name.starts_with('/') && own(name)
            || provided.contains(&(name, dependency.comparison(), &*dependency.version))
            || !comparable(&dependency.version)
        {
            continue;
        }
        let entry = Entry {
            before: dependency.flags & BEFORE != 0,
            ..dependency.entry()
        };
        // Versions of glibc's symbols go by the highest.
        if name.starts_with("libc.so.6") {
            if libc.as_ref().is_none_or(|it| older_libc(it.name, name)) {
                libc = Some(entry);
            }
        } else if seen.insert(entry) {
            entries.push(entry);
        }
    }
    entries.extend(libc);
    entries
}

/// Whether a version's epoch, if it has one, is a number: it can be compared with others then.
fn comparable(version: &str) -> bool {
    version
        .split_once(':')
        .is_none_or(|(epoch, _)| epoch.is_empty() || epoch.parse::<u64>().is_ok())
}

/// Whether `one` asks for an older glibc than `other`: `libc.so.6(GLIBC_2.4)(64bit)` for an older
/// one than `libc.so.6(GLIBC_2.38)(64bit)`, and one without a number for the oldest.
fn older_libc(one: &str, other: &str) -> bool {
    match (libc(one), libc(other)) {
        (Libc::Version(one), Libc::Version(other)) => {
            Evr::new("", one, "") < Evr::new("", other, "")
        }
        (one, other) => one.rank() < other.rank(),
    }
}

/// How a capability of glibc is written, the least that is asked for first.
enum Libc<'a> {
    Bare,
    Open,
    Empty,
    Word,
    Version(&'a str),
}

impl Libc<'_> {
    fn rank(&self) -> u8 {
        match self {
            Self::Bare => 0,
            Self::Open => 1,
            Self::Empty => 2,
            Self::Word => 3,
            Self::Version(_) => 4,
        }
    }
}

fn libc(name: &str) -> Libc<'_> {
    let Some((_, rest)) = name.split_once('(') else {
        return Libc::Bare;
    };
    let Some((symbol, _)) = rest.split_once(')') else {
        return Libc::Open;
    };
    match symbol.find(|it: char| it.is_ascii_digit()) {
        Some(at) => Libc::Version(&symbol[at..]),
        None if symbol.is_empty() => Libc::Empty,
        None => Libc::Word,
    }
}

/// Appends a list; one without entries is left out.
fn write_list<'a>(
    list: List,
    entries: impl Iterator<Item = Entry<'a>>,
    out: &mut Vec<u8>,
) -> Result<(), RpmFault> {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    let element = list.element.as_bytes();
    for part in [b"    <rpm:", element, b">\n"] {
        out.extend_from_slice(part);
    }
    for entry in entries {
        out.extend_from_slice(b"      <rpm:entry");
        for (attribute, value) in [
            (" name=\"", Some(entry.name)),
            (" flags=\"", entry.comparison),
            (" epoch=\"", entry.epoch),
            (" ver=\"", entry.version),
            (" rel=\"", entry.release),
            (" pre=\"", entry.before.then_some("1")),
        ] {
            let Some(value) = value else { continue };
            out.extend_from_slice(attribute.as_bytes());
            xml::push(out, value, Place::Attribute)
                .map_err(|_| tags::fault("a dependency has characters that no XML may have"))?;
            out.push(b'"');
        }
        out.extend_from_slice(b"/>\n");
    }
    for part in [b"    </rpm:", element, b">\n"] {
        out.extend_from_slice(part);
    }
    Ok(())
}
