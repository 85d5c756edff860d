//! The one table of sections and keys. Validation, "did you mean", samples and
//! `docs/spec-reference.md` all come from it.

use std::fmt;

use super::repository::RepositoryId;
use super::value::closest;
use super::{Arch, defaults};

/// A section of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// `[DEFAULT]`: inherited by the others.
    Default,
    /// `[boot]`.
    Boot,
    /// `[dvd]`.
    Dvd,
    /// `[live]`.
    Live,
}

impl Section {
    /// Every section, `[DEFAULT]` first.
    pub const ALL: [Self; 4] = [Self::Default, Self::Boot, Self::Dvd, Self::Live];

    /// The name as it is written, without brackets.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::Boot => "boot",
            Self::Dvd => "dvd",
            Self::Live => "live",
        }
    }

    /// The section of this very name; names are written in this case only, as in 2012.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.name() == name)
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The form of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "`describe` says what each is")]
pub enum Kind {
    Type,
    Arch,
    Release,
    Staging,
    Emails,
    Text,
    Word,
    Label,
    Flag,
    Folder,
    File,
    Location,
    Proxy,
    Link,
    Nvrs,
    BuildIds,
    Tags,
    Updates,
    SigKeys,
    RequireLanded,
    Packages,
    Groups,
    Stages,
    Backend,
    Compression,
    RootFs,
    BootTest,
    Timeout,
}

impl Kind {
    /// Whether the value is a list, which may run over several lines.
    pub(crate) fn is_list(self) -> bool {
        matches!(
            self,
            Self::Staging
                | Self::Emails
                | Self::Nvrs
                | Self::BuildIds
                | Self::Tags
                | Self::Updates
                | Self::SigKeys
                | Self::Packages
                | Self::Groups
                | Self::Stages
        )
    }

    /// Whether a value may begin with `-`.
    pub(crate) fn takes_dash(self) -> bool {
        matches!(self, Self::Packages | Self::Stages)
    }

    /// The form in words, for the documentation.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Type => "`boot`, `dvd` or `live`",
            Self::Arch => "`x86_64`, `aarch64`, `ppc64le`, `s390x` or `i686`",
            Self::Release => "a number, `rawhide` or `eln`",
            Self::Staging => {
                "list of hosts, `ftp://`, `ftps://`, `sftp://`, `s3://`, `file://` or folders"
            }
            Self::Emails => "list of mail addresses",
            Self::Text => "text of at most 128 characters",
            Self::Word => "letters, digits and `._+~-`, at most 64",
            Self::Label => "letters, digits and `._-`, at most 32",
            Self::Flag => "`1`, `yes`, `true`, `on` or `0`, `no`, `false`, `off`",
            Self::Folder => "folder",
            Self::File => "file",
            Self::Location => "URL or path",
            Self::Proxy => "`http://`, `https://` or `socks5://` URL",
            Self::Link => "`http://` or `https://` URL",
            Self::Nvrs => "list of name-version-release",
            Self::BuildIds => "list of numbers",
            Self::Tags => "list of Koji tags",
            Self::Updates => "list of Bodhi updates, or of the addresses of their pages",
            Self::SigKeys => "list of key ids, 8 or more hexadecimal digits each",
            Self::RequireLanded => "`all`, `any` or `none`",
            Self::Packages => "list of packages, `@groups`, `@^environments`, `-exclusions`",
            Self::Groups => "list of groups or `^environments`, with or without `@`",
            Self::Stages => "`all`, or some of `-G -C -B -I`",
            Self::Backend => {
                "`auto`, `native`, `lorax`, `livemedia-creator`, `livecd-creator`, `kiwi`, \
                 `image-builder` or `pungi`"
            }
            Self::Compression => {
                "`fast`, `balanced`, `small`, `release`, `zstd`, `zstd:LEVEL` (1 to 22), `xz` or `lz4`"
            }
            Self::RootFs => "`squashfs` or `erofs`",
            Self::BootTest => "`none`, `bios`, `uefi` or `both`",
            Self::Timeout => "hours, minutes, seconds: `2h`, `90m`, `5400`",
        }
    }
}

/// One key, or one family of keys such as `<release>_url`.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The key as it is written; `<release>` stands for a release.
    pub name: &'static str,
    /// The sections that know it; every key may also stand in `[DEFAULT]`, to be inherited.
    pub sections: &'static [Section],
    /// The form of its value.
    pub kind: Kind,
    /// Whether the 2012 format had it (there).
    pub since_2012: bool,
    /// What holds without it, in words or as it would be written.
    pub default: &'static str,
    /// A value, for samples and the documentation.
    pub example: &'static str,
    /// What it is for, in one line.
    pub meaning: &'static str,
}

const DEFAULT: &[Section] = &[Section::Default];
const BOOT: &[Section] = &[Section::Boot];
const DVD: &[Section] = &[Section::Dvd];
const LIVE: &[Section] = &[Section::Live];
/// The keys that every section knows.
const EVERY: &[Section] = &[Section::Boot, Section::Dvd, Section::Live];

/// A row of the table, read across.
const fn key(
    name: &'static str,
    sections: &'static [Section],
    kind: Kind,
    since: u16,
    default: &'static str,
    example: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        name,
        sections,
        kind,
        since_2012: since == 2012,
        default,
        example,
        meaning,
    }
}

/// Every key, in the order of samples and documentation.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("type", DEFAULT, Kind::Type, 2012, "must be given", "boot", "the kind of image"),
    key("release", &[Section::Default, Section::Boot], Kind::Release, 2012,
        "must be given in [DEFAULT]", "43", "the Fedora release; in [DEFAULT] it also chooses the worker's queue"),
    key("arch", DEFAULT, Kind::Arch, 2012, "the host's", "x86_64",
        "the architecture of the image; i686 only up to release 30"),
    key("staging", DEFAULT, Kind::Staging, 2012, "the folder fbs-images in the current folder",
        "file:///srv/images", "where the image and its logs are delivered; a bare host means anonymous FTP"),
    key("email", DEFAULT, Kind::Emails, 2012, "nobody", "qa@example.org", "who is told when the job ends"),

    key("product", &[Section::Boot, Section::Live], Kind::Text, 2012, "Fedora", "Fedora",
        "the product's name, as the installer or the boot menu shows it"),
    key("version", &[Section::Boot, Section::Dvd], Kind::Word, 2012, "the release", "43",
        "the product's version, as the installer or the ISO's name shows it"),
    key("outdir", BOOT, Kind::Folder, 2012, "the tree is not kept", "/srv/fbs/boot",
        "keep the output tree in this folder"),
    key("name", DVD, Kind::Word, 2012, "Fedora", "Fedora", "the first part of the ISO's name"),
    key("flavor", DVD, Kind::Word, 2012, "Server", "Server", "the variant"),
    key("destdir", DVD, Kind::Folder, 2012, "the tree is not kept", "/srv/fbs/dvd",
        "keep the output tree in this folder"),
    key("label", LIVE, Kind::Label, 2012, "PRODUCT-Live-RELEASE", "Fedora-Live-43", "the volume id of the ISO"),
    key("title", LIVE, Kind::Text, 2012, "PRODUCT RELEASE Live", "Fedora 43 Live", "the name in the boot menu"),
    key("releasever", LIVE, Kind::Release, 2012, "the release", "43", "the release of the packages"),
    key("tmpdir", LIVE, Kind::Folder, 2012, "/var/tmp/fbs", "/var/tmp/live",
        "make the image in a fresh folder below this one"),
    key("workdir", &[Section::Boot, Section::Dvd], Kind::Folder, 2012, "/var/tmp/fbs", "/var/tmp/work",
        "make the image in a fresh folder below this one"),
    key("cachedir", &[Section::Dvd, Section::Live], Kind::Folder, 2012, "the service's cache", "/var/cache/pungi",
        "keep downloaded packages in this folder"),
    key("logfile", LIVE, Kind::File, 2012, "only the job's log", "/srv/fbs/live.log",
        "also write the log of the tool to this file"),
    key("profile", LIVE, Kind::Word, 2026, "the description's own", "Workstation-Live",
        "with a kiwi description as `config`: the profile of it that is made"),
    key("post_timeout", LIVE, Kind::Timeout, 2026, "30m", "10m", "end a %post script of the kickstart after this time"),
    key("bugurl", DVD, Kind::Link, 2012, "https://bugzilla.redhat.com", "https://bugzilla.redhat.com",
        "where the installer sends its users with bugs"),
    key("nosource", DVD, Kind::Flag, 2012, "yes", "yes", "leave the source packages out"),
    key("sourceisos", DVD, Kind::Flag, 2012, "no", "no", "make ISOs of the source packages too"),
    key("force", DVD, Kind::Flag, 2012, "no", "no", "go on when destdir is not empty"),
    key("stage", DVD, Kind::Stages, 2012, "all", "-G -C -B -I",
        "the stages to run: gather, createrepo, buildinstall, createiso"),
    key("config", &[Section::Dvd, Section::Live], Kind::Location, 2012, "a small kickstart of the service's own",
        "https://example.org/image.ks", "the kickstart that says what is in the image"),

    key("nvr", EVERY, Kind::Nvrs, 2012, "none", "anaconda-43.34-1.fc43;lorax-43.1-1.fc43;",
        "Koji builds that must be in the image, released or not"),
    key("bid", EVERY, Kind::BuildIds, 2012, "none", "318845;318846;", "the same by the builds' numbers"),
    key("tag", EVERY, Kind::Tags, 2026, "none", "f43-build-side-112233;",
        "the latest builds in these Koji tags or side tags"),
    key("bodhi", EVERY, Kind::Updates, 2026, "none", "FEDORA-2026-0123456789;", "the builds of these Bodhi updates"),
    key("require_landed", EVERY, Kind::RequireLanded, 2026, "all", "any",
        "which of these builds must have a package in the image: `all` of them, `any` one, or `none`"),
    key("multilib", EVERY, Kind::Flag, 2026, "no", "yes", "take the builds' i686 packages for x86_64 too"),
    key("allow_two_builds", EVERY, Kind::Flag, 2026, "no", "yes", "take several builds of one source package"),
    key("koji_hub", EVERY, Kind::Link, 2026, "FBS_KOJI_HUB in the environment, else Fedora's",
        "https://koji.fedoraproject.org/kojihub", "the Koji hub that is asked for the builds"),
    key("koji_files", EVERY, Kind::Link, 2026, "FBS_KOJI_FILES in the environment, else Fedora's; of another hub `kojifiles` beside it",
        "https://kojipkgs.fedoraproject.org/", "the folder above packages/ with the builds' files"),
    key("bodhi_url", EVERY, Kind::Link, 2026, "FBS_BODHI in the environment, else Fedora's", "https://bodhi.fedoraproject.org/",
        "the Bodhi that is asked for the updates"),
    key("sigkey", EVERY, Kind::SigKeys, 2026, "the unsigned files", "31645531;",
        "take the copies of the builds' packages that are signed with these keys, where they are there"),
    key("koji_gpgkey", EVERY, Kind::Location, 2026, "none", "https://fedoraproject.org/fedora.gpg",
        "the key that the builds' packages must be signed with"),
    key("packages", EVERY, Kind::Packages, 2026, "@core, or those of the kickstart or template", "vim;@core;-sendmail",
        "packages to put in or, behind \"-\", to leave out"),
    key("groups", EVERY, Kind::Groups, 2026, "none but those among packages", "core;base-x",
        "groups and environments to put in"),
    key("updates", EVERY, Kind::Flag, 2012, "no", "yes", "use the updates repository"),
    key("updates-testing", EVERY, Kind::Flag, 2012, "no", "yes", "use the updates-testing repository"),
    key("<release>_url", EVERY, Kind::Location, 2012, "Fedora's server",
        "https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Everything/x86_64/os/",
        "the release's repository: the folder that holds repodata/"),
    key("<release>_mirror", EVERY, Kind::Location, 2012, "Fedora's metalink",
        "https://mirrors.fedoraproject.org/metalink?repo=fedora-43&arch=x86_64",
        "the release's repository: its mirror list or metalink"),
    key("<release>-updates_url", EVERY, Kind::Location, 2012, "Fedora's server",
        "https://dl.fedoraproject.org/pub/fedora/linux/updates/43/Everything/x86_64/",
        "the updates repository"),
    key("<release>-updates_mirror", EVERY, Kind::Location, 2012, "Fedora's metalink",
        "https://mirrors.fedoraproject.org/metalink?repo=updates-released-f43&arch=x86_64",
        "the updates repository: its mirror list or metalink"),
    key("<release>-updates-testing_url", EVERY, Kind::Location, 2012, "Fedora's server",
        "https://dl.fedoraproject.org/pub/fedora/linux/updates/testing/43/Everything/x86_64/",
        "the updates-testing repository"),
    key("<release>-updates-testing_mirror", EVERY, Kind::Location, 2012, "Fedora's metalink",
        "https://mirrors.fedoraproject.org/metalink?repo=updates-testing-f43&arch=x86_64",
        "the updates-testing repository: its mirror list or metalink"),
    key("proxy", EVERY, Kind::Proxy, 2012, "none", "http://proxy.example.org:3128",
        "the proxy that packages are downloaded through"),
    key("gpgcheck", EVERY, Kind::Flag, 2026, "yes where a key is known", "yes",
        "whether the packages of the release must be signed"),
    key("gpgkey", EVERY, Kind::Location, 2026, "none", "https://fedoraproject.org/fedora.gpg",
        "the key they must be signed with"),
    key("backend", EVERY, Kind::Backend, 2026, "auto", "native",
        "the tool that makes the image; auto takes the distribution's where it fits, else native"),
    key("compression", EVERY, Kind::Compression, 2026, "zstd; lz4 for erofs", "zstd:3", "the compression of the root file system"),
    key("rootfs", EVERY, Kind::RootFs, 2026, "squashfs", "squashfs", "the root file system"),
    key("boot_test", EVERY, Kind::BootTest, 2026, "none", "both",
        "boot the finished image in QEMU, with this firmware, before it is delivered"),
    key("timeout", EVERY, Kind::Timeout, 2026, "4h", "2h", "stop the build after this time"),
];

/// The endings of a repository's keys.
const ENDINGS: [&str; 2] = ["_url", "_mirror"];

impl Key {
    /// The key of this name, in lower case; a repository's key is found for any release.
    pub fn find(name: &str) -> Option<&'static Self> {
        let family = family(name);
        let name = family.as_deref().unwrap_or(name);
        KEYS.iter().find(|key| key.name == name)
    }

    /// Whether it stands for the keys of any release.
    pub fn is_family(&self) -> bool {
        self.name.starts_with('<')
    }

    /// Whether a section may hold it.
    pub fn may_stand_in(&self, section: Section) -> bool {
        section == Section::Default || self.sections.contains(&section)
    }

    /// What Fedora's servers would have for a repository's key, on x86_64.
    pub(crate) fn repository_default(name: &str) -> Option<String> {
        let (id, ending) = repository_key(name)?;
        match ending {
            "_url" => defaults::repository_url(&id, Arch::X86_64),
            _ => Some(defaults::metalink(
                &defaults::mirror_name(&id)?,
                Arch::X86_64,
            )),
        }
    }

    /// The key as it is written for one release.
    pub fn name_for(&self, release: &str) -> String {
        self.name.replace("<release>", release)
    }
}

/// The repository and the ending of `43-updates_url`.
pub(crate) fn repository_key(name: &str) -> Option<(RepositoryId, &'static str)> {
    let ending = ENDINGS.into_iter().find(|ending| name.ends_with(ending))?;
    let id = name.strip_suffix(ending)?.parse().ok()?;
    Some((id, ending))
}

/// `<release>-updates_url` for `43-updates_url`.
fn family(name: &str) -> Option<String> {
    let (id, ending) = repository_key(name)?;
    let rest = id
        .to_string()
        .strip_prefix(&id.release.to_string())?
        .to_owned();
    Some(format!("<release>{rest}{ending}"))
}

/// What an unknown key most likely meant, as it would be written in the section.
pub(crate) fn nearest(name: &str, section: Section) -> Option<String> {
    // A repository key's release is taken as typed, so that only the rest is compared.
    let typed = name.split(['-', '_']).next().unwrap_or_default();
    let release = if typed.parse::<super::Release>().is_ok() {
        typed
    } else {
        "43"
    };
    let names: Vec<String> = KEYS
        .iter()
        .filter(|key| key.may_stand_in(section) && (!key.is_family() || release == typed))
        .map(|key| key.name_for(release))
        .collect();
    closest(name, names.iter().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_unique() {
        for (index, key) in KEYS.iter().enumerate() {
            assert_eq!(key.name, key.name.to_lowercase());
            assert!(
                KEYS[..index].iter().all(|other| other.name != key.name),
                "{}",
                key.name
            );
            assert!(!key.sections.is_empty() && !key.meaning.is_empty());
        }
    }

    #[test]
    fn repositories_are_found_for_any_release() {
        for (name, family) in [
            ("17_url", "<release>_url"),
            ("rawhide_mirror", "<release>_mirror"),
            ("43-updates_url", "<release>-updates_url"),
            (
                "43-updates-testing_mirror",
                "<release>-updates-testing_mirror",
            ),
        ] {
            assert_eq!(Key::find(name).unwrap().name, family);
        }
        for name in [
            "_url",
            "fedora_url",
            "43-extras_url",
            "43_urls",
            "<release>_ur",
            "colour",
        ] {
            assert!(Key::find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn nearest_key() {
        for (name, section, meant) in [
            ("updats", Section::Boot, Some("updates")),
            ("update-testing", Section::Boot, Some("updates-testing")),
            ("17_ulr", Section::Boot, Some("17_url")),
            ("17-update_url", Section::Boot, Some("17-updates_url")),
            ("outdri", Section::Boot, Some("outdir")),
            ("outdri", Section::Live, None),
            ("wallpaper", Section::Live, None),
        ] {
            assert_eq!(nearest(name, section).as_deref(), meant, "{name}");
        }
    }
}
