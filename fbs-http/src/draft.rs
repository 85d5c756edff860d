//! From what was sent to a request for a job, or to every mistake in it.

use std::borrow::Cow;
use std::time::Duration;

use image_builder::jobs::{JobRequest, PrepareError, Priority, untrusted};
use image_builder::kickstart::{Kickstart, KickstartError, Limits, Reader, Source, config};
use image_builder::network::Network;
use image_builder::quantity::Age;
use image_builder::redact;
use image_builder::spec::{BuildSpec, Format, LARGEST_SPEC, Trust};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::{Problem, WrittenMistake, mistakes_of};

/// As many packages and groups may be named.
const MOST_PACKAGES: usize = 10_000;

/// As many builds, tags, updates, places and addresses may be named, of each.
const MOST_NAMES: usize = 1000;

/// What fetching a kickstart may take: more than the largest of Fedora's, and not long.
const FETCH: Limits = Limits {
    each: 2 << 20,
    total: 8 << 20,
    texts: 64,
    depth: 16,
    time: Duration::from_secs(20),
};

/// Who fetches kickstarts for others: nothing of this machine, and of internal networks only those that are named.
pub(crate) fn reader(networks: &[Network]) -> Reader {
    let reader = Reader::new(Trust::Remote).with_networks(networks);
    reader.with_limits(FETCH)
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The build spec: its text, or an object of sections as in JSON.
    pub(crate) spec: Value,
    /// What the text is written in.
    #[serde(default)]
    pub(crate) format: Option<SpecFormat>,
    /// The text of the kickstart, with all that it includes.
    #[serde(default)]
    pub(crate) kickstart: Option<String>,
    /// What goes first: a higher number.
    #[serde(default)]
    pub(crate) priority: i8,
    /// A job that nobody has begun with in this time is not needed any more: `12h`, `30m`.
    #[serde(default)]
    pub(crate) deadline: Option<String>,
    /// Whether only who asks and administrators may see it.
    #[serde(default)]
    pub(crate) private: bool,
}

/// What a spec is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SpecFormat {
    /// The INI format of 2012.
    #[default]
    Ini,
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

impl From<SpecFormat> for Format {
    fn from(format: SpecFormat) -> Self {
        match format {
            SpecFormat::Ini => Self::Ini,
            SpecFormat::Toml => Self::Toml,
            SpecFormat::Json => Self::Json,
        }
    }
}

impl Wanted {
    /// A spec alone, as INI.
    pub(crate) fn ini(text: String) -> Self {
        Self {
            spec: Value::String(text),
            ..Self::default()
        }
    }

    /// What asks for it on behalf of `requester`.
    ///
    /// # Errors
    ///
    /// Every mistake in it.
    pub(crate) fn request(&self, requester: &str) -> Result<JobRequest, Vec<WrittenMistake>> {
        self.request_of_parsed(self.parse(), requester)
    }

    /// The same, with the kickstart that its `config` names by an address and all that kickstarts include: that is
    /// fetched.
    ///
    /// # Errors
    ///
    /// Every mistake in it; a kickstart that cannot be had is one.
    pub(crate) async fn fetched_request(
        mut self,
        reader: &Reader,
        requester: &str,
    ) -> Result<JobRequest, Vec<WrittenMistake>> {
        let parsed = self.parse();
        match self.fetched(parsed.as_ref().ok(), reader).await {
            Ok(None) => {}
            Ok(Some(kickstart)) => self.kickstart = Some(kickstart.to_string()),
            Err(error) => {
                let mut mistakes = mistakes_of(&PrepareError::Kickstart(error));
                // All else that is wrong is told with it.
                self.kickstart = Some(String::new());
                let others = self.request_of_parsed(parsed, requester);
                mistakes.extend(others.err().unwrap_or_default());
                return Err(mistakes);
            }
        }
        self.request_of_parsed(parsed, requester)
    }

    /// The kickstart that has to be fetched, whole or what it includes. What is wrong with a spec that is none is told
    /// when it is asked for.
    async fn fetched(
        &self,
        spec: Option<&BuildSpec>,
        reader: &Reader,
    ) -> Result<Option<Kickstart>, KickstartError> {
        let fetched = match (&self.kickstart, spec) {
            (Some(text), _) if !text.contains("%include") && !text.contains("%ksappend") => {
                return Ok(None);
            }
            (Some(text), _) => reader.flatten_text(text, "kickstart").await,
            (None, Some(spec)) => match config(spec).and_then(|location| location.url()) {
                Some(url) => reader.flatten(&Source::Url(url)).await,
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        fetched.map(Some)
    }

    fn request_of_parsed(
        &self,
        parsed: Result<BuildSpec, Vec<WrittenMistake>>,
        requester: &str,
    ) -> Result<JobRequest, Vec<WrittenMistake>> {
        match parsed {
            Ok(spec) => self.request_of(&spec, requester),
            Err(mut mistakes) => {
                mistakes.extend(self.deadline().err());
                mistakes.extend(self.kickstart_mistakes());
                Err(mistakes)
            }
        }
    }

    /// The spec, before it is looked at whether it may be built here.
    pub(crate) fn parse(&self) -> Result<BuildSpec, Vec<WrittenMistake>> {
        let (text, format) = match &self.spec {
            Value::String(text) => (Cow::Borrowed(text), self.format.unwrap_or_default()),
            object @ Value::Object(_) => (Cow::Owned(object.to_string()), SpecFormat::Json),
            _ => {
                return Err(vec![WrittenMistake::new(
                    "`spec` is neither a text nor an object of sections",
                )]);
            }
        };
        if text.len() as u64 > LARGEST_SPEC {
            return Err(vec![WrittenMistake::new(
                "the spec is larger than 1 MiB; that is no spec",
            )]);
        }
        let parsed = BuildSpec::parse(&text, format.into(), "spec");
        parsed.map_err(|error| mistakes_of(&PrepareError::Spec(error)))
    }

    pub(crate) fn request_of(
        &self,
        spec: &BuildSpec,
        requester: &str,
    ) -> Result<JobRequest, Vec<WrittenMistake>> {
        let mut mistakes = too_many(spec);
        mistakes.extend(shown_passwords(spec, self.kickstart.as_deref()));
        let deadline = self.deadline().map_err(|mistake| mistakes.push(mistake));
        let prepared = JobRequest::prepare_sent(spec, self.kickstart.as_deref(), requester);
        let prepared = prepared.map_err(|error| {
            mistakes.extend(mistakes_of(&error));
            // What is wrong with the kickstart is found first.
            if !matches!(error, PrepareError::Spec(_)) {
                mistakes.extend(trust_mistakes(spec));
            }
        });
        match (prepared, deadline) {
            (Ok(mut request), Ok(deadline)) if mistakes.is_empty() => {
                request.priority = Priority(self.priority);
                request.deadline = deadline;
                request.private = self.private;
                Ok(request)
            }
            _ => Err(mistakes),
        }
    }

    /// What is wrong with the kickstart, whatever is asked for.
    fn kickstart_mistakes(&self) -> Vec<WrittenMistake> {
        let Some(text) = &self.kickstart else {
            return Vec::new();
        };
        let error = match Kickstart::parse(text, "kickstart") {
            Ok(kickstart) => PrepareError::Untrusted(untrusted(&kickstart)),
            Err(error) => PrepareError::Kickstart(error),
        };
        mistakes_of(&error)
    }

    fn deadline(&self) -> Result<Option<Timestamp>, WrittenMistake> {
        let Some(text) = &self.deadline else {
            return Ok(None);
        };
        let wrong = |message: String| WrittenMistake {
            key: Some("deadline".to_owned()),
            ..WrittenMistake::new(message)
        };
        let Age(age): Age = text.parse().map_err(wrong)?;
        if age == Duration::ZERO {
            return Err(wrong("expected a time such as 12h or 30d".to_owned()));
        }
        let until = Timestamp::now().checked_add(age);
        until
            .map(Some)
            .map_err(|_| wrong("that is after the end of time".to_owned()))
    }
}

/// What a spec from elsewhere may not say, its kickstart aside.
fn trust_mistakes(spec: &BuildSpec) -> Vec<WrittenMistake> {
    let mut spec = spec.clone();
    if let Some(live) = &mut spec.live {
        live.config = None;
    }
    if let Some(dvd) = &mut spec.dvd {
        dvd.config = None;
    }
    let checked = spec.check_trust(Trust::Remote);
    checked.map_or_else(
        |error| mistakes_of(&PrepareError::Spec(error)),
        |()| Vec::new(),
    )
}

/// Addresses that were copied from where their password was not shown.
fn shown_passwords(spec: &BuildSpec, kickstart: Option<&str>) -> Vec<WrittenMistake> {
    let wrong = |section: &str, key: Option<&str>, line| WrittenMistake {
        section: Some(section.to_owned()),
        key: key.map(str::to_owned),
        line,
        message: "*** stands for a password that is not shown".to_owned(),
        hint: Some("write the password itself, or leave the address out".to_owned()),
    };
    let written = serde_json::to_value(spec).unwrap_or_default();
    let mut mistakes = Vec::new();
    for (section, keys) in written.as_object().into_iter().flatten() {
        for (key, value) in keys.as_object().into_iter().flatten() {
            let shown = match value {
                Value::Array(items) => items.iter().filter_map(Value::as_str).any(redact::is_shown),
                value => value.as_str().is_some_and(redact::is_shown),
            };
            if shown {
                mistakes.push(wrong(section, Some(key), None));
            }
        }
    }
    let lines = (1..).zip(kickstart.unwrap_or_default().lines());
    let lines = lines.filter(|(_, line)| redact::is_shown(line));
    mistakes.extend(lines.map(|(number, _)| wrong("kickstart", None, Some(number))));
    mistakes
}

fn too_many(spec: &BuildSpec) -> Vec<WrittenMistake> {
    let shared = spec.shared();
    let lists = [
        ("packages", shared.selection().len(), MOST_PACKAGES),
        ("nvr", shared.nvr.len(), MOST_NAMES),
        ("bid", shared.bid.len(), MOST_NAMES),
        ("tag", shared.tag.len(), MOST_NAMES),
        ("bodhi", shared.bodhi.len(), MOST_NAMES),
        ("staging", spec.common.staging.len(), MOST_NAMES),
        ("email", spec.common.email.len(), MOST_NAMES),
    ];
    let long = lists.into_iter().filter(|(_, count, most)| count > most);
    long.map(|(key, count, most)| WrittenMistake {
        key: Some(key.to_owned()),
        ..WrittenMistake::new(format!("{count} entries; {most} are the most"))
    })
    .collect()
}

/// How deep objects and lists of a request may stand in each other.
const DEEPEST: usize = 16;

/// As many values may be in all objects and lists together.
const MOST_VALUES: usize = 50_000;

/// Reads JSON that may come from anybody, of a body that may be empty.
///
/// # Errors
///
/// As [`json`].
pub(crate) fn json_if_any<T: serde::de::DeserializeOwned + Default>(
    bytes: &[u8],
) -> Result<T, Problem> {
    match bytes.trim_ascii() {
        [] => Ok(T::default()),
        bytes => json(bytes),
    }
}

/// Reads JSON that may come from anybody.
///
/// # Errors
///
/// What is wrong with it, with line and column.
pub(crate) fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let (mut depth, mut values, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for &byte in bytes {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (true, _) => {}
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (false, b',') => values += 1,
            (false, _) => {}
        }
        if depth > DEEPEST || values > MOST_VALUES {
            return Err(Problem::bad_request(format!(
                "no request has more than {DEEPEST} levels or {MOST_VALUES} values"
            )));
        }
    }
    // A list could be read as the values of an object.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Problem::bad_request("expected an object of JSON"));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad_request(format!("no JSON of ours: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(wanted: &str) -> Vec<WrittenMistake> {
        let wanted: Wanted = json(wanted.as_bytes()).unwrap();
        wanted.request("me").unwrap_err()
    }

    #[test]
    fn a_spec_is_a_text_or_an_object() {
        for wanted in [
            r#"{"spec": "[DEFAULT]\ntype=boot\nrelease=43\n"}"#,
            r#"{"spec": {"DEFAULT": {"type": "boot", "release": "43"}}, "priority": 3, "deadline": "2h"}"#,
            r#"{"spec": "[DEFAULT]\ntype='boot'\nrelease='43'\n", "format": "toml"}"#,
        ] {
            let wanted: Wanted = json(wanted.as_bytes()).unwrap();
            let request = wanted.request("me").unwrap();
            assert_eq!(
                (request.release.as_str(), request.requester.as_str()),
                ("43", "me")
            );
            assert_eq!(request.deadline.is_some(), wanted.priority == 3);
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let found =
            mistakes(r#"{"spec": "[DEFAULT]\ntype=boot\nrelease=43\nupdats=1\ntimeout=soon\n"}"#);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            (found[0].line, found[0].key.as_deref()),
            (Some(4), Some("updats"))
        );
        let found = mistakes(
            r#"{"spec": "[DEFAULT]\ntype=boot\nrelease=43\nstaging=/srv\n[boot]\noutdir=/srv/o\n", "deadline": "x"}"#,
        );
        let keys: Vec<_> = found
            .iter()
            .map(|one| one.key.as_deref().unwrap())
            .collect();
        assert_eq!(keys, ["deadline", "staging", "outdir"]);
        let found = mistakes(
            r#"{"spec": "[DEFAULT]\ntype=live\nrelease=43\nstaging=/srv\n", "kickstart": "lang C\n%packages\n"}"#,
        );
        assert_eq!(found[1].key.as_deref(), Some("staging"));
        assert_eq!(
            (found[0].section.as_deref(), found[0].line),
            (Some("kickstart"), Some(2))
        );
        let found = mistakes(
            r#"{"spec": "[DEFAULT]\ntype=live\nrelease=43\n[live]\nconfig=http://h/a.ks\n"}"#,
        );
        assert!(found[0].message.contains("not read here"), "{found:?}");
        let found = mistakes(r#"{"spec": "[x]\n", "kickstart": "%include /a\n", "deadline": "x"}"#);
        assert!(found.len() >= 3, "{found:?}");
        assert_eq!(mistakes(r#"{"spec": 7}"#).len(), 1);
        let many = "p,".repeat(20_000);
        let text = format!("[DEFAULT]\ntype=boot\nrelease=43\npackages={many}\n");
        let wanted = serde_json::json!({ "spec": text }).to_string();
        assert!(mistakes(&wanted)[0].message.contains("are the most"));
    }

    #[test]
    fn json_that_is_too_deep_is_not_read() {
        let deep = format!("{}{}", "[".repeat(17), "]".repeat(17));
        assert!(
            json::<Value>(deep.as_bytes())
                .unwrap_err()
                .detail
                .contains("levels")
        );
        let long = format!("[{}1]", "1,".repeat(50_001));
        assert!(json::<Value>(long.as_bytes()).is_err());
        assert!(json::<Value>(b" [1]").is_err());
        let text = serde_json::json!({"a": format!("{}\\\"[", "[,".repeat(60_000))}).to_string();
        assert!(json::<Value>(text.as_bytes()).is_ok());
        let wrong = json::<Wanted>(b"{\"spec\": \"x\",\n \"specs\": 1}").unwrap_err();
        assert!(wrong.detail.contains("line 2"), "{}", wrong.detail);
    }
}
