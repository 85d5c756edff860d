//! Which RPMs of the builds are taken, and from where. Pure: nothing is asked and nothing is
//! downloaded here.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::build::{Build, BuildState};
use super::look_up::Candidate;
use super::nvr::{BuildId, BuildRef};
use super::payload_hash::PayloadHash;
use super::rpm::Rpm;
use super::sigkey::SigKey;
use super::url::{FileUrls, Unfit, file_name};
use super::wrong::{ChooseError, ChooseWarning, Wrong, WrongBuild};
use crate::spec::{Arch, Release};

/// What is taken.
#[derive(Debug, Clone)]
pub struct ChooseOptions {
    /// The architecture of the image. Its RPMs and the `noarch` ones are taken.
    pub arch: Arch,
    /// Whether i686 RPMs are taken for x86_64, too.
    pub multilib: bool,
    /// Whether two builds of one package are fine.
    pub allow_two_builds_of_one_package: bool,
    /// Keys whose signed copies are preferred, the best first.
    pub signed_by: Vec<SigKey>,
    /// The release of the image: builds for another are warned of.
    pub release: Option<Release>,
}

impl ChooseOptions {
    /// Unsigned RPMs of one architecture, one build of each package.
    pub fn new(arch: Arch) -> Self {
        Self {
            arch,
            multilib: false,
            allow_two_builds_of_one_package: false,
            signed_by: Vec::new(),
            release: None,
        }
    }

    /// Whether RPMs of `arch` go into the image. Source RPMs never do.
    fn takes(&self, arch: &str) -> bool {
        arch == "noarch"
            || arch == self.arch.as_str()
            || match self.arch {
                Arch::X86_64 => self.multilib && arch == "i686",
                // Fedora 10 and before built for i386 and i586.
                Arch::I686 => matches!(arch, "i386" | "i486" | "i586"),
                _ => false,
            }
    }
}

/// An RPM that goes into the side repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenRpm {
    /// The RPM; its size is to be checked.
    pub rpm: Rpm,
    /// What its content must be, in every copy.
    pub payload_hash: PayloadHash,
    /// Its file name, safe to use in a folder.
    pub file_name: String,
    /// Where copies of it may be, the best first. A signed copy may be gone (404); the last is the
    /// unsigned one, and `rpm.size` is the size of that.
    pub urls: Vec<Url>,
    /// `NAME-VERSION-RELEASE` of its build.
    pub build: String,
}

/// What goes into the side repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// The builds, each once, in the order they were asked for.
    pub builds: Vec<Build>,
    /// Their RPMs.
    pub rpms: Vec<ChosenRpm>,
    /// What is odd, and was done all the same.
    pub warnings: Vec<ChooseWarning>,
}

impl Choice {
    /// The size of all RPMs, in bytes.
    pub fn size(&self) -> u64 {
        self.rpms
            .iter()
            .fold(0, |size, rpm| size.saturating_add(rpm.rpm.size))
    }
}

/// Takes the RPMs of the builds for an architecture, never a source RPM and never debug
/// information. `files` is the folder above `packages/`.
///
/// A build that is asked for twice, by name and by number, is taken once.
///
/// # Errors
///
/// All builds that cannot be used, and why.
pub fn choose(
    found: &[Candidate],
    options: &ChooseOptions,
    files: &Url,
) -> Result<Choice, ChooseError> {
    let files = FileUrls::new(files);
    let mut choice = Choice::default();
    let mut wrong = Vec::new();
    let mut taken = Taken::default();
    for candidate in found {
        let Some(build) = &candidate.build else {
            wrong.push(WrongBuild {
                build: candidate.asked.to_string(),
                wrong: Wrong::Unknown,
            });
            continue;
        };
        if !taken.builds.insert(build.id) {
            continue;
        }
        let chosen = usable(build)
            .and_then(|()| taken.package(build, options))
            .and_then(|()| rpms(build, &candidate.rpms, options, &files))
            .and_then(|rpms| taken.files(build, rpms));
        match chosen {
            Ok(rpms) => {
                choice.warnings.extend(other_release(build, options));
                choice.builds.push(build.clone());
                choice.rpms.extend(rpms);
            }
            Err(reason) => wrong.push(WrongBuild {
                build: label(&candidate.asked, build),
                wrong: reason,
            }),
        }
    }
    if wrong.is_empty() {
        Ok(choice)
    } else {
        Err(ChooseError { wrong })
    }
}

/// How a build that is known is named: as it was asked for, with its name.
fn label(asked: &BuildRef, build: &Build) -> String {
    match asked {
        BuildRef::Id(_) => build.to_string(),
        BuildRef::Nvr(nvr) => nvr.to_string(),
    }
}

fn usable(build: &Build) -> Result<(), Wrong> {
    let task = build.task_id;
    match build.state {
        BuildState::Complete => Ok(()),
        BuildState::Building => Err(Wrong::Building { task }),
        BuildState::Failed => Err(Wrong::Failed { task }),
        BuildState::Canceled => Err(Wrong::Canceled),
        BuildState::Deleted => Err(Wrong::Deleted),
    }
}

/// The RPMs of one build that are taken.
fn rpms(
    build: &Build,
    rpms: &[Rpm],
    options: &ChooseOptions,
    files: &FileUrls,
) -> Result<Vec<ChosenRpm>, Wrong> {
    let chosen: Vec<ChosenRpm> = rpms
        .iter()
        .filter(|rpm| options.takes(&rpm.arch) && !rpm.is_debuginfo() && !rpm.metadata_only)
        .map(|rpm| {
            Ok(ChosenRpm {
                file_name: file_name(rpm)?,
                payload_hash: payload_hash(rpm)?,
                urls: files.of(build, with_size(rpm)?, &options.signed_by)?,
                build: build.nvr(),
                rpm: rpm.clone(),
            })
        })
        .collect::<Result<_, Unfit>>()
        .map_err(|Unfit { what, text }| Wrong::Unfit { what, text })?;
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let mut has: Vec<String> = rpms
        .iter()
        .filter(|rpm| !rpm.is_debuginfo())
        .map(|rpm| rpm.arch.clone())
        .collect();
    has.sort();
    has.dedup();
    Err(Wrong::NoRpmFor {
        arch: options.arch,
        has,
    })
}

fn payload_hash(rpm: &Rpm) -> Result<PayloadHash, Unfit> {
    rpm.payloadhash.parse().map_err(|_| Unfit {
        what: "the payload hash of an RPM",
        text: rpm.payloadhash.clone(),
    })
}

/// The RPM, if the hub tells its size.
fn with_size(rpm: &Rpm) -> Result<&Rpm, Unfit> {
    if rpm.size == 0 {
        return Err(Unfit {
            what: "the size of an RPM",
            text: "0".to_owned(),
        });
    }
    Ok(rpm)
}

/// What is taken so far.
#[derive(Default)]
struct Taken {
    builds: BTreeSet<BuildId>,
    packages: BTreeMap<String, String>,
    files: BTreeMap<String, (PayloadHash, String)>,
}

impl Taken {
    /// Notes a build of a package, if it is the first or more are fine.
    fn package(&mut self, build: &Build, options: &ChooseOptions) -> Result<(), Wrong> {
        if options.allow_two_builds_of_one_package {
            return Ok(());
        }
        match self.packages.get(&build.name) {
            Some(other) => Err(Wrong::SamePackage {
                other: other.clone(),
            }),
            None => {
                self.packages.insert(build.name.clone(), build.nvr());
                Ok(())
            }
        }
    }

    /// Notes the files of a build, and leaves out those that an earlier build has just the same.
    fn files(&mut self, build: &Build, rpms: Vec<ChosenRpm>) -> Result<Vec<ChosenRpm>, Wrong> {
        let mut kept = Vec::with_capacity(rpms.len());
        for rpm in rpms {
            let hash = rpm.payload_hash.clone();
            match self.files.get(&rpm.file_name) {
                Some((known, _)) if *known == hash => {}
                Some((_, other)) => {
                    return Err(Wrong::SameFile {
                        file: rpm.file_name,
                        other: other.clone(),
                    });
                }
                None => {
                    self.files
                        .insert(rpm.file_name.clone(), (hash, build.nvr()));
                    kept.push(rpm);
                }
            }
        }
        Ok(kept)
    }
}

/// A warning, if the build's dist tag is of another release.
fn other_release(build: &Build, options: &ChooseOptions) -> Option<ChooseWarning> {
    let release = options.release.as_ref()?;
    let dist_tag = dist_tag(&build.release)?;
    let same = match release {
        Release::Number(number) => dist_tag == format!("fc{number}"),
        // Its number is not known here.
        Release::Rawhide => dist_tag.starts_with("fc"),
        Release::Eln => dist_tag.starts_with("eln"),
    };
    (!same).then(|| ChooseWarning::OtherRelease {
        build: build.nvr(),
        dist_tag: dist_tag.to_owned(),
        release: release.clone(),
    })
}

/// `fc43` of `1.rc2.fc43.1`.
fn dist_tag(release: &str) -> Option<&str> {
    release
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find(|part| {
            ["fc", "eln", "el"].iter().any(|family| {
                part.strip_prefix(family).is_some_and(|number| {
                    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
                })
            })
        })
}
