//! From a file or a text to a [`BuildSpec`].

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::build_spec::BuildSpec;
use super::entry::Entry;
use super::error::{LARGEST_SPEC, SpecError};
use super::format::Format;
use super::keys::Section;
use super::mistake::{Mistake, Origin};
use super::overrides::Override;
use super::validate::validate;

impl BuildSpec {
    /// Reads a file: TOML or JSON by its extension, else INI. Relative paths in the spec count
    /// from the file's folder.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or every mistake in it at once.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SpecError> {
        Self::load_with(path, &[])
    }

    /// [`load`](Self::load), with values put over those of the file.
    ///
    /// # Errors
    ///
    /// As for `load`; a mistake in an override names it as `--set boot.release=17x`.
    pub fn load_with(path: impl AsRef<Path>, overrides: &[Override]) -> Result<Self, SpecError> {
        let path = path.as_ref();
        let text = read(path)?;
        let origin = path.display().to_string();
        let mut spec = Self::parse_with(&text, Format::of_path(path), &origin, overrides)?;
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        spec.base_dir = whole.parent().map(Path::to_owned);
        Ok(spec)
    }

    /// The place, in a file and what was put over it, of a mistake whose section and key are known but which
    /// was found in the spec as a whole. One that neither says names the file alone.
    #[must_use]
    pub fn locate(path: impl AsRef<Path>, overrides: &[Override], mistake: Mistake) -> Mistake {
        let path = path.as_ref();
        let origin = path.display().to_string();
        let (Some(section), Some(key)) = (mistake.section.clone(), mistake.key.clone()) else {
            return mistake;
        };
        let sections = [section.as_str(), Section::Default.name()];
        let is_it = |entry: &Entry| {
            sections.contains(&&*entry.section) && entry.key.eq_ignore_ascii_case(&key)
        };
        let set = overrides.iter().map(Override::entry).rev().find(is_it);
        let mut entries = match read(path) {
            Ok(text) => Format::of_path(path).read(&text, &origin).entries,
            Err(_) => Vec::new(),
        };
        entries.retain(is_it);
        let own = entries.iter().position(|entry| entry.section == section);
        let written = entries.into_iter().nth(own.unwrap_or(0));
        let mut placed = Mistake {
            origin: Origin::Text(origin),
            ..mistake
        };
        if let Some(entry) = set.or(written) {
            placed = placed.at(entry.line).in_section(Some(&entry.section));
            if let Some(text) = entry.set_by {
                placed.origin = Origin::Set(text);
            }
        }
        placed
    }

    /// Reads a text; `origin` names it in mistakes. `base_dir` stays empty.
    ///
    /// # Errors
    ///
    /// Every mistake in the text at once.
    pub fn parse(text: &str, format: Format, origin: &str) -> Result<Self, SpecError> {
        Self::parse_with(text, format, origin, &[])
    }

    /// [`parse`](Self::parse), with values put over those of the text.
    ///
    /// # Errors
    ///
    /// Every mistake in the text and the overrides at once.
    pub fn parse_with(
        text: &str,
        format: Format,
        origin: &str,
        overrides: &[Override],
    ) -> Result<Self, SpecError> {
        validate(format.read(text, origin), origin, overrides).map_err(SpecError::Invalid)
    }
}

fn read(path: &Path) -> Result<String, SpecError> {
    let owned = || path.to_owned();
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => SpecError::NotFound { path: owned() },
        ErrorKind::IsADirectory => SpecError::IsFolder { path: owned() },
        _ => SpecError::Unreadable {
            path: owned(),
            source,
        },
    };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(SpecError::IsFolder { path: owned() });
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_SPEC + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST_SPEC {
        return Err(SpecError::TooLarge { path: owned() });
    }
    String::from_utf8(bytes).map_err(|error| not_utf8(owned(), &error))
}

fn not_utf8(path: PathBuf, error: &std::string::FromUtf8Error) -> SpecError {
    let offset = error.utf8_error().valid_up_to();
    let before = &error.as_bytes()[..offset];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    SpecError::NotUtf8 { path, line, offset }
}
