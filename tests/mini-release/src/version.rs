//! Debian's version numbers as RPM's.

use std::fmt;

/// Epoch, version and release of an RPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) epoch: u32,
    pub(crate) version: String,
    /// `None` in a requirement that names no release, which then matches any.
    pub(crate) release: Option<String>,
}

impl Version {
    /// A version of a package: one without a Debian revision gets the release `0`.
    pub(crate) fn of_package(debian: &str) -> Self {
        let mut version = Self::of_requirement(debian);
        version.release.get_or_insert_with(|| "0".to_owned());
        version
    }

    /// A version that a requirement names.
    ///
    /// `~` sorts the same in both worlds. RPM forbids `-` inside a version, where Debian allows
    /// it (the last one starts the revision), so it becomes `_`, a separator like any other.
    pub(crate) fn of_requirement(debian: &str) -> Self {
        let (epoch, rest) = match debian.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, debian),
        };
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, revision)) => (version, Some(revision.to_owned())),
            None => (rest, None),
        };
        Self {
            epoch,
            version: version.replace('-', "_"),
            release,
        }
    }

    /// The release, where there must be one.
    pub(crate) fn release(&self) -> &str {
        self.release.as_deref().unwrap_or("0")
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch > 0 {
            write!(f, "{}:", self.epoch)?;
        }
        f.write_str(&self.version)?;
        match &self.release {
            Some(release) => write!(f, "-{release}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_a_release() {
        for (debian, rpm) in [
            ("2.36-9+deb12u14", "2.36-9+deb12u14"),
            ("1:4.13+dfsg1-1+deb12u2", "1:4.13+dfsg1-1+deb12u2"),
            ("0~20171227-0.3", "0~20171227-0.3"),
            ("37~deb12u1", "37~deb12u1-0"),
            ("2:1.2-rc3-4", "2:1.2_rc3-4"),
        ] {
            assert_eq!(Version::of_package(debian).to_string(), rpm, "{debian}");
        }
    }

    #[test]
    fn a_requirement_may_name_none() {
        assert_eq!(Version::of_requirement("1:2.2.1").to_string(), "1:2.2.1");
        assert_eq!(Version::of_requirement("3.1~").to_string(), "3.1~");
        assert_eq!(
            Version::of_requirement("059-4+b+~").to_string(),
            "059-4+b+~"
        );
    }
}
