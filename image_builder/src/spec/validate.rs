//! The one way from a document, in whatever format it was written, to a [`BuildSpec`]: finds
//! every mistake at once.

use std::collections::HashMap;

use super::arch::Arch;
use super::build_spec::BuildSpec;
use super::entry::{Document, Entry, Head};
use super::keys::{Key, Section, nearest};
use super::mistake::{Mistake, in_order};
use super::overrides::Override;
use super::read;
use super::reader::{Reader, Tables, mistake_at};
use super::sections::Common;
use super::value::{ValueError, closest, one_of, quoted};
use super::{ImageType, Release};

/// After so many mistakes, nobody is helped by a "did you mean", and looking for it takes time.
const MOST_HINTS: usize = 200;

/// Judges a document. `origin` names the text in mistakes.
pub(crate) fn validate(
    document: Document,
    origin: &str,
    overrides: &[Override],
) -> Result<BuildSpec, Vec<Mistake>> {
    let Document {
        heads,
        entries,
        broken,
        mistakes,
    } = document;
    if broken {
        return Err(in_order(mistakes));
    }
    let mut judge = Judge {
        origin,
        mistakes,
        tables: Tables::default(),
    };
    let mut written = judge.heads(&heads);
    judge.entries(entries);
    for set in overrides {
        judge.set(set, &mut written);
    }
    judge.values();
    let spec = judge.spec(&written);
    match spec {
        Some(spec) if judge.mistakes.is_empty() => Ok(spec),
        _ => Err(in_order(judge.mistakes)),
    }
}

struct Judge<'a> {
    origin: &'a str,
    mistakes: Vec<Mistake>,
    tables: Tables,
}

impl Judge<'_> {
    /// The sections that are written.
    fn heads(&mut self, heads: &[Head]) -> Vec<Section> {
        let mut first: HashMap<&str, Option<usize>> = HashMap::new();
        let mut written = Vec::new();
        for head in heads {
            let place = |mistake: Mistake| mistake.at(head.line).in_section(Some(&head.name));
            match Section::find(&head.name) {
                Some(section) => written.push(section),
                None => {
                    let error = unknown_section(&head.name);
                    self.mistakes.push(place(Mistake::new(self.origin, error)));
                }
            }
            match first.get(head.name.as_str()) {
                Some(line) => {
                    let error = twice("the section stands twice", *line, "join the two");
                    self.mistakes.push(place(Mistake::new(self.origin, error)));
                }
                None => drop(first.insert(&head.name, head.line)),
            }
        }
        written
    }

    /// Sorts the entries into their sections.
    fn entries(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            // An unknown section is already reported by its header.
            let Some(section) = Section::find(&entry.section) else {
                continue;
            };
            let Some(key) = self.known_key(section, &entry) else {
                continue;
            };
            match self.tables.of(section).get(&key) {
                Some(first) => {
                    let error = twice("given twice", first.line, "keep one of them");
                    self.mistakes.push(mistake_at(self.origin, &entry, error));
                }
                None => drop(self.tables.of_mut(section).insert(key, entry)),
            }
        }
    }

    /// Puts a value from the command line over those of the text.
    fn set(&mut self, set: &Override, written: &mut Vec<Section>) {
        let entry = set.entry();
        let Some(section) = Section::find(&entry.section) else {
            let error = unknown_section(&entry.section);
            self.mistakes.push(mistake_at(self.origin, &entry, error));
            return;
        };
        let Some(key) = self.known_key(section, &entry) else {
            return;
        };
        if set.is_global() {
            for section in Section::ALL {
                self.tables.of_mut(section).remove(&key);
            }
        }
        written.push(section);
        self.tables.of_mut(section).insert(key, entry);
    }

    /// The key in lower case, if the section may hold it.
    fn known_key(&mut self, section: Section, entry: &Entry) -> Option<String> {
        let name = entry.key.to_lowercase();
        let error = match Key::find(&name) {
            Some(key) if key.may_stand_in(section) => return Some(name),
            Some(key) => ValueError::new(
                format!("no key of [{section}]"),
                format!("{} belongs to {}", quoted(&entry.key), homes(key)),
            ),
            None if self.mistakes.len() < MOST_HINTS => unknown_key(section, &name),
            None => ValueError::new("unknown key", "`fbs new` writes a sample with every key"),
        };
        self.mistakes.push(mistake_at(self.origin, entry, error));
        None
    }

    /// Looks at each value where it is written, also where a section's own value hides it.
    fn values(&mut self) {
        for section in Section::ALL {
            for name in self.tables.of(section).keys() {
                if let Some(key) = Key::find(name) {
                    let view = self.tables.view(section);
                    Reader {
                        view,
                        origin: self.origin,
                        mistakes: &mut self.mistakes,
                    }
                    .check(name, key.kind);
                }
            }
        }
    }

    /// The spec, if it is whole enough to be one.
    fn spec(&mut self, written: &[Section]) -> Option<BuildSpec> {
        let mut default = self.reader(Section::Default);
        let (image_type, release): (Option<ImageType>, Option<Release>) =
            (default.take("type"), default.take("release"));
        let common = Common {
            image_type: image_type.unwrap_or(ImageType::Boot),
            release: release.clone().unwrap_or(Release::Rawhide),
            arch: default.take("arch"),
            staging: default.list("staging"),
            email: default.emails("email"),
            shared: read::shared(&mut default),
        };
        let has = |judge: &Self, section, of_type| {
            written.contains(&section)
                || image_type == Some(of_type)
                || judge.is_inherited_only_by(section)
        };
        let boot = has(self, Section::Boot, ImageType::Boot)
            .then(|| read::boot(&mut self.reader(Section::Boot)));
        let dvd = has(self, Section::Dvd, ImageType::Dvd)
            .then(|| read::dvd(&mut self.reader(Section::Dvd)));
        let live = has(self, Section::Live, ImageType::Live)
            .then(|| read::live(&mut self.reader(Section::Live)));
        let spec = BuildSpec {
            common,
            boot,
            dvd,
            live,
            base_dir: None,
        };
        self.missing("type", image_type.is_some(), "expected boot, dvd or live");
        self.missing(
            "release",
            release.is_some(),
            "expected a number such as 43, \"rawhide\" or \"eln\"",
        );
        (image_type.is_some() && release.is_some()).then(|| {
            self.i686(&spec);
            spec
        })
    }

    /// Whether `[DEFAULT]` gives a key of this section that not every section knows.
    fn is_inherited_only_by(&self, section: Section) -> bool {
        let names = self.tables.of(Section::Default).keys();
        let mut keys = names.filter_map(|name| Key::find(name));
        keys.any(|key| {
            key.sections.contains(&section)
                && key.sections.len() < Section::ALL.len() - 1
                && !key.sections.contains(&Section::Default)
        })
    }

    fn reader(&mut self, section: Section) -> Reader<'_, '_> {
        Reader {
            view: self.tables.view(section),
            origin: self.origin,
            mistakes: &mut self.mistakes,
        }
    }

    /// Reports a key that must be given, unless it is already reported as wrong.
    fn missing(&mut self, key: &str, found: bool, hint: &str) {
        let entry = self.tables.of(Section::Default).get(key);
        let default = Section::Default.name();
        let reported = self.mistakes.iter().any(|mistake| {
            mistake
                .key
                .as_ref()
                .is_some_and(|name| name.eq_ignore_ascii_case(key))
                && mistake
                    .section
                    .as_deref()
                    .is_none_or(|section| section == default)
        });
        if !found && !reported {
            let error = ValueError::new("must be given", hint);
            let mistake = Mistake::new(self.origin, error)
                .at(entry.and_then(|entry| entry.line))
                .in_section(Some(default))
                .of_key(key);
            self.mistakes.push(mistake);
        }
    }

    /// Fedora has no i686 images any more.
    fn i686(&mut self, spec: &BuildSpec) {
        let last = Arch::LAST_I686_RELEASE;
        let too_new = |release: &Release| release.number().is_none_or(|number| number > last);
        let entry = self.tables.of(Section::Default).get("arch");
        if spec.common.arch == Some(Arch::I686)
            && (too_new(spec.release()) || too_new(spec.package_release()))
            && let Some(entry) = entry
        {
            let error = ValueError::new(
                format!("i686 images ended with Fedora {last}"),
                format!("choose x86_64, or a release up to {last}"),
            );
            self.mistakes.push(mistake_at(self.origin, entry, error));
        }
    }
}

fn twice(what: &str, first: Option<usize>, hint: &str) -> ValueError {
    match first {
        Some(line) => ValueError::new(format!("{what}, here and on line {line}"), hint),
        None => ValueError::new(what, hint),
    }
}

fn unknown_section(name: &str) -> ValueError {
    let names = Section::ALL.map(Section::name);
    let hint = match closest(name, names) {
        Some(name) => format!("did you mean [{name}]?"),
        None => format!(
            "expected {}",
            one_of(
                &names
                    .map(|name| format!("[{name}]"))
                    .each_ref()
                    .map(String::as_str)
            )
        ),
    };
    ValueError::new("unknown section", hint)
}

fn unknown_key(section: Section, name: &str) -> ValueError {
    let hint = if let Some(meant) = nearest(name, section) {
        format!("did you mean \"{meant}\"?")
    } else if let Some((meant, home)) = elsewhere(name) {
        format!("did you mean \"{meant}\", which belongs to [{home}]?")
    } else if name.ends_with("_url") || name.ends_with("_mirror") {
        "a repository is RELEASE_url, RELEASE-updates_url or RELEASE-updates-testing_url, or the \
         same with _mirror"
            .to_owned()
    } else if section == Section::Default {
        "`fbs new` writes a sample with every key".to_owned()
    } else {
        format!("`fbs new {section}` writes a sample with every key of [{section}]")
    };
    ValueError::new("unknown key", hint)
}

/// What an unknown key means in another section, `[DEFAULT]` asked last: it takes any key.
fn elsewhere(name: &str) -> Option<(String, Section)> {
    let mut sections = Section::ALL.into_iter().rev();
    sections.find_map(|section| Some((nearest(name, section)?, section)))
}

/// `[boot], [dvd] or [DEFAULT]`.
fn homes(key: &Key) -> String {
    let mut names: Vec<String> = key
        .sections
        .iter()
        .map(|section| format!("[{section}]"))
        .collect();
    if !key.sections.contains(&Section::Default) {
        names.push(format!("[{}]", Section::Default));
    }
    one_of(&names.iter().map(String::as_str).collect::<Vec<_>>())
}
