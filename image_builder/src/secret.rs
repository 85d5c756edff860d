//! Passwords and keys of the service: from a file or the environment, never printed.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Something that nobody is to read. Its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// From a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for a login, never for a message.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// The first line of a file.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
}

impl SecretPlace {
    /// That of two keys of a configuration, if there is one; the environment goes first.
    #[must_use]
    pub fn of(env: Option<&str>, file: Option<&Path>) -> Option<Self> {
        let file = || file.map(|path| Self::File(path.to_owned()));
        env.map(|name| Self::Environment(name.to_owned()))
            .or_else(file)
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// Where it should be and what is there instead, in words.
    pub fn read(&self) -> Result<Secret, String> {
        let found = match self {
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display()))?,
            Self::Environment(name) => {
                std::env::var(name).map_err(|error| format!("the environment's {name}: {error}"))?
            }
        };
        match found.lines().next().map(str::trim) {
            Some(text) if !text.is_empty() => Ok(Secret::new(text)),
            _ => Err(match self {
                Self::File(path) => format!("{} is empty", path.display()),
                Self::Environment(name) => format!("the environment's {name} is empty"),
            }),
        }
    }

    /// Why others may read it, too, where that is so.
    #[must_use]
    pub fn exposure(&self) -> Option<String> {
        match self {
            Self::File(path) => exposure(path),
            Self::Environment(_) => None,
        }
    }
}

/// Why others than its owner's group may read a file, where that is so.
#[must_use]
pub fn exposure(path: &Path) -> Option<String> {
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o004 != 0).then(|| {
        format!(
            "everybody on this host can read {} (mode {mode:04o}): `chmod 600` it",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line_of_its_file_and_not_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "s3cret\nnext\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let place = SecretPlace::File(path.clone());
        let secret = place.read().unwrap();
        assert_eq!(
            (secret.reveal(), format!("{secret:?}")),
            ("s3cret", "***".to_owned())
        );
        assert!(place.exposure().unwrap().contains("mode 0644"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(place.exposure(), None);
        std::fs::write(&path, "\n").unwrap();
        assert!(place.read().unwrap_err().ends_with("is empty"));
        let place = SecretPlace::Environment("FBS_NO_SUCH_VARIABLE".into());
        assert!(place.read().unwrap_err().contains("FBS_NO_SUCH_VARIABLE"));
    }
}
