//! `repo` and `url`: where packages come from.

use std::fmt;

use serde::Serialize;

use super::arguments::{Arguments, Options};
use super::settings::Read;
use super::words::quote;
use crate::redact;
use crate::spec::ValueError;
use crate::spec::value::quoted;

/// One place that packages come from; exactly one of the three has to be given. The texts may hold
/// `$releasever`, `$basearch` and `$arch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RepoUrl {
    /// `--baseurl`, or `--url`: the folder that holds `repodata/`.
    Base(String),
    /// `--mirrorlist`: a list of such folders.
    Mirrorlist(String),
    /// `--metalink`
    Metalink(String),
}

impl RepoUrl {
    /// The address, whatever it is one of.
    pub fn address(&self) -> &str {
        match self {
            Self::Base(url) | Self::Mirrorlist(url) | Self::Metalink(url) => url,
        }
    }

    fn read(arguments: &Arguments<'_>, base: &str) -> Result<Option<Self>, ValueError> {
        let names = [base, "--mirrorlist", "--metalink"];
        let given = names.map(|name| arguments.text(name).filter(|url| !url.is_empty()));
        match given {
            [Some(url), None, None] => Ok(Some(Self::Base(url))),
            [None, Some(url), None] => Ok(Some(Self::Mirrorlist(url))),
            [None, None, Some(url)] => Ok(Some(Self::Metalink(url))),
            [None, None, None] => Ok(None),
            _ => Err(ValueError::new(
                "it has more than one address",
                format!("expected one of {}", names.join(", ")),
            )),
        }
    }
}

/// `repo`: a repository.
///
/// Source: <https://pykickstart.readthedocs.io/en/latest/kickstart-docs.html#repo>
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Repo {
    /// `--name`
    pub name: String,
    /// Where it is; `None` for one that the installer knows by its name, such as `updates`.
    pub url: Option<RepoUrl>,
    /// `--cost`: where two have the same package, the lower one counts. dnf's default is 1000.
    pub cost: Option<u32>,
    /// `--excludepkgs`: packages, globs and `@groups` that are not taken from it.
    pub excludepkgs: Vec<String>,
    /// `--includepkgs`: if any, nothing else is taken from it.
    pub includepkgs: Vec<String>,
    /// `--proxy`
    pub proxy: Option<String>,
    /// `--ignoregroups`: its groups are not used.
    pub ignoregroups: bool,
    /// `--noverifyssl`
    pub noverifyssl: bool,
    /// `--install`: the installed system has it, too.
    pub install: bool,
    /// `--sslcacert`, `--sslclientcert`, `--sslclientkey`: name and file, as they were given.
    pub tls_files: Vec<(String, String)>,
}

impl Repo {
    /// A repository with nothing but a name and an address.
    ///
    /// # Errors
    ///
    /// A name or an address that cannot stand in a kickstart.
    pub fn new(name: &str, url: RepoUrl) -> Result<Self, ValueError> {
        let repo = Self {
            name: name.to_owned(),
            url: Some(url),
            cost: None,
            excludepkgs: Vec::new(),
            includepkgs: Vec::new(),
            proxy: None,
            ignoregroups: false,
            noverifyssl: false,
            install: false,
            tls_files: Vec::new(),
        };
        repo.check()?;
        Ok(repo)
    }

    /// Whether it can be written into a kickstart and into dnf's configuration.
    ///
    /// # Errors
    ///
    /// What cannot.
    pub(super) fn check(&self) -> Result<(), ValueError> {
        // Those of dnf: <https://github.com/rpm-software-management/libdnf>, repo id.
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if self.name.is_empty() || !self.name.chars().all(legal) || self.name.starts_with('-') {
            return Err(ValueError::new(
                format!("{} is not a repository's name", quoted(&self.name)),
                "expected letters, digits and \"._:-\"",
            ));
        }
        let address = self.url.as_ref().map(RepoUrl::address);
        if let Some(address) = address.filter(|url| url.is_empty() || url.starts_with('-')) {
            return Err(ValueError::new(
                format!("{} is not an address", quoted(&redact::passwords(address))),
                "expected a URL",
            ));
        }
        let lists = self.excludepkgs.iter().chain(&self.includepkgs);
        let texts = lists
            .map(String::as_str)
            .chain(address)
            .chain(self.proxy.as_deref())
            .chain(self.tls_files.iter().map(|(_, file)| file.as_str()));
        for text in texts {
            if text
                .chars()
                .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
            {
                return Err(ValueError::new(
                    format!(
                        "{} holds a control character",
                        quoted(&redact::passwords(text))
                    ),
                    "delete it",
                ));
            }
        }
        Ok(())
    }
}

impl Read for Repo {
    const OPTIONS: Options = Options {
        flags: &["--noverifyssl", "--install"],
        values: &[
            "--name",
            "--baseurl",
            "--mirrorlist",
            "--metalink",
            "--cost",
            "--excludepkgs",
            "--includepkgs",
            "--proxy",
            "--ignoregroups",
            "--sslcacert",
            "--sslclientcert",
            "--sslclientkey",
        ],
        words: 0,
    };

    fn read(arguments: &Arguments<'_>, _before: Option<&Self>) -> Result<Self, ValueError> {
        let files = ["--sslcacert", "--sslclientcert", "--sslclientkey"];
        let repo = Self {
            name: arguments.required("--name")?,
            url: RepoUrl::read(arguments, "--baseurl")?,
            cost: arguments.number("--cost")?,
            excludepkgs: arguments.list("--excludepkgs").unwrap_or_default(),
            includepkgs: arguments.list("--includepkgs").unwrap_or_default(),
            proxy: arguments.text("--proxy").filter(|proxy| !proxy.is_empty()),
            ignoregroups: arguments.boolean("--ignoregroups")?.unwrap_or_default(),
            noverifyssl: arguments.has(&["--noverifyssl"]),
            install: arguments.has(&["--install"]),
            tls_files: files
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), arguments.text(name)?)))
                .collect(),
        };
        repo.check()?;
        Ok(repo)
    }
}

/// The command as it stands in a kickstart, passwords of its addresses included.
impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repo --name={}", quote(&self.name))?;
        if let Some(url) = &self.url {
            let option = match url {
                RepoUrl::Base(_) => "--baseurl",
                RepoUrl::Mirrorlist(_) => "--mirrorlist",
                RepoUrl::Metalink(_) => "--metalink",
            };
            write!(f, " {option}={}", quote(url.address()))?;
        }
        if let Some(cost) = self.cost {
            write!(f, " --cost={cost}")?;
        }
        for (option, list) in [
            ("--excludepkgs", &self.excludepkgs),
            ("--includepkgs", &self.includepkgs),
        ] {
            if !list.is_empty() {
                write!(f, " {option}={}", quote(&list.join(",")))?;
            }
        }
        if let Some(proxy) = &self.proxy {
            write!(f, " --proxy={}", quote(proxy))?;
        }
        for (option, given) in [
            (" --ignoregroups=true", self.ignoregroups),
            (" --noverifyssl", self.noverifyssl),
            (" --install", self.install),
        ] {
            if given {
                f.write_str(option)?;
            }
        }
        for (option, file) in &self.tls_files {
            write!(f, " {option}={}", quote(file))?;
        }
        Ok(())
    }
}

/// [`Display`](fmt::Display), with passwords hidden.
impl fmt::Debug for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact::passwords(&self.to_string()))
    }
}

/// `url`: the repository that the system is installed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstallUrl {
    /// Where it is.
    pub url: RepoUrl,
    /// `--proxy`
    pub proxy: Option<String>,
    /// `--noverifyssl`
    pub noverifyssl: bool,
}

/// The command as it stands in a kickstart, passwords of its addresses included.
impl fmt::Display for InstallUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = match self.url {
            RepoUrl::Base(_) => "--url",
            RepoUrl::Mirrorlist(_) => "--mirrorlist",
            RepoUrl::Metalink(_) => "--metalink",
        };
        write!(f, "url {option}={}", quote(self.url.address()))?;
        if let Some(proxy) = &self.proxy {
            write!(f, " --proxy={}", quote(proxy))?;
        }
        if self.noverifyssl {
            f.write_str(" --noverifyssl")?;
        }
        Ok(())
    }
}

impl Read for InstallUrl {
    const OPTIONS: Options = Options {
        flags: &["--noverifyssl"],
        values: &[
            "--url",
            "--mirrorlist",
            "--metalink",
            "--proxy",
            "--sslcacert",
            "--sslclientcert",
            "--sslclientkey",
        ],
        words: 0,
    };

    fn read(arguments: &Arguments<'_>, _before: Option<&Self>) -> Result<Self, ValueError> {
        Ok(Self {
            url: RepoUrl::read(arguments, "--url")?.ok_or_else(|| {
                ValueError::new(
                    "it has no address",
                    "expected one of --url, --mirrorlist, --metalink",
                )
            })?,
            proxy: arguments.text("--proxy").filter(|proxy| !proxy.is_empty()),
            noverifyssl: arguments.has(&["--noverifyssl"]),
        })
    }
}
