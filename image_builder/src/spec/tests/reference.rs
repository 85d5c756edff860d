//! `docs/spec-reference.md` lists exactly the keys of the table.

use std::fmt::Write as _;

use super::{repository, updating};
use crate::spec::{KEYS, Key, Section};

const REFERENCE: &str = "docs/spec-reference.md";

fn table<'a>(keys: impl Iterator<Item = &'a Key>) -> String {
    let mut out = String::from(
        "| key | value | default | example | meaning | since |\n|---|---|---|---|---|---|\n",
    );
    for key in keys {
        let since = if key.since_2012 { "2012" } else { "new" };
        let name = key.name;
        let _ = writeln!(
            out,
            "| `{name}` | {} | {} | `{}` | {} | {since} |",
            key.kind.describe(),
            key.default,
            key.example,
            key.meaning
        );
    }
    out
}

fn tables() -> Vec<(&'static str, String)> {
    let only = |section: Section| {
        KEYS.iter()
            .filter(move |key| key.sections.contains(&section) && key.sections.len() < 3)
    };
    vec![
        ("DEFAULT", table(only(Section::Default))),
        ("boot", table(only(Section::Boot))),
        ("dvd", table(only(Section::Dvd))),
        ("live", table(only(Section::Live))),
        (
            "every section",
            table(KEYS.iter().filter(|key| key.sections.len() == 3)),
        ),
    ]
}

#[test]
fn the_tables_are_those_of_the_code() {
    let path = repository(REFERENCE);
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (name, table) in tables() {
        let (begin, end) = (format!("<!-- keys: {name} -->\n"), "<!-- end -->");
        let start = text
            .find(&begin)
            .unwrap_or_else(|| panic!("{begin} is missing"))
            + begin.len();
        let length = text[start..].find(end).unwrap();
        if updating() {
            text.replace_range(start..start + length, &table);
        } else {
            assert_eq!(
                text[start..start + length],
                table,
                "UPDATE_EXPECTED=1 rewrites {REFERENCE}"
            );
        }
    }
    if updating() {
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn every_key_is_documented_and_every_documented_key_is_known() {
    let text = std::fs::read_to_string(repository(REFERENCE)).unwrap();
    let documented: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    for key in KEYS {
        assert!(
            documented.contains(&key.name),
            "{} is not documented",
            key.name
        );
    }
    for name in documented {
        assert!(
            KEYS.iter().any(|key| key.name == name),
            "{name} is documented, but no key"
        );
    }
}
