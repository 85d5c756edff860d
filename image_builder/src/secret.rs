//! Secrets: from the environment or from a file, never from a spec or a configuration itself.

use std::path::{Path, PathBuf};

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// There is none.
    Absent,
    /// In an environment variable.
    Env(String),
    /// In the first line of a file.
    File(PathBuf),
}

impl Secret {
    /// That of two keys of a configuration; the environment goes first.
    pub(crate) fn of(env: Option<&str>, file: Option<&Path>) -> Self {
        match (env, file) {
            (Some(name), _) => Self::Env(name.to_owned()),
            (None, Some(path)) => Self::File(path.to_owned()),
            (None, None) => Self::Absent,
        }
    }

    /// The secret.
    ///
    /// # Errors
    ///
    /// Where it should be and is not.
    pub(crate) fn read(&self) -> Result<Option<String>, String> {
        let text = match self {
            Self::Absent => return Ok(None),
            Self::Env(name) => std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set"))?,
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display()))?,
        };
        let secret = text.lines().next().unwrap_or_default().trim_end();
        match (secret.is_empty(), self) {
            (false, _) => Ok(Some(secret.to_owned())),
            (true, Self::File(path)) => Err(format!("{} is empty", path.display())),
            (true, _) => Err("it is empty".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "s3 cret\r\n# of the FTP server\n").unwrap();
        let secret = Secret::of(None, Some(&path));
        assert_eq!(secret.read().unwrap().as_deref(), Some("s3 cret"));
        std::fs::write(&path, "\n").unwrap();
        assert!(secret.read().unwrap_err().contains("is empty"));
        let missing = Secret::of(None, Some(Path::new("/no/password")));
        assert!(
            missing
                .read()
                .unwrap_err()
                .contains("/no/password: No such")
        );
        let unset = Secret::of(Some("FBS_NO_SUCH_SECRET"), Some(&path));
        assert!(unset.read().unwrap_err().contains("FBS_NO_SUCH_SECRET"));
        assert_eq!(Secret::of(None, None).read(), Ok(None));
    }
}
