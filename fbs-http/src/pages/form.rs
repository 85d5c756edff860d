//! What was written into a form, and the spec that it makes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::Multipart;
use axum::http::StatusCode;
use image_builder::spec::{Arch, BuildSpec};
use serde_json::{Map, Value};

use crate::draft::{SpecFormat, Wanted};
use crate::problem::{Problem, WrittenMistake};

/// As many fields a form has at most.
const MOST_FIELDS: usize = 64;

/// Fields that stand in `[DEFAULT]`.
const COMMON: [&str; 6] = ["type", "release", "arch", "staging", "email", "boot_test"];

/// Fields that stand in the section of the image.
const SECTION: [&str; 8] = [
    "config",
    "packages",
    "nvr",
    "bid",
    "tag",
    "bodhi",
    "updates",
    "updates-testing",
];

/// The field with keys that have none of their own, `KEY=VALUE`, a line each; they stand in `[DEFAULT]`.
const MORE: &str = "more";

/// The tick of a job that not everybody sees.
const PRIVATE: &str = "private";

/// What was written into a form, by the name of the field.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(BTreeMap<String, String>);

/// What is wrong with what was written, by the field that it is about.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    by_field: BTreeMap<String, Vec<String>>,
    /// About none of the fields.
    pub(super) others: Vec<String>,
    /// The status of the answer, where it is not that of mistakes.
    status: Option<u16>,
}

impl Fields {
    /// Those of a new form.
    pub(super) fn new(releases: &[String]) -> Self {
        let release = releases.first().cloned().unwrap_or_default();
        let arch = Arch::host().unwrap_or(Arch::X86_64).to_string();
        let values = [
            ("type", "boot".to_owned()),
            ("release", release),
            ("arch", arch),
            ("boot_test", "both".to_owned()),
        ];
        Self(values.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// Reads a form. A file that was chosen takes the place of the text that it is for.
    pub(super) async fn read(mut form: Multipart) -> Result<Self, Problem> {
        let refuse = |error: axum::extract::multipart::MultipartError| {
            Problem::new(error.status(), error.body_text())
        };
        let mut fields = BTreeMap::new();
        while let Some(field) = form.next_field().await.map_err(refuse)? {
            let name = field.name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(refuse)?;
            let text = String::from_utf8(bytes.to_vec());
            let text = text.map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                Problem::bad_request(format!("{name}: byte {at} is not UTF-8"))
            })?;
            // Forms are sent with the line ends of a network.
            let text = text.replace("\r\n", "\n");
            match name.strip_suffix("_file") {
                Some(_) if text.is_empty() => {}
                Some(of) => drop(fields.insert(of.to_owned(), text)),
                // A file may come before or behind its text.
                None if fields
                    .get(&name)
                    .is_some_and(|text: &String| !text.is_empty()) => {}
                None => drop(fields.insert(name, text)),
            }
            if fields.len() > MOST_FIELDS {
                return Err(Problem::bad_request("no form of ours has so many fields"));
            }
        }
        Ok(Self(fields))
    }

    /// The form that makes a spec. What it has no field for is in `more`.
    pub(super) fn of_spec(spec: &BuildSpec, kickstart: Option<String>) -> Self {
        let mut fields = BTreeMap::new();
        let mut more = String::new();
        let image = spec.image_type();
        let repository = format!("{}_url", spec.release());
        let written = serde_json::to_value(spec).unwrap_or_default();
        let sections = written.as_object().into_iter().flatten();
        // What another section says is not heeded for this image.
        for (_, keys) in
            sections.filter(|(name, _)| *name == "DEFAULT" || **name == *image.as_str())
        {
            for (key, value) in keys.as_object().into_iter().flatten() {
                let text = as_text(value);
                if COMMON.contains(&key.as_str()) || SECTION.contains(&key.as_str()) {
                    fields.insert(key.clone(), text);
                } else if *key == repository && !text.contains(';') {
                    fields.insert("repository".to_owned(), text);
                } else {
                    // Writing to a String cannot fail.
                    let _ = writeln!(more, "{key}={text}");
                }
            }
        }
        fields.insert(MORE.to_owned(), more);
        fields.insert("kickstart".to_owned(), kickstart.unwrap_or_default());
        Self(fields)
    }

    /// Whether some of it is seen only by who opens the further keys.
    pub(super) fn has_more(&self) -> bool {
        !self.get(MORE).trim().is_empty()
    }

    /// A form with a spec as text.
    pub(super) fn of_text(spec: String, kickstart: Option<String>) -> Self {
        let kickstart = kickstart.unwrap_or_default();
        Self(
            [
                ("spec".to_owned(), spec),
                ("kickstart".to_owned(), kickstart),
            ]
            .into(),
        )
    }

    /// Whether only who asks and administrators are to see the job.
    pub(super) fn with_private(mut self, private: bool) -> Self {
        if private {
            self.0.insert(PRIVATE.to_owned(), "yes".to_owned());
        }
        self
    }

    pub(super) fn is_private(&self) -> bool {
        self.is(PRIVATE, "yes")
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The builds that are named, by name or number.
    pub(super) fn builds(&self) -> Vec<&str> {
        let fields = ["nvr", "bid"].map(|name| self.get(name).split([';', '\n']));
        let names = fields.into_iter().flatten().map(str::trim);
        names.filter(|name| !name.is_empty()).collect()
    }

    /// Whether a choice is the one that was made.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == value
    }

    /// Whether the whole spec was written as text.
    pub(super) fn is_text(&self) -> bool {
        self.0.contains_key("spec")
    }

    fn kickstart(&self) -> Option<String> {
        let text = self.get("kickstart");
        (!text.trim().is_empty()).then(|| text.to_owned())
    }

    /// The keys that have no field of their own.
    fn more(&self) -> Result<Map<String, Value>, Vec<WrittenMistake>> {
        let mut keys = Map::new();
        let mut mistakes = Vec::new();
        let mut wrong = |line: usize, message: String, hint: &str| {
            mistakes.push(WrittenMistake {
                key: Some(MORE.to_owned()),
                hint: Some(hint.to_owned()),
                ..WrittenMistake::new(format!("line {line}: {message}"))
            });
        };
        let lines = (1..).zip(self.get(MORE).lines().map(str::trim));
        for (number, line) in
            lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', ';']))
        {
            let Some((key, value)) = line.split_once('=') else {
                wrong(
                    number,
                    format!("{line:?} sets nothing"),
                    "a line is KEY=VALUE",
                );
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            if COMMON.contains(&key) || SECTION.contains(&key) {
                wrong(
                    number,
                    format!("{key} has a field of its own"),
                    "write it there",
                );
            } else if keys
                .insert(key.to_owned(), Value::String(value.to_owned()))
                .is_some()
            {
                wrong(
                    number,
                    format!("{key} stands here twice"),
                    "leave one of them out",
                );
            }
        }
        match mistakes.as_slice() {
            [] => Ok(keys),
            _ => Err(mistakes),
        }
    }

    /// What is wanted.
    ///
    /// # Errors
    ///
    /// What the further keys are that make no spec.
    pub(super) fn wanted(&self) -> Result<Wanted, Vec<WrittenMistake>> {
        if self.is_text() {
            return Ok(Wanted {
                spec: Value::String(self.get("spec").to_owned()),
                format: Some(match self.get("format") {
                    "toml" => SpecFormat::Toml,
                    "json" => SpecFormat::Json,
                    _ => SpecFormat::Ini,
                }),
                kickstart: self.kickstart(),
                private: self.is_private(),
                ..Wanted::default()
            });
        }
        let given = |name: &&str| {
            let text = self.get(name).trim();
            // A name a line is as good as one behind a semicolon.
            let text = text
                .split('\n')
                .map(str::trim)
                .filter(|line| !line.is_empty());
            let text = text.collect::<Vec<_>>().join(";");
            (!text.is_empty()).then(|| ((*name).to_owned(), Value::String(text)))
        };
        let mut common = self.more()?;
        common.extend(COMMON.iter().filter_map(given));
        let image = self.get("type");
        let of_image = |name: &&&str| image != "boot" || **name != "config";
        let section = SECTION.iter().filter(of_image).filter_map(given);
        let mut section: Map<String, Value> = section.collect();
        let repository = self.get("repository").trim();
        if !repository.is_empty() {
            let key = format!("{}_url", self.get("release").trim());
            section.insert(key, Value::String(repository.to_owned()));
        }
        let mut spec = Map::new();
        spec.insert("DEFAULT".to_owned(), Value::Object(common));
        if matches!(image, "boot" | "dvd" | "live") {
            spec.insert(image.to_owned(), Value::Object(section));
        }
        Ok(Wanted {
            spec: Value::Object(spec),
            private: self.is_private(),
            // A boot image is made without one, whatever the field has.
            kickstart: self.kickstart().filter(|_| image != "boot"),
            ..Wanted::default()
        })
    }

    /// The spec as it would be written into a file.
    pub(super) fn spec(&self) -> Result<BuildSpec, Vec<WrittenMistake>> {
        self.wanted()?.parse()
    }
}

/// A value as it is written into a field.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Array(items) => items.iter().map(as_text).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

impl Mistakes {
    /// Puts each beside the field that it is about.
    pub(super) fn new(mistakes: Vec<WrittenMistake>, fields: &Fields) -> Self {
        let mut sorted = Self::default();
        let repository = format!("{}_url", fields.get("release").trim());
        for mistake in mistakes {
            let hint = mistake.hint.as_ref().map(|hint| format!("; {hint}"));
            let words = format!("{}{}", mistake.message, hint.unwrap_or_default());
            let line = mistake
                .line
                .filter(|_| fields.is_text() || mistake.section.as_deref() == Some("kickstart"));
            let words = match line {
                Some(line) => format!("line {line}: {words}"),
                None => words,
            };
            let field = match (mistake.section.as_deref(), mistake.key.as_deref()) {
                (Some("kickstart"), _) => "kickstart",
                _ if fields.is_text() => "spec",
                (_, Some(key)) if key == repository => "repository",
                (_, Some(key)) if COMMON.contains(&key) || SECTION.contains(&key) => key,
                // It has no field, so it was written there.
                (_, Some(_)) if !fields.get(MORE).is_empty() => MORE,
                (_, Some(key)) => {
                    sorted.others.push(format!("{key}: {words}"));
                    continue;
                }
                (_, None) => {
                    sorted.others.push(words);
                    continue;
                }
            };
            let named = mistake.key.as_deref();
            let key = named.filter(|key| field == "spec" || field == MORE && *key != MORE);
            let words = match key {
                Some(key) => format!("{key}: {words}"),
                None => words,
            };
            sorted
                .by_field
                .entry(field.to_owned())
                .or_default()
                .push(words);
        }
        sorted
    }

    /// Why what has no mistakes was not taken all the same.
    pub(super) fn of_problem(problem: &Problem) -> Self {
        Self {
            others: vec![problem.words()],
            status: Some(problem.status),
            ..Self::default()
        }
    }

    /// That of the answer.
    pub(super) fn status(&self) -> StatusCode {
        let status = self
            .status
            .and_then(|status| StatusCode::from_u16(status).ok());
        match status {
            Some(status) => status,
            None if self.is_empty() => StatusCode::OK,
            None => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    /// Those that stand beside a field in which something is written, by its name, each field of the form once. Those of
    /// empty ones are moved to those of no field: who still writes has not come to them.
    pub(super) fn beside(&mut self, fields: &Fields) -> Vec<(&'static str, Vec<String>)> {
        let all = COMMON
            .iter()
            .chain(&SECTION)
            .chain(&["repository", "kickstart", MORE]);
        let of_field = |&name: &&'static str| {
            let mistakes = self.by_field.remove(name).unwrap_or_default();
            if !fields.get(name).trim().is_empty() {
                return (name, mistakes);
            }
            let named = mistakes.iter().map(|mistake| format!("{name}: {mistake}"));
            self.others.extend(named);
            (name, Vec::new())
        };
        all.map(of_field).collect()
    }

    /// Those about a field.
    pub(super) fn of(&self, field: &str) -> &[String] {
        self.by_field.get(field).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_field.is_empty() && self.others.is_empty()
    }
}
