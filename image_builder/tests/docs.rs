//! What the documents in docs/ say is so: their JSON is what the library reads and writes, and their
//! links lead somewhere.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use image_builder::events::{BuildEvent, EventKind};
use image_builder::report::{self, BuildReport};
use image_builder::service_config::ServiceConfig;
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap()
}

/// The texts of the blocks that are marked as `json`.
fn json_blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
}

/// Fails to compile when a kind is new and not listed here.
fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::JobStarted { .. } => "job_started",
        EventKind::StageStarted { .. } => "stage_started",
        EventKind::StageFinished { .. } => "stage_finished",
        EventKind::CommandStarted { .. } => "command_started",
        EventKind::CommandFinished { .. } => "command_finished",
        EventKind::WorkStarted { .. } => "work_started",
        EventKind::WorkFinished { .. } => "work_finished",
        EventKind::Output { .. } => "output",
        EventKind::Log { .. } => "log",
        EventKind::Progress(_) => "progress",
        EventKind::Artifact { .. } => "artifact",
        EventKind::JobFinished { .. } => "job_finished",
    }
}

const KINDS: usize = 12;

#[test]
fn every_kind_of_event_has_an_example_that_is_one() {
    let text = document("docs/events.md");
    let mut seen = BTreeSet::new();
    for line in json_blocks(&text).flat_map(str::lines) {
        let event: BuildEvent =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let written: Value = serde_json::from_str(line).unwrap();
        let again = serde_json::to_value(&event).unwrap();
        // The trailing zeros of a time are not kept.
        assert_eq!(without_time(written), without_time(again), "{line}");
        let kind = name(&event.kind);
        assert!(text.contains(&format!("`{kind}`")), "{kind} has no heading");
        seen.insert(kind);
    }
    assert_eq!(seen.len(), KINDS, "{seen:?}");
}

fn without_time(mut event: Value) -> Value {
    event.as_object_mut().unwrap().remove("time");
    event
}

#[test]
fn the_example_of_a_report_is_one_and_every_field_of_it_is_documented() {
    let text = document("docs/report.md");
    let example = json_blocks(&text).last().unwrap();
    let report: BuildReport = serde_json::from_str(example).unwrap();
    let written: Value = serde_json::from_str(example).unwrap();
    assert_eq!(serde_json::to_value(&report).unwrap(), written);
    assert!(text.contains(&format!("`version` is {}.", report::VERSION)));
    let mut fields = BTreeSet::new();
    collect(&written, &mut fields);
    for field in fields {
        assert!(text.contains(&format!("`{field}`")), "{field}");
    }
}

#[test]
fn the_examples_of_parts_of_a_report_are_such_parts() {
    fn same<T: serde::de::DeserializeOwned + serde::Serialize>(section: &str) {
        let text = document("docs/report.md");
        let (_, rest) = text.split_once(&format!("### `{section}`")).unwrap();
        let example = json_blocks(rest).next().unwrap();
        let report: Value = serde_json::from_str(example).unwrap();
        let written = report[section].clone();
        let part: T =
            serde_json::from_value(written.clone()).unwrap_or_else(|e| panic!("{section}: {e}"));
        assert_eq!(serde_json::to_value(part).unwrap(), written, "{section}");
        let mut fields = BTreeSet::new();
        collect(&written, &mut fields);
        for field in fields {
            assert!(text.contains(&format!("`{field}`")), "{section}: {field}");
        }
    }
    same::<report::SideRecord>("side_repository");
    same::<report::KickstartRecord>("kickstart");
}

#[test]
fn every_configuration_in_the_operator_guide_is_one() {
    let text = document("docs/operator-guide.md");
    let dir = tempfile::tempdir().unwrap();
    let mut sections = BTreeSet::new();
    for block in text.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let path = dir.path().join("fbs.toml");
        std::fs::write(&path, block).unwrap();
        ServiceConfig::read(&path).unwrap_or_else(|error| panic!("{error}:\n{block}"));
        sections.extend(block.lines().filter(|line| line.starts_with('[')));
    }
    for section in ["[koji]", "[smtp]", "[fedora_messaging]", "[[webhook]]"] {
        assert!(sections.contains(section), "{section}: {sections:?}");
    }
}

/// Every key of `value`, but those of the user's spec.
fn collect(value: &Value, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                fields.insert(key.clone());
                if key != "spec" && key != "exit" {
                    collect(value, fields);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, fields)),
        _ => {}
    }
}

#[test]
fn no_link_of_a_document_leads_nowhere() {
    let root = repository();
    let mut documents = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    documents.extend(
        std::fs::read_dir(root.join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "md")),
    );
    for path in documents {
        let text = std::fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1) {
            let target = target.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            assert!(file.exists(), "{}: {target}", path.display());
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&file).unwrap();
                let found = text
                    .lines()
                    .any(|line| heading(line).as_deref() == Some(anchor));
                assert!(found, "{}: {target}", path.display());
            }
        }
    }
}

/// The anchor that a heading gets: lower case, without punctuation, `-` for blanks.
fn heading(line: &str) -> Option<String> {
    let title = line
        .starts_with('#')
        .then(|| line.trim_start_matches('#').trim())?;
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    Some(
        title
            .to_lowercase()
            .chars()
            .filter(kept)
            .collect::<String>()
            .replace(' ', "-"),
    )
}
