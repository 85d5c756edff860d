//! Where two images differ, as text for people: the packages first, and of many files only some.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::listing::{Difference, Fate, FileChange};
use super::packages::PackageChanges;
use super::{Comparison, Part};

/// So many files of a package, lines of a text, or packages of a list are shown.
const SHOWN: usize = 12;

/// So many packages with files that differ are shown.
const GROUPS: usize = 25;

/// A value that is longer is cut, in characters.
const WIDTH: usize = 40;

/// Where two images differ, as text. Ends with a newline.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let mut text = String::new();
    let _ = write_all(&mut text, comparison);
    text
}

/// Writing to a String does not fail.
fn write_all(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    for (name, image) in [("first", &comparison.old), ("second", &comparison.new)] {
        writeln!(
            out,
            "{name:<8}{}, {} bytes",
            image.path.display(),
            image.size
        )?;
    }
    let Some(first) = comparison.first_difference else {
        return writeln!(out, "the images are identical");
    };
    writeln!(out, "the images differ, from byte {first} on")?;
    for note in &comparison.notes {
        writeln!(out, "note: {note}")?;
    }
    write_packages(out, "packages", &comparison.packages)?;
    write_packages(out, "packages on the disc", &comparison.media_packages)?;
    if !comparison.volume.is_empty() {
        writeln!(out, "\nvolume ({})", comparison.volume.len())?;
        for difference in &comparison.volume {
            writeln!(out, "  {}", told(difference))?;
        }
    }
    for part in &comparison.parts {
        write_part(out, part)?;
    }
    Ok(())
}

fn write_packages(out: &mut String, title: &str, changes: &PackageChanges) -> std::fmt::Result {
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title} ({})", changes.len())?;
    let changed = changes
        .changed
        .iter()
        .map(|pair| match pair.old == pair.new {
            true => format!("  ~ {} was built again", pair.old),
            false => format!("  ~ {} -> {}", pair.old, pair.new),
        });
    let removed = changes.removed.iter().map(|name| format!("  - {name}"));
    let added = changes.added.iter().map(|name| format!("  + {name}"));
    let lines: Vec<String> = changed.chain(removed).chain(added).collect();
    write_some(out, &lines, GROUPS * SHOWN, "")
}

/// At most `limit` lines, and how many more there are.
fn write_some(out: &mut String, lines: &[String], limit: usize, indent: &str) -> std::fmt::Result {
    for line in lines.iter().take(limit) {
        writeln!(out, "{indent}{line}")?;
    }
    match lines.len().saturating_sub(limit) {
        0 => Ok(()),
        more => writeln!(out, "{indent}  ... and {more} more"),
    }
}

fn write_part(out: &mut String, part: &Part) -> std::fmt::Result {
    let place = part
        .path
        .as_deref()
        .map_or(String::new(), |path| format!(" {path}"));
    writeln!(out, "\n{}{place} ({})", part.part, part.files.len())?;
    let mut groups: BTreeMap<Option<&str>, Vec<&FileChange>> = BTreeMap::new();
    for file in &part.files {
        groups
            .entry(file.package.as_deref())
            .or_default()
            .push(file);
    }
    let named = groups.keys().any(Option::is_some);
    for (package, files) in groups.iter().take(GROUPS) {
        let lines: Vec<String> = files.iter().flat_map(|file| file_lines(file)).collect();
        if !named {
            return write_some(out, &lines, GROUPS * SHOWN, "");
        }
        let package = package.unwrap_or("of no package");
        writeln!(out, "  {package} ({})", files.len())?;
        write_some(out, &lines, SHOWN, "  ")?;
    }
    match groups.len().saturating_sub(GROUPS) {
        0 => Ok(()),
        more => {
            let files: usize = groups.values().skip(GROUPS).map(Vec::len).sum();
            writeln!(out, "  ... and {files} more files of {more} more packages")
        }
    }
}

/// A line for the file, and those of its text.
fn file_lines(file: &FileChange) -> Vec<String> {
    let sign = match file.fate {
        Fate::Added => '+',
        Fate::Removed => '-',
        Fate::Changed => '~',
    };
    let what: Vec<String> = file.differences.iter().map(told).collect();
    let mut lines = vec![match what.as_slice() {
        [] => format!("  {sign} {}", file.path),
        what => format!("  {sign} {}: {}", file.path, what.join(", ")),
    }];
    lines.extend(
        file.lines
            .iter()
            .take(SHOWN)
            .map(|line| format!("      {line}")),
    );
    let more = file.lines.len().saturating_sub(SHOWN);
    lines.extend((more > 0).then(|| format!("      ... and {more} more lines")));
    lines
}

fn told(difference: &Difference) -> String {
    let Difference { what, old, new } = difference;
    // A checksum tells nobody anything.
    if what.ends_with("content") || what.ends_with("boot code") {
        return what.clone();
    }
    let side = |side: &Option<String>| match side {
        None => "none".to_owned(),
        Some(value) if value.is_empty() => "empty".to_owned(),
        Some(value) if value.chars().count() > WIDTH && what.contains('.') => {
            let head: String = value.chars().take(WIDTH).collect();
            format!("{head}...")
        }
        Some(value) => value.clone(),
    };
    format!("{what} {} -> {}", side(old), side(new))
}

#[cfg(test)]
mod tests {
    use super::super::{ComparedImage, PackagePair};
    use super::*;

    fn comparison() -> Comparison {
        let image = |path: &str| ComparedImage {
            path: path.into(),
            size: 7,
        };
        Comparison {
            old: image("/i/a.iso"),
            new: image("/i/b.iso"),
            identical: true,
            first_difference: None,
            packages: PackageChanges::default(),
            media_packages: PackageChanges::default(),
            volume: Vec::new(),
            parts: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn difference(what: &str, old: &str, new: &str) -> Difference {
        Difference {
            what: what.to_owned(),
            old: Some(old.to_owned()),
            new: Some(new.to_owned()),
        }
    }

    #[test]
    fn identical_images_take_three_lines() {
        assert_eq!(
            render(&comparison()),
            "first   /i/a.iso, 7 bytes\nsecond  /i/b.iso, 7 bytes\nthe images are identical\n"
        );
    }

    #[test]
    fn packages_come_first_and_files_are_grouped_by_them() {
        let file = |path: String, package: Option<&str>| FileChange {
            path,
            fate: Fate::Changed,
            package: package.map(str::to_owned),
            differences: vec![
                difference("size", "1", "2"),
                difference("content", "ab", "cd"),
            ],
            lines: Vec::new(),
        };
        let of_bash =
            (0..SHOWN + 3).map(|n| file(format!("usr/bin/{n:02}"), Some("bash-2-1.noarch")));
        let mut different = comparison();
        different.identical = false;
        different.first_difference = Some(32768);
        different.packages.changed = vec![PackagePair {
            name: "bash".to_owned(),
            old: "bash-1-1.noarch".to_owned(),
            new: "bash-2-1.noarch".to_owned(),
        }];
        different.volume = vec![difference("volume label", "A", "B")];
        different.parts = vec![
            Part {
                part: "disc".to_owned(),
                path: None,
                files: vec![FileChange {
                    lines: vec!["-a".to_owned(), "+b".to_owned()],
                    ..file(".discinfo".to_owned(), None)
                }],
            },
            Part {
                part: "root image".to_owned(),
                path: Some("LiveOS/squashfs.img".to_owned()),
                files: of_bash
                    .chain([file("etc/issue".to_owned(), None)])
                    .collect(),
            },
        ];
        let text = render(&different);
        let (head, rest) = text.split_once("usr/bin/01").unwrap();
        assert_eq!(
            head,
            "first   /i/a.iso, 7 bytes\nsecond  /i/b.iso, 7 bytes\n\
             the images differ, from byte 32768 on\n\
             \npackages (1)\n  ~ bash-1-1.noarch -> bash-2-1.noarch\n\
             \nvolume (1)\n  volume label A -> B\n\
             \ndisc (1)\n  ~ .discinfo: size 1 -> 2, content\n      -a\n      +b\n\
             \nroot image LiveOS/squashfs.img (16)\n  of no package (1)\n    \
             ~ etc/issue: size 1 -> 2, content\n  bash-2-1.noarch (15)\n    \
             ~ usr/bin/00: size 1 -> 2, content\n    ~ "
        );
        assert!(rest.ends_with("    ... and 3 more\n"), "{rest}");
    }
}
