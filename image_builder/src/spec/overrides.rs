//! Values set on the command line, over those of the file.

use std::fmt;
use std::str::FromStr;

use super::entry::Entry;
use super::keys::Section;
use super::password::hidden;
use super::value::{ValueError, quoted};

/// `SECTION.KEY=VALUE`, or `KEY=VALUE` for every section at once. An override wins over whatever
/// the text says; one without a section wins over every section's own value too, and an empty
/// value takes the text's away.
#[derive(Clone, PartialEq, Eq)]
pub struct Override {
    section: Option<String>,
    key: String,
    value: String,
}

impl Override {
    /// Sets a key in all sections.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            section: None,
            key: key.into(),
            value: value.into(),
        }
    }

    /// Sets a key in one section.
    pub fn in_section(section: Section, key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            section: Some(section.name().to_owned()),
            ..Self::new(key, value)
        }
    }

    /// Whether it holds for every section.
    pub(crate) fn is_global(&self) -> bool {
        self.section.is_none()
    }

    pub(crate) fn entry(&self) -> Entry {
        Entry {
            section: self
                .section
                .clone()
                .unwrap_or_else(|| Section::Default.name().to_owned()),
            key: self.key.clone(),
            value: self.value.clone(),
            list: false,
            line: None,
            set_by: Some(self.text()),
        }
    }

    fn text(&self) -> String {
        let section = self
            .section
            .as_ref()
            .map_or_else(String::new, |name| format!("{name}."));
        format!("{section}{}={}", self.key, self.value)
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hidden(&self.text()))
    }
}

impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Override({:?})", self.to_string())
    }
}

impl FromStr for Override {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || {
            ValueError::new(
                format!("{} sets no value", quoted(&hidden(text))),
                "expected SECTION.KEY=VALUE or KEY=VALUE",
            )
        };
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let (section, key) = match name.split_once('.') {
            Some((section, key)) => (Some(section.trim()), key.trim()),
            None => (None, name.trim()),
        };
        if key.is_empty() || section.is_some_and(str::is_empty) {
            return Err(wrong());
        }
        Ok(Self {
            section: section.map(str::to_owned),
            key: key.to_owned(),
            value: value.trim().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_shown() {
        for (text, section, key, value) in [
            ("boot.release=17", Some("boot"), "release", "17"),
            ("release=17", None, "release", "17"),
            (
                "boot.17_url=http://a.b/c=d",
                Some("boot"),
                "17_url",
                "http://a.b/c=d",
            ),
            ("nvr=", None, "nvr", ""),
        ] {
            let set: Override = text.parse().unwrap();
            assert_eq!(
                (set.section.as_deref(), &*set.key, &*set.value),
                (section, key, value)
            );
            assert_eq!(set.to_string(), text);
        }
        for text in ["", "release", "=17", ".release=17", "boot.=17"] {
            assert!(text.parse::<Override>().is_err(), "{text}");
        }
        let set: Override = "staging=ftp://qa:pw@host".parse().unwrap();
        assert!(!format!("{set:?}").contains("pw"));
    }
}
