//! Changing a kickstart. All else stays as it was written.

use std::sync::Arc;

use super::document::{Command, Item, Kickstart, Line, Section, SectionKind, SectionLine};
use super::error::KickstartError;
use super::place::{Origin, Place, Source};
use super::repo::Repo;
use super::words::{Comments, split};
use crate::spec::value::quoted;
use crate::spec::{Package, ValueError};

impl Kickstart {
    /// Adds a `repo` command behind the last one, or in front of the first section.
    ///
    /// # Errors
    ///
    /// [`KickstartError::Edit`] for a repository whose name is there already, or that cannot be
    /// written into a kickstart.
    pub fn add_repo(&mut self, repo: &Repo) -> Result<(), KickstartError> {
        repo.check().map_err(KickstartError::Edit)?;
        let is_same = |command: &&Command| {
            let arguments = command.arguments();
            let name = format!("--name={}", repo.name);
            let pair = |pair: &[String]| pair[0] == "--name" && pair[1] == repo.name;
            command.name() == "repo"
                && (arguments.contains(&name) || arguments.windows(2).any(pair))
        };
        if let Some(command) = self.commands().find(is_same) {
            return Err(KickstartError::Edit(ValueError::new(
                format!(
                    "{} has a repository {} already",
                    command.place(),
                    quoted(&repo.name)
                ),
                "give the new one another name",
            )));
        }
        let is_repo = |item: &Item| matches!(item, Item::Command(command) if matches!(command.name(), "repo" | "url"));
        let is_section = |item: &Item| matches!(item, Item::Section(_));
        let at = match self.items.iter().rposition(is_repo) {
            Some(last) => last + 1,
            None => self
                .items
                .iter()
                .position(is_section)
                .unwrap_or(self.items.len()),
        };
        let line = added(&repo.to_string());
        let words = split(&line.text, Comments::Dropped).map_err(KickstartError::Edit)?;
        self.end_line_before(at);
        self.items
            .insert(at, Item::Command(Command { line, words }));
        Ok(())
    }

    /// Adds a command in front of the first section.
    ///
    /// # Errors
    ///
    /// [`KickstartError::Edit`] for what is not one command.
    pub fn add_command(&mut self, text: &str) -> Result<(), KickstartError> {
        let line = added(text);
        let words = split(&line.text, Comments::Dropped).map_err(KickstartError::Edit)?;
        let is_command = words.first().is_some_and(|name| !name.starts_with('%'));
        if !is_command || text.contains(['\n', '\r']) {
            return Err(KickstartError::Edit(ValueError::new(
                format!("{} is not a command", quoted(text)),
                "expected a name and its arguments",
            )));
        }
        let is_section = |item: &Item| matches!(item, Item::Section(_));
        let at = self.items.iter().position(is_section);
        let at = at.unwrap_or(self.items.len());
        self.end_line_before(at);
        self.items
            .insert(at, Item::Command(Command { line, words }));
        Ok(())
    }

    /// Takes the commands of these names out, and gives them.
    pub fn remove_commands(&mut self, names: &[&str]) -> Vec<Command> {
        let is_named =
            |item: &mut Item| matches!(item, Item::Command(c) if names.contains(&c.name()));
        let removed = self.items.extract_if(.., is_named);
        let commands = removed.filter_map(|item| match item {
            Item::Command(command) => Some(command),
            _ => None,
        });
        commands.collect()
    }

    /// Adds packages and groups, or leaves them out (`-vim`), in the last `%packages`, or in a new
    /// one at the end. What says the same stays alone; what says the opposite goes.
    pub fn add_packages(&mut self, packages: &[Package]) {
        if packages.is_empty() {
            return;
        }
        let sections = self.items.iter_mut().filter_map(packages_of);
        let opposite: Vec<String> = packages.iter().map(opposite).collect();
        for section in sections {
            section
                .body
                .retain(|line| !opposite.iter().any(|name| names(line, name)));
        }
        if !self
            .items
            .iter_mut()
            .any(|item| packages_of(item).is_some())
        {
            self.end_line_before(self.items.len());
            let header = Command {
                line: added("%packages"),
                words: vec!["%packages".to_owned()],
            };
            self.items.push(Item::Section(Section {
                kind: SectionKind::Packages,
                header,
                body: Vec::new(),
                end: added("%end"),
            }));
        }
        let said: Vec<bool> = packages
            .iter()
            .map(|package| {
                let mut sections = self.sections().filter(|s| s.kind == SectionKind::Packages);
                sections.any(|section| {
                    section
                        .body
                        .iter()
                        .any(|line| names(line, package.as_str()))
                })
            })
            .collect();
        let last = self.items.iter_mut().rev().find_map(packages_of);
        if let Some(section) = last {
            for (package, said) in packages.iter().zip(said) {
                if !said
                    && !section
                        .body
                        .iter()
                        .any(|line| names(line, package.as_str()))
                {
                    section
                        .body
                        .push(SectionLine::Text(added(package.as_str())));
                }
            }
        }
    }

    /// Sees to it that what is put at `at` begins on a line of its own.
    fn end_line_before(&mut self, at: usize) {
        let Some(before) = at.checked_sub(1).and_then(|at| self.items.get_mut(at)) else {
            return;
        };
        let line = match before {
            Item::Comment(line) => line,
            Item::Command(command) => &mut command.line,
            Item::Include(include) => &mut include.line,
            Item::Section(section) => &mut section.end,
        };
        if !line.text.ends_with(['\n', '\r']) {
            line.text.push('\n');
        }
    }
}

fn packages_of(item: &mut Item) -> Option<&mut Section> {
    match item {
        Item::Section(section) if section.kind == SectionKind::Packages => Some(section),
        _ => None,
    }
}

/// Whether a line of `%packages` says this and nothing else, options of a group aside.
fn names(line: &SectionLine, name: &str) -> bool {
    let SectionLine::Text(line) = line else {
        return false;
    };
    let text = line.text.split('#').next().unwrap_or_default();
    let words = text
        .split_whitespace()
        .take_while(|word| !word.starts_with("--"));
    words.eq([name])
}

fn opposite(package: &Package) -> String {
    match package.is_excluded() {
        true => package.name().to_owned(),
        false => format!("-{package}"),
    }
}

/// A line that nobody wrote.
fn added(text: &str) -> Line {
    let origin = Origin {
        source: Source::Text("added".to_owned()),
        included_at: None,
    };
    Line {
        text: format!("{text}\n"),
        place: Place {
            origin: Arc::new(origin),
            line: 1,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kickstart::RepoUrl;

    fn repo(name: &str) -> Repo {
        Repo::new(name, RepoUrl::Base("file:///srv/side repo".into())).unwrap()
    }

    fn with_packages(text: &str, packages: &[&str]) -> String {
        let mut kickstart = Kickstart::parse(text, "a.ks").unwrap();
        let packages: Vec<Package> = packages.iter().map(|name| name.parse().unwrap()).collect();
        kickstart.add_packages(&packages);
        let printed = kickstart.to_string();
        let again = Kickstart::parse(&printed, "a.ks").unwrap();
        assert_eq!(again.to_string(), printed);
        printed
    }

    #[test]
    fn a_repository_goes_to_the_others() {
        let line = "repo --name=side --baseurl=\"file:///srv/side repo\"\n";
        for (before, after) in [
            ("", ""),
            ("lang C\n", "%post\n%end\n"),
            ("# c\nrepo --name=a\n", "lang C\n%packages\n%end\n"),
            ("url --url=x\n", "# c"),
        ] {
            let text = format!("{before}{after}");
            let mut kickstart = Kickstart::parse(&text, "a.ks").unwrap();
            kickstart.add_repo(&repo("side")).unwrap();
            assert_eq!(kickstart.to_string(), format!("{before}{line}{after}"));
            assert_eq!(
                kickstart.settings().unwrap().repos.last().unwrap().value,
                repo("side")
            );
        }
        let mut kickstart = Kickstart::parse("lang C", "a.ks").unwrap();
        kickstart.add_repo(&repo("side")).unwrap();
        assert_eq!(kickstart.to_string(), format!("lang C\n{line}"));
    }

    #[test]
    fn a_repository_that_is_there_is_not_added() {
        for text in ["repo --name=side\n", "repo --name side --baseurl=x\n"] {
            let mut kickstart = Kickstart::parse(text, "a.ks").unwrap();
            assert_eq!(
                kickstart.add_repo(&repo("side")).unwrap_err().to_string(),
                "a.ks:1 has a repository \"side\" already; give the new one another name"
            );
        }
    }

    #[test]
    fn nothing_is_smuggled_in() {
        for url in ["x\nrootpw y", "-x", "", "x\u{2028}y"] {
            assert!(
                Repo::new("a", RepoUrl::Base(url.into())).is_err(),
                "{url:?}"
            );
        }
        for name in ["a b", "a\nb", "", "-a", "a]"] {
            assert!(
                Repo::new(name, RepoUrl::Base("x".into())).is_err(),
                "{name:?}"
            );
        }
    }

    #[test]
    fn commands_are_added_before_the_sections_and_taken_out() {
        let mut kickstart = Kickstart::parse("lang C\ntext\n%post\ntext\n%end", "a.ks").unwrap();
        kickstart.add_command("part / --size=1").unwrap();
        let removed = kickstart.remove_commands(&["text", "cmdline"]);
        let removed: Vec<_> = removed.iter().map(|c| c.place().to_string()).collect();
        assert_eq!(removed, ["a.ks:2"]);
        assert_eq!(
            kickstart.to_string(),
            "lang C\npart / --size=1\n%post\ntext\n%end"
        );
        for wrong in ["", "# c", "%post", "lang C\nrootpw x"] {
            assert!(kickstart.add_command(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn packages_go_to_the_last_section() {
        assert_eq!(
            with_packages("lang C", &["vim", "@core", "vim"]),
            "lang C\n%packages\nvim\n@core\n%end\n"
        );
        assert_eq!(
            with_packages(
                "%packages --nocore\nvim # mine\n-nano\n-@base\n@x --optional\n%end\n%packages\nemacs\n%end\n# c\n",
                &["vim", "nano", "@base", "@x", "-emacs", "glibc*"]
            ),
            "%packages --nocore\nvim # mine\n@x --optional\n%end\n\
             %packages\nnano\n@base\n-emacs\nglibc*\n%end\n# c\n"
        );
        assert_eq!(with_packages("# c", &[]), "# c");
    }
}
