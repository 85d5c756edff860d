//! An RPM before it is written: plain data, whether it was a Debian package or is our own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rpm::{BuildConfig, CompressionWithLevel, FileOptions, Scriptlet};

use crate::Error;
use crate::dependency::{Bound, Dependency};
use crate::version::Version;

/// The build time of our own packages, and the time of their files: 2026-01-01, so that the same
/// recipe gives the same bytes.
pub(crate) const EPOCH: u32 = 1_767_225_600;

/// Of the payload. Low, since a package is written once and read a few times.
const ZSTD_LEVEL: i32 = 1;

/// The files of a package, by absolute path.
pub(crate) type Files = BTreeMap<String, File>;

/// What is at a path.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Folder,
    Link(String),
    Bytes(Vec<u8>),
    /// Nothing in the package, but made by a scriptlet and owned.
    Ghost,
}

/// A file with its attributes.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) content: Content,
    /// The permission bits, with setuid, setgid and sticky.
    pub(crate) mode: u16,
    pub(crate) user: String,
    pub(crate) group: String,
    /// Seconds since 1970.
    pub(crate) modified: u32,
    /// Whether an update keeps what the administrator changed.
    pub(crate) config: bool,
}

impl File {
    fn new(content: Content, mode: u16) -> Self {
        let root = || "root".to_owned();
        Self {
            content,
            mode,
            user: root(),
            group: root(),
            modified: EPOCH,
            config: false,
        }
    }

    /// A folder of root's.
    pub(crate) fn folder(mode: u16) -> Self {
        Self::new(Content::Folder, mode)
    }

    /// A symbolic link.
    pub(crate) fn link(target: impl Into<String>) -> Self {
        Self::new(Content::Link(target.into()), 0o777)
    }

    /// A file with a text.
    pub(crate) fn text(text: impl Into<String>, mode: u16) -> Self {
        Self::new(Content::Bytes(text.into().into_bytes()), mode)
    }

    /// A file that a scriptlet makes.
    pub(crate) fn ghost() -> Self {
        Self::new(Content::Ghost, 0o644)
    }
}

/// The scriptlets, run by `/bin/sh`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scriptlets {
    pub(crate) pre: Option<String>,
    pub(crate) post: Option<String>,
    pub(crate) posttrans: Option<String>,
}

/// A package.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// RPM's name of the architecture, or `noarch`.
    pub(crate) arch: String,
    pub(crate) summary: String,
    /// Seconds since 1970.
    pub(crate) built: u32,
    pub(crate) files: Files,
    pub(crate) requires: Vec<Dependency>,
    pub(crate) provides: Vec<Dependency>,
    pub(crate) scriptlets: Scriptlets,
}

impl Package {
    /// One of our own packages, `noarch` and empty; `version` is like `1.0-1`.
    pub(crate) fn own(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: Version::of_package(version),
            arch: "noarch".to_owned(),
            summary: summary.to_owned(),
            built: EPOCH,
            files: Files::new(),
            requires: Vec::new(),
            provides: Vec::new(),
            scriptlets: Scriptlets::default(),
        }
    }

    /// Adds a file.
    pub(crate) fn file(mut self, path: &str, file: File) -> Self {
        self.files.insert(path.to_owned(), file);
        self
    }

    /// Adds requirements on any version.
    pub(crate) fn requires<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.requires.extend(names.into_iter().map(Dependency::any));
        self
    }

    /// Adds names that the package provides.
    pub(crate) fn provides<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.provides.extend(names.into_iter().map(Dependency::any));
        self
    }

    /// Writes the RPM into a folder of packages.
    pub(crate) fn write(self, dir: &Path) -> Result<(), Error> {
        let name = self.name.clone();
        self.try_write(dir).map_err(|source| Error::Rpm {
            package: name,
            source: Box::new(source),
        })
    }

    fn try_write(self, dir: &Path) -> Result<(), rpm::Error> {
        let license = "Various (the copyright file of Debian's package says which)";
        let mut builder = rpm::PackageBuilder::new(
            &self.name,
            &self.version.version,
            license,
            &self.arch,
            &self.summary,
        );
        builder
            .using_config(
                BuildConfig::v4()
                    .compression(CompressionWithLevel::Zstd(ZSTD_LEVEL))
                    .reserved_space(None)
                    .source_date(self.built),
            )
            .epoch(self.version.epoch)
            .release(self.version.release())
            .description(&self.summary)
            .vendor("Mini Release")
            .build_host("localhost");
        for one in &self.requires {
            builder.requires(rpm_dependency(one));
        }
        for one in &self.provides {
            builder.provides(rpm_dependency(one));
        }
        let Scriptlets {
            pre,
            post,
            posttrans,
        } = self.scriptlets;
        if let Some(script) = pre {
            builder.pre_install_script(Scriptlet::new(script));
        }
        if let Some(script) = post {
            builder.post_install_script(Scriptlet::new(script));
        }
        if let Some(script) = posttrans {
            builder.post_trans_script(Scriptlet::new(script));
        }
        for (path, file) in self.files {
            add_file(&mut builder, path, file)?;
        }
        let path = builder.build()?.write_to(dir)?;
        // The index has the file's time, and is to be the same again too.
        let built = SystemTime::UNIX_EPOCH + Duration::from_secs(self.built.into());
        fs::File::options()
            .append(true)
            .open(path)?
            .set_modified(built)?;
        Ok(())
    }
}

fn add_file(builder: &mut rpm::PackageBuilder, path: String, file: File) -> Result<(), rpm::Error> {
    let options = match &file.content {
        Content::Folder => FileOptions::dir(path).permissions(file.mode),
        Content::Link(target) => FileOptions::symlink(path, target),
        Content::Bytes(_) => FileOptions::new(path).permissions(file.mode),
        Content::Ghost => FileOptions::ghost(path).permissions(file.mode),
    };
    let options = options
        .user(file.user)
        .group(file.group)
        .modified_at(rpm::Timestamp(file.modified));
    match file.content {
        Content::Folder => builder.with_dir_entry(options)?,
        Content::Link(_) => builder.with_symlink(options)?,
        Content::Bytes(bytes) if file.config => {
            builder.with_file_contents(bytes, options.config().noreplace())?
        }
        Content::Bytes(bytes) => builder.with_file_contents(bytes, options)?,
        Content::Ghost => builder.with_ghost(options)?,
    };
    Ok(())
}

fn rpm_dependency(one: &Dependency) -> rpm::Dependency {
    let Some((bound, version)) = &one.version else {
        return rpm::Dependency::any(&one.name);
    };
    let version = version.to_string();
    match bound {
        Bound::Less => rpm::Dependency::less(&one.name, version),
        Bound::LessOrEqual => rpm::Dependency::less_eq(&one.name, version),
        Bound::Equal => rpm::Dependency::eq(&one.name, version),
        Bound::GreaterOrEqual => rpm::Dependency::greater_eq(&one.name, version),
    }
}
