//! What a spec from elsewhere may not say.

use std::path::PathBuf;

use super::build_spec::BuildSpec;
use super::error::SpecError;
use super::keys::Section;
use super::location::Location;
use super::mistake::Mistake;
use super::sections::Shared;
use super::value::ValueError;

/// Where a spec comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The user of this machine wrote it: it may name this machine's files.
    Local,
    /// It was sent here: it may name no path of this machine, to read or to write.
    Remote,
}

impl BuildSpec {
    /// Checks that the spec says nothing that its author is not trusted with.
    ///
    /// # Errors
    ///
    /// [`SpecError::Invalid`] with every path that a spec from elsewhere names.
    pub fn check_trust(&self, trust: Trust) -> Result<(), SpecError> {
        if trust == Trust::Local {
            return Ok(());
        }
        let mistakes = paths(self);
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(SpecError::Invalid(mistakes))
        }
    }
}

/// One mistake for each path the spec names.
fn paths(spec: &BuildSpec) -> Vec<Mistake> {
    let mut found = Found::default();
    for staging in &spec.common.staging {
        found.path(Section::Default, "staging", staging.path().as_ref());
    }
    found.shared(Section::Default, &spec.common.shared);
    if let Some(boot) = &spec.boot {
        found.path(Section::Boot, "outdir", boot.outdir.as_ref());
        found.path(Section::Boot, "workdir", boot.workdir.as_ref());
        found.shared(Section::Boot, &boot.shared);
    }
    if let Some(dvd) = &spec.dvd {
        found.path(Section::Dvd, "destdir", dvd.destdir.as_ref());
        found.path(Section::Dvd, "cachedir", dvd.cachedir.as_ref());
        found.path(Section::Dvd, "workdir", dvd.workdir.as_ref());
        found.location(Section::Dvd, "config", dvd.config.as_ref());
        found.shared(Section::Dvd, &dvd.shared);
    }
    if let Some(live) = &spec.live {
        found.path(Section::Live, "tmpdir", live.tmpdir.as_ref());
        found.path(Section::Live, "cachedir", live.cachedir.as_ref());
        found.path(Section::Live, "logfile", live.logfile.as_ref());
        found.location(Section::Live, "config", live.config.as_ref());
        found.shared(Section::Live, &live.shared);
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<Mistake>);

impl Found {
    fn path(&mut self, section: Section, key: &str, path: Option<&PathBuf>) {
        if path.is_some() {
            self.add(section, key, "leave it out");
        }
    }

    fn location(&mut self, section: Section, key: &str, location: Option<&Location>) {
        if location.is_some_and(|location| location.url().is_none()) {
            self.add(section, key, "expected a URL on the network");
        }
    }

    fn shared(&mut self, section: Section, shared: &Shared) {
        self.location(section, "gpgkey", shared.gpgkey.as_ref());
        self.location(section, "koji_gpgkey", shared.koji_gpgkey.as_ref());
        self.server(section, "koji_hub", shared.koji_hub.as_ref());
        self.server(section, "koji_files", shared.koji_files.as_ref());
        self.server(section, "bodhi_url", shared.bodhi_url.as_ref());
        for (id, urls) in &shared.repositories {
            self.location(section, &format!("{id}_url"), urls.url.as_ref());
            self.location(section, &format!("{id}_mirror"), urls.mirror.as_ref());
        }
    }

    /// Builds are trusted because of the server that they come from.
    fn server(&mut self, section: Section, key: &str, address: Option<&String>) {
        if address.is_some() {
            let problem = "a spec from elsewhere may not choose the server that builds come from";
            self.mistake(section, key, ValueError::new(problem, "leave it out"));
        }
    }

    fn add(&mut self, section: Section, key: &str, hint: &str) {
        let problem = "a spec from elsewhere may not name a path of this machine";
        self.mistake(section, key, ValueError::new(problem, hint));
    }

    fn mistake(&mut self, section: Section, key: &str, error: ValueError) {
        // What a section inherited is reported once, in [DEFAULT].
        let inherited = self.0.iter().any(|mistake| {
            mistake.key.as_deref() == Some(key)
                && mistake.section.as_deref() == Some(Section::Default.name())
        });
        if !inherited {
            let mistake = Mistake::new("spec", error);
            self.0
                .push(mistake.in_section(Some(section.name())).of_key(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Format, Override};

    #[test]
    fn every_kind_of_path_is_found() {
        let text = "[DEFAULT]\ntype=boot\nrelease=17\nstaging=file:///srv/x\ngpgkey=/k\n\
            17_url=file:///srv/os\n17_mirror=http://mirror/\nkoji_hub=http://10.0.0.1/\n\
            [boot]\noutdir=/srv/o\nworkdir=w\n17-updates_url=os\n\
            [dvd]\ndestdir=/srv/d\ncachedir=/srv/c\nconfig=a.ks\n\
            [live]\ntmpdir=/srv/t\nlogfile=/srv/l\nconfig=https://host/a.ks\n";
        let spec = BuildSpec::parse(text, Format::Ini, "x.conf").unwrap();
        assert!(spec.check_trust(Trust::Local).is_ok());
        let error = spec.check_trust(Trust::Remote).unwrap_err();
        let found: Vec<_> = error
            .mistakes()
            .iter()
            .map(|m| {
                format!(
                    "{}.{}",
                    m.section.as_deref().unwrap(),
                    m.key.as_deref().unwrap()
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                "DEFAULT.staging",
                "DEFAULT.gpgkey",
                "DEFAULT.koji_hub",
                "DEFAULT.17_url",
                "boot.outdir",
                "boot.workdir",
                "boot.17-updates_url",
                "dvd.destdir",
                "dvd.cachedir",
                "dvd.config",
                "live.tmpdir",
                "live.logfile",
            ]
        );
        assert_eq!(
            error.to_string().lines().nth(4),
            Some(
                "spec: [boot] outdir: a spec from elsewhere may not name a path of this machine; leave it out"
            )
        );
    }

    #[test]
    fn what_is_found_has_its_place_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        let text = "[DEFAULT]\ntype=boot\nrelease=17\nGpgkey=/k\n[boot]\noutdir=/srv/o\n";
        std::fs::write(&path, text).unwrap();
        let set: Override = "boot.workdir=/srv/w".parse().unwrap();
        let sets = [set];
        let spec = BuildSpec::load_with(&path, &sets).unwrap();
        let error = spec.check_trust(Trust::Remote).unwrap_err();
        let found: Vec<String> = error
            .mistakes()
            .iter()
            .map(|mistake| BuildSpec::locate(&path, &sets, mistake.clone()).to_string())
            .map(|line| line.replace(&format!("{}/", folder.path().display()), ""))
            .map(|line| line.split_once(": a spec").unwrap().0.to_owned())
            .collect();
        assert_eq!(
            found,
            [
                "a.conf:4: [DEFAULT] gpgkey",
                "a.conf:6: [boot] outdir",
                "--set boot.workdir=/srv/w"
            ]
        );
    }

    #[test]
    fn a_spec_without_paths_passes() {
        let text = "[DEFAULT]\ntype=live\nrelease=43\nstaging=ftp.example.org\n\
            [live]\nconfig=https://host/a.ks\n43_url=http://host/os\n";
        let spec = BuildSpec::parse(text, Format::Ini, "x.conf").unwrap();
        assert!(spec.check_trust(Trust::Remote).is_ok());
    }
}
