//! From a [`BuildSpec`] back to text: INI, and any format through serde.

use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, Deserializer};

use super::address::Address;
use super::build_spec::BuildSpec;
use super::error::SpecError;
use super::keys::Section;
use super::sections::{BootSpec, Common, DvdSpec, LiveSpec, Shared};
use super::tables::{self, Pairs};
use super::validate::validate;

/// A value on its way to a text.
#[derive(Debug, Clone, PartialEq)]
enum Written {
    Text(String),
    Flag(bool),
    Number(u64),
    List(Vec<String>),
    Numbers(Vec<u64>),
}

type Keys = Vec<(String, Written)>;

impl BuildSpec {
    /// The spec in the INI format of 2012; parsing it gives an equal spec. Passwords are written
    /// out.
    pub fn to_ini(&self) -> String {
        let mut out = String::new();
        for (section, keys) in sections(self) {
            if !out.is_empty() {
                out.push('\n');
            }
            // Writing to a String cannot fail.
            let _ = writeln!(out, "[{section}]");
            for (key, value) in keys {
                let _ = writeln!(out, "{key}={}", value.to_ini());
            }
        }
        out
    }
}

impl Serialize for BuildSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sections = sections(self);
        let mut map = serializer.serialize_map(Some(sections.len()))?;
        for (section, keys) in sections {
            map.serialize_entry(section.name(), &Map(keys))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for BuildSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sections = Pairs::deserialize(deserializer)?;
        let document = tables::document(sections, "spec", std::iter::empty());
        validate(document, "spec", &[])
            .map_err(|mistakes| serde::de::Error::custom(SpecError::Invalid(mistakes)))
    }
}

struct Map(Keys);

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(&escaped(text)),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::List(items) => serializer.collect_seq(items.iter().map(|item| escaped(item))),
            Self::Numbers(items) => serializer.collect_seq(items),
        }
    }
}

/// The text with every `%` doubled that would otherwise mean something.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '%' && matches!(chars.peek(), Some('%' | '(')) {
            out.push('%');
        }
    }
    out
}

impl Written {
    fn to_ini(&self) -> String {
        let list = |items: Vec<String>| {
            items
                .iter()
                .fold(String::new(), |all, item| all + item + ";")
        };
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Self::Number(number) => number.to_string(),
            Self::List(items) => list(items.clone()),
            Self::Numbers(items) => list(items.iter().map(u64::to_string).collect()),
        };
        // Python refuses a "%" that stands alone.
        text.replace('%', "%%")
    }
}

/// What is to be written: `[DEFAULT]`, then each section as far as it differs from it.
fn sections(spec: &BuildSpec) -> Vec<(Section, Keys)> {
    let inherited = shared(&spec.common.shared);
    let mut out = vec![(Section::Default, default(&spec.common, &inherited))];
    if let Some(boot) = &spec.boot {
        let mut keys = own_boot(boot);
        if boot.release.as_ref() != Some(&spec.common.release) {
            let release = boot.release.as_ref().map_or_else(empty, release);
            keys.insert(0, ("release".to_owned(), release));
        }
        keys.extend(differing(shared(&boot.shared), &inherited));
        out.push((Section::Boot, keys));
    }
    if let Some(dvd) = &spec.dvd {
        let mut keys = own_dvd(dvd);
        keys.extend(differing(shared(&dvd.shared), &inherited));
        out.push((Section::Dvd, keys));
    }
    if let Some(live) = &spec.live {
        let mut keys = own_live(live);
        keys.extend(differing(shared(&live.shared), &inherited));
        out.push((Section::Live, keys));
    }
    out
}

/// What a section says otherwise than `[DEFAULT]`; an empty value takes the inherited one away.
fn differing(own: Keys, inherited: &Keys) -> Keys {
    let taken_away: Vec<_> = inherited
        .iter()
        .filter(|(key, _)| own.iter().all(|(other, _)| other != key))
        .map(|(key, _)| (key.clone(), empty()))
        .collect();
    own.into_iter()
        .filter(|pair| !inherited.contains(pair))
        .chain(taken_away)
        .collect()
}

fn empty() -> Written {
    Written::Text(String::new())
}

fn release(release: &super::Release) -> Written {
    match release.number() {
        Some(number) => Written::Number(number.into()),
        None => Written::Text(release.to_string()),
    }
}

/// Collects the values that are given.
#[derive(Default)]
struct Given(Keys);

impl Given {
    fn text(mut self, key: &str, value: Option<impl ToString>) -> Self {
        self.0
            .extend(value.map(|value| (key.to_owned(), Written::Text(value.to_string()))));
        self
    }

    fn path(self, key: &str, value: Option<&std::path::PathBuf>) -> Self {
        self.text(key, value.map(|path| path.display()))
    }

    fn flag(mut self, key: &str, value: Option<bool>) -> Self {
        self.0
            .extend(value.map(|flag| (key.to_owned(), Written::Flag(flag))));
        self
    }

    fn release(mut self, key: &str, value: Option<&super::Release>) -> Self {
        self.0
            .extend(value.map(|value| (key.to_owned(), release(value))));
        self
    }

    fn list<T: ToString>(mut self, key: &str, items: &[T]) -> Self {
        if !items.is_empty() {
            let items = items.iter().map(T::to_string).collect();
            self.0.push((key.to_owned(), Written::List(items)));
        }
        self
    }
}

fn default(common: &Common, inherited: &Keys) -> Keys {
    let mut keys = Given::default()
        .text("type", Some(common.image_type))
        .release("release", Some(&common.release))
        .text("arch", common.arch)
        .0;
    keys.extend(staging(&common.staging));
    keys.extend(Given::default().list("email", &common.email).0);
    keys.extend_from_slice(inherited);
    keys
}

/// With its passwords, which the text of an address hides.
fn staging(addresses: &[Address]) -> Keys {
    let written: Vec<&str> = addresses.iter().map(Address::as_written).collect();
    match written.as_slice() {
        [address] => Given::default().text("staging", Some(address)).0,
        addresses => Given::default().list("staging", addresses).0,
    }
}

fn shared(shared: &Shared) -> Keys {
    let mut given = Given::default().list("nvr", &shared.nvr);
    if !shared.bid.is_empty() {
        let numbers = shared.bid.iter().map(|bid| bid.0).collect();
        given.0.push(("bid".to_owned(), Written::Numbers(numbers)));
    }
    given = given
        .list("tag", &shared.tag)
        .list("bodhi", &shared.bodhi)
        .text("require_landed", shared.require_landed)
        .flag("multilib", shared.multilib)
        .flag("allow_two_builds", shared.allow_two_builds)
        .text("koji_hub", shared.koji_hub.as_ref())
        .text("koji_files", shared.koji_files.as_ref())
        .text("bodhi_url", shared.bodhi_url.as_ref())
        .list("sigkey", &shared.sigkey)
        .text(
            "koji_gpgkey",
            shared.koji_gpgkey.as_ref().map(|key| key.as_written()),
        )
        .list("packages", &shared.packages)
        .list("groups", &shared.groups)
        .flag("updates", shared.updates)
        .flag("updates-testing", shared.updates_testing);
    for (id, urls) in &shared.repositories {
        given = given
            .text(
                &format!("{id}_url"),
                urls.url.as_ref().map(|url| url.as_written()),
            )
            .text(
                &format!("{id}_mirror"),
                urls.mirror.as_ref().map(|url| url.as_written()),
            );
    }
    given
        .text(
            "proxy",
            shared.proxy.as_ref().map(|proxy| proxy.as_written()),
        )
        .flag("gpgcheck", shared.gpgcheck)
        .text("gpgkey", shared.gpgkey.as_ref().map(|key| key.as_written()))
        .text("backend", shared.backend)
        .text("compression", shared.compression)
        .text("rootfs", shared.rootfs)
        .text("boot_test", shared.boot_test)
        .text("timeout", shared.timeout)
        .0
}

fn own_boot(boot: &BootSpec) -> Keys {
    Given::default()
        .text("product", boot.product.as_ref())
        .text("version", boot.version.as_ref())
        .path("outdir", boot.outdir.as_ref())
        .path("workdir", boot.workdir.as_ref())
        .0
}

fn own_dvd(dvd: &DvdSpec) -> Keys {
    Given::default()
        .text("name", dvd.name.as_ref())
        .text("version", dvd.version.as_ref())
        .text("flavor", dvd.flavor.as_ref())
        .path("destdir", dvd.destdir.as_ref())
        .path("cachedir", dvd.cachedir.as_ref())
        .path("workdir", dvd.workdir.as_ref())
        .text("bugurl", dvd.bugurl.as_ref())
        .flag("nosource", dvd.nosource)
        .flag("sourceisos", dvd.sourceisos)
        .flag("force", dvd.force)
        .text("stage", dvd.stage.as_ref())
        .text(
            "config",
            dvd.config.as_ref().map(|config| config.as_written()),
        )
        .0
}

fn own_live(live: &LiveSpec) -> Keys {
    Given::default()
        .text("label", live.label.as_ref())
        .text("title", live.title.as_ref())
        .text("product", live.product.as_ref())
        .release("releasever", live.releasever.as_ref())
        .path("tmpdir", live.tmpdir.as_ref())
        .path("cachedir", live.cachedir.as_ref())
        .path("logfile", live.logfile.as_ref())
        .text("profile", live.profile.as_ref())
        .text("post_timeout", live.post_timeout)
        .text(
            "config",
            live.config.as_ref().map(|config| config.as_written()),
        )
        .0
}
