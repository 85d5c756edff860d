//! Where the files of builds lie: Koji's path layout.
//!
//! `[vol/VOLUME/]packages/NAME/VERSION/RELEASE/[data/signed/KEY/]ARCH/N-V-R.A.rpm`, where the
//! folder is the build's and the file name the RPM's: they differ for subpackages with a version
//! of their own and for drafts. The epoch is in neither. See `PathInfo` in
//! <https://pagure.io/koji/blob/master/f/koji/__init__.py>.

use url::Url;

use super::build::Build;
use super::nvr::is_draft_suffix;
use super::rpm::Rpm;
use super::sigkey::SigKey;

/// The longest file name there is.
const LONGEST_NAME: usize = 255;

/// A part of a hub's answer that is not fit for a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit {
    /// What it should be: `the version`.
    pub(super) what: &'static str,
    /// What it is.
    pub(super) text: String,
}

/// The addresses of files under one root.
#[derive(Debug, Clone)]
pub(super) struct FileUrls {
    root: Url,
}

impl FileUrls {
    /// Addresses under `root`, the folder above `packages/`.
    pub(super) fn new(root: &Url) -> Self {
        Self { root: root.clone() }
    }

    /// Where copies of the RPM may be: those signed by `keys` in their order, then the unsigned
    /// one. A signed copy may be gone at any time; then the next is to be tried.
    pub(super) fn of(&self, build: &Build, rpm: &Rpm, keys: &[SigKey]) -> Result<Vec<Url>, Unfit> {
        let file_name = file_name(rpm)?;
        let folder = folder(build)?;
        let signed = keys
            .iter()
            .map(|key| [&folder[..], &["data", "signed", key.as_str()]].concat());
        Ok(signed
            .chain([folder.clone()])
            .map(|mut path| {
                path.extend([rpm.arch.as_str(), &file_name]);
                self.join(&path)
            })
            .collect())
    }

    fn join(&self, path: &[&str]) -> Url {
        let mut url = self.root.clone();
        url.set_query(None);
        url.set_fragment(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

/// The folder of a build below the root.
fn folder(build: &Build) -> Result<Vec<&str>, Unfit> {
    let mut path = Vec::with_capacity(9);
    match build.volume_name.as_deref() {
        None | Some("DEFAULT") => {}
        Some(volume) => path.extend(["vol", fit("the volume", volume)?]),
    }
    let (release, draft) = match build.release.split_once(',') {
        Some((release, _)) => (release, &build.release[release.len()..]),
        None => (build.release.as_str(), ""),
    };
    fit_number("the release", release)?;
    if !draft.is_empty() && !is_draft_suffix(draft) {
        return Err(unfit("the release", &build.release));
    }
    path.extend([
        "packages",
        fit("the name", &build.name)?,
        fit_number("the version", &build.version)?,
        build.release.as_str(),
    ]);
    Ok(path)
}

/// The file name of an RPM, all parts of it checked.
pub(super) fn file_name(rpm: &Rpm) -> Result<String, Unfit> {
    fit("the name of an RPM", &rpm.name)?;
    fit_number("the version of an RPM", &rpm.version)?;
    fit_number("the release of an RPM", &rpm.release)?;
    let arch = rpm
        .arch
        .bytes()
        .all(|c| c.is_ascii_alphanumeric() || c == b'_');
    if !arch || rpm.arch.is_empty() {
        return Err(unfit("the architecture of an RPM", &rpm.arch));
    }
    let name = rpm.file_name();
    if name.len() > LONGEST_NAME {
        return Err(unfit("the file name of an RPM", &name));
    }
    Ok(name)
}

fn unfit(what: &'static str, text: &str) -> Unfit {
    Unfit {
        what,
        text: text.to_owned(),
    }
}

/// A name: no separator, no control character, no leading dot or dash, nothing that a shell, a
/// URL or a line of a file takes for anything but a letter.
fn fit<'a>(what: &'static str, text: &'a str) -> Result<&'a str, Unfit> {
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let legal = |c: u8| c.is_ascii_alphanumeric() || b"._+~^-".contains(&c);
    if starts && text.len() <= LONGEST_NAME && text.bytes().all(legal) {
        Ok(text)
    } else {
        Err(unfit(what, text))
    }
}

/// A version or a release: a name without dashes.
fn fit_number<'a>(what: &'static str, text: &'a str) -> Result<&'a str, Unfit> {
    match text.contains('-') {
        false => fit(what, text),
        true => Err(unfit(what, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::koji::nvr::BuildId;

    fn build() -> Build {
        Build::new(BuildId(7), "perl", "5.42.0", "521.fc43")
    }

    fn rpm(name: &str, version: &str, release: &str, arch: &str) -> Rpm {
        Rpm {
            id: 1,
            build_id: BuildId(7),
            name: name.to_owned(),
            version: version.to_owned(),
            release: release.to_owned(),
            epoch: Some(4),
            arch: arch.to_owned(),
            size: 1,
            payloadhash: "6f49b28dc57d5bc12feeecdacc078949".to_owned(),
            draft: false,
            metadata_only: false,
        }
    }

    fn url(build: &Build, rpm: &Rpm, keys: &[SigKey]) -> String {
        let urls = FileUrls::new(&"https://files.example/koji".parse().unwrap());
        urls.of(build, rpm, keys).unwrap()[0].to_string()
    }

    #[test]
    fn the_folder_is_the_builds_and_the_file_the_rpms() {
        let sub = rpm("perl-Module", "1.82", "7.fc43", "noarch");
        assert_eq!(
            url(&build(), &sub, &[]),
            "https://files.example/koji/packages/perl/5.42.0/521.fc43/noarch/\
             perl-Module-1.82-7.fc43.noarch.rpm"
        );
    }

    #[test]
    fn drafts_volumes_and_signed_copies() {
        let mut build = build();
        build.release = "521.fc43,draft_2750011".to_owned();
        build.volume_name = Some("vol3".to_owned());
        let key: SigKey = "7D0245A7".parse().unwrap();
        let perl = rpm("perl", "5.42.0", "521.fc43", "x86_64");
        assert_eq!(
            url(&build, &perl, &[key]),
            "https://files.example/koji/vol/vol3/packages/perl/5.42.0/521.fc43,draft_2750011/\
             data/signed/7d0245a7/x86_64/perl-5.42.0-521.fc43.x86_64.rpm"
        );
    }

    #[test]
    fn the_unsigned_copy_is_the_last() {
        let urls = FileUrls::new(&"https://files.example/".parse().unwrap());
        let keys = ["11111111".parse().unwrap(), "22222222".parse().unwrap()];
        let perl = rpm("perl", "5.42.0", "521.fc43", "x86_64");
        let found = urls.of(&build(), &perl, &keys).unwrap();
        let signed: Vec<_> = found
            .iter()
            .map(|url| url.path().contains("/signed/"))
            .collect();
        assert_eq!(signed, [true, true, false]);
        assert!(found[1].path().contains("/22222222/"));
    }

    #[test]
    fn odd_but_legal_characters_stay_one_segment() {
        let mut build = build();
        build.name = "libstdc++".to_owned();
        build.version = "1.0^20240501git1".to_owned();
        let file = rpm("libstdc++", "1.0~rc1", "1.fc43", "x86_64");
        let url: Url = url(&build, &file, &[]).parse().unwrap();
        assert_eq!(url.path_segments().unwrap().count(), 7);
        assert!(
            url.path().contains("libstdc++-1.0~rc1-1.fc43.x86_64.rpm"),
            "{url}"
        );
    }

    #[test]
    fn hostile_names_are_refused() {
        let hostile = [
            "",
            ".",
            "..",
            "../x",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "a\nb",
            "a\0b",
            "-rf",
            ".x",
            "a b",
            "a%2fb",
            "a?b",
            "a#b",
            "é",
            "\u{202e}x",
            "a\u{fffd}",
            "$(x)",
            "a:b",
        ];
        let long = "a".repeat(256);
        for text in hostile.into_iter().chain([long.as_str()]) {
            for rpm in [
                rpm(text, "1", "1", "x86_64"),
                rpm("a", text, "1", "x86_64"),
                rpm("a", "1", text, "x86_64"),
                rpm("a", "1", "1", text),
            ] {
                // As an architecture, letters alone are fit; the whole name is then too long.
                assert!(file_name(&rpm).is_err(), "{text:?}");
            }
            for part in 0..4 {
                let mut build = build();
                match part {
                    0 => build.name = text.to_owned(),
                    1 => build.version = text.to_owned(),
                    2 => build.release = text.to_owned(),
                    _ => build.volume_name = Some(text.to_owned()),
                }
                assert!(folder(&build).is_err(), "{text:?} as part {part}");
            }
        }
        for release in ["1,draft_", "1,draft_x", "1,draft_1/..", "1,x", ",draft_1"] {
            let mut build = build();
            build.release = release.to_owned();
            assert!(folder(&build).is_err(), "{release}");
        }
        assert!(file_name(&rpm("a", "1-2", "1", "x86_64")).is_err());
    }
}
