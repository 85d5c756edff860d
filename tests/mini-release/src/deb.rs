//! Reading a Debian package: its control fields and its files.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use tar::EntryType;

use crate::dependency::{Dependency, parse_field};
use crate::package::{Content, File, Files};
use crate::{Error, paths, tool};

/// The control file of a package.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(crate) name: String,
    /// Debian's version, as written.
    pub(crate) version: String,
    /// The paths of its configuration files.
    pub(crate) configuration_files: Vec<String>,
    fields: HashMap<String, String>,
}

impl Control {
    /// Reads the control archive of a `.deb`.
    pub(crate) fn read(deb: &Path) -> Result<Self, Error> {
        let args = ["--ctrl-tarfile".as_ref(), deb.as_os_str()];
        let members = tool::stream("dpkg-deb", &args, |stdout| {
            read_texts(stdout).map_err(Error::io(deb))
        })?;
        let text = |name: &str| members.get(name).map_or("", String::as_str);
        let mut control = Self::parse(text("./control"))?;
        control.configuration_files = text("./conffiles")
            .lines()
            .map(|line| paths::canonical(line.trim()))
            .collect();
        Ok(control)
    }

    /// Parses a control file.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        // A line that begins with a blank goes on with the field before; only `Description` has
        // such lines that would matter, and its first line is enough.
        let fields: HashMap<String, String> = text
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split_once(':'))
            .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
            .collect();
        let get = |key: &str| {
            fields.get(key).cloned().ok_or_else(|| Error::Malformed {
                package: fields.get("Package").cloned().unwrap_or_default(),
                problem: format!("the control file has no field {key}"),
            })
        };
        Ok(Self {
            name: get("Package")?,
            version: get("Version")?,
            configuration_files: Vec::new(),
            fields,
        })
    }

    /// The first line of the description.
    pub(crate) fn summary(&self) -> &str {
        self.fields
            .get("Description")
            .map_or(self.name.as_str(), String::as_str)
    }

    /// Whether the package has no architecture of its own.
    pub(crate) fn is_for_all_architectures(&self) -> bool {
        self.fields
            .get("Architecture")
            .is_some_and(|arch| arch == "all")
    }

    /// A field with dependencies; empty when it is not there.
    pub(crate) fn alternatives(&self, field: &str) -> Result<Vec<Vec<Dependency>>, Error> {
        let value = self.fields.get(field).map_or("", String::as_str);
        parse_field(value).ok_or_else(|| Error::Malformed {
            package: self.name.clone(),
            problem: format!("cannot read {field}: {value}"),
        })
    }
}

/// A fetched package.
#[derive(Debug)]
pub(crate) struct Deb {
    pub(crate) path: PathBuf,
    pub(crate) control: Control,
}

impl Deb {
    /// Reads the files of the package, at their canonical paths, without what the release leaves
    /// out.
    pub(crate) fn files(&self) -> Result<Files, Error> {
        let args = ["--fsys-tarfile".as_ref(), self.path.as_os_str()];
        tool::stream("dpkg-deb", &args, |stdout| {
            self.read_members(stdout).map_err(Error::io(&self.path))
        })
    }

    fn read_members(&self, archive: impl Read) -> std::io::Result<Files> {
        let mut files = Files::new();
        // Members that are hard links, resolved when all files are known.
        let mut hard_links = Vec::new();
        for member in tar::Archive::new(archive).entries()? {
            let mut member = member?;
            let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
            let path = paths::canonical(&name);
            let header = member.header();
            let mut file = File {
                content: Content::Folder,
                mode: u16::try_from(header.mode()? & 0o7777).unwrap_or(0o755),
                user: owner(header.username().ok().flatten()),
                group: owner(header.groupname().ok().flatten()),
                modified: u32::try_from(header.mtime()?).unwrap_or(0),
                config: false,
            };
            let target = member
                .link_name_bytes()
                .map(|name| String::from_utf8_lossy(&name).into_owned());
            file.content = match (member.header().entry_type(), target) {
                (EntryType::Directory, _) => Content::Folder,
                (EntryType::Symlink, Some(target)) => {
                    Content::Link(paths::link_target(&name, &target))
                }
                (EntryType::Link, Some(target)) => {
                    hard_links.push((path, paths::canonical(&target)));
                    continue;
                }
                _ => {
                    let size = usize::try_from(member.size()).unwrap_or(0);
                    let mut bytes = Vec::with_capacity(size);
                    member.read_to_end(&mut bytes)?;
                    Content::Bytes(bytes)
                }
            };
            files.insert(path, file);
        }
        for (path, target) in hard_links {
            if let Some(file) = files.get(&target).cloned() {
                files.insert(path, file);
            }
        }
        files.retain(|path, _| path != "/" && !paths::is_left_out(path));
        Ok(files)
    }
}

/// The members of an archive of small texts.
fn read_texts(archive: impl Read) -> std::io::Result<HashMap<String, String>> {
    let mut members = HashMap::new();
    for member in tar::Archive::new(archive).entries()? {
        let mut member = member?;
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes)?;
        members.insert(name, String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(members)
}

fn owner(name: Option<&str>) -> String {
    name.filter(|name| !name.is_empty())
        .unwrap_or("root")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_file_is_read() {
        let control = Control::parse(
            "Package: bash\nVersion: 5.2-1\nArchitecture: amd64\nDepends: a,\n b\nDescription: shell\n A shell.\n",
        )
        .unwrap();
        assert_eq!(
            (control.name.as_str(), control.summary()),
            ("bash", "shell")
        );
        assert!(!control.is_for_all_architectures());
    }

    #[test]
    fn a_control_file_without_a_version_is_refused() {
        let error = Control::parse("Package: bash\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "bash: the control file has no field Version"
        );
    }
}
