//! What builds found in the cache of their host, read from [their logs](../../../docs/caches.md).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// What is kept, as the folder of the cache is called that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kept(pub(super) &'static str);

/// What came of looking for it: `hit`, `near` or `miss`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Decision(pub(super) &'static str);

/// What is kept, as logs call it.
const KINDS: [(&str, Kept); 6] = [
    ("Packages", Kept("solution")),
    ("Install root", Kept("root")),
    ("Kickstart", Kept("kickstart")),
    ("Initramfs", Kept("initramfs")),
    ("Packed root", Kept("image")),
    ("ISO", Kept("iso")),
];

const DECISIONS: [&str; 3] = ["hit", "near", "miss"];

/// The decision of each kind that a log tells of, the first of each: what scripts print comes later, and counts for nothing.
pub(super) fn decisions(log: &Path) -> io::Result<BTreeMap<Kept, Decision>> {
    let mut found = BTreeMap::new();
    for line in BufReader::new(File::open(log)?).split(b'\n') {
        if let Some((kept, decision)) = decision(&String::from_utf8_lossy(&line?)) {
            found.entry(kept).or_insert(decision);
        }
    }
    Ok(found)
}

/// What a line such as `2026-01-01 00:00:00,000 - ISO:: miss, kept as c955888f` tells.
fn decision(line: &str) -> Option<(Kept, Decision)> {
    let (_, message) = line.split_once(" - ")?;
    let (name, words) = message.split_once(":: ")?;
    let (_, kept) = KINDS.into_iter().find(|(kind, _)| *kind == name)?;
    let word = words.split([' ', ',']).next()?;
    let decision = DECISIONS.into_iter().find(|one| *one == word)?;
    Some((kept, Decision(decision)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_documentation_are_understood() {
        let text = include_str!("../../../docs/caches.md");
        let (_, example) = text.split_once("```text\n").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut lines: String = example
            .lines()
            .map(|line| format!("2026-01-01 00:00:00,000 - {line}\n"))
            .collect();
        lines.push_str("2026-01-01 00:00:00,000 - ISO:: hit 1, printed by a script\nISO:: hit\n");
        lines.push_str(
            "2026-01-01 00:00:00,000 - Release:: 43\n2026-01-01 00:00:00,000 - ISO:: other\n",
        );
        std::fs::write(&log, lines).unwrap();
        let found = decisions(&log).unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|(kept, what)| (kept.0, what.0))
            .collect();
        let expected = [
            ("image", "miss"),
            ("initramfs", "hit"),
            ("iso", "miss"),
            ("root", "near"),
            ("solution", "miss"),
        ];
        assert_eq!(found, expected);
    }
}
