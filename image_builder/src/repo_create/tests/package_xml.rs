//! What repodata says of RPMs that have something special.

use rpm::{BuildConfig, Dependency, FileOptions, PackageBuilder};

use super::package;
use crate::repo_create::RpmFault;
use crate::repo_create::package_xml::{Listed, PackageReader, PackageXml};

/// The texts of the three elements of what `builder` builds, with a BEL, which it would refuse, in
/// place of the middle of each `~|~`.
fn xml(builder: &mut PackageBuilder) -> Result<[String; 3], RpmFault> {
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    for at in 0..bytes.len() - 2 {
        if bytes[at..].starts_with(b"~|~") {
            bytes[at + 1] = 7;
        }
    }
    let listed = Listed {
        href: "Packages/it's.rpm",
        size: bytes.len() as u64,
        time: 1_700_000_001,
        sha256: Some("5a"),
    };
    let mut xml = PackageXml::default();
    PackageReader::default()
        .read(&mut &*bytes, listed, &mut xml)
        .unwrap()?;
    Ok([xml.primary, xml.filelists, xml.other].map(|text| String::from_utf8(text).unwrap()))
}

/// The lines between `<rpm:LIST>` and its end, without what they all have.
fn entries(primary: &str, list: &str) -> Vec<String> {
    primary
        .lines()
        .skip_while(|line| line.trim() != format!("<rpm:{list}>"))
        .skip(1)
        .take_while(|line| line.trim() != format!("</rpm:{list}>"))
        .map(|line| line.trim().replace("<rpm:entry ", "").replace("/>", ""))
        .collect()
}

#[test]
fn of_what_it_requires_only_what_others_must_provide_is_told() {
    let mut builder = package("chosen", 100);
    for requires in [
        Dependency::rpmlib("CompressedFileNames", "3.0.4-1"),
        // Its own file: that in /usr/bin is known to whoever reads primary.xml.
        Dependency::any("/usr/bin/chosen"),
        Dependency::any("/usr/share/chosen/data"),
        Dependency::eq("virtual(thing)", "2:1~rc1"),
        Dependency::greater_eq("virtual(thing)", "2:1~rc1"),
        Dependency::eq("epoch", "one:1"),
        Dependency::eq("epoch", ":1-2-3"),
        Dependency::less("twice", "1"),
        Dependency::less("twice", "0:1"),
        Dependency::script_post("twice"),
        Dependency::any("libc.so.6(GLIBC_2.9)(64bit)"),
        Dependency::any("libc.so.6(GLIBC_2.38)(64bit)"),
        Dependency::any("libc.so.6(GLIBC_2.4)(64bit)"),
        Dependency::any("libc.so.6()(64bit)"),
        Dependency::any("zz <&> \"it's\""),
    ] {
        builder.requires(requires);
    }
    let [primary, ..] = xml(&mut builder).unwrap();
    let mut requires = entries(&primary, "requires");
    assert_eq!(
        requires.pop().unwrap(),
        "name=\"libc.so.6(GLIBC_2.38)(64bit)\""
    );
    requires.sort();
    assert_eq!(
        requires,
        [
            "name=\"/bin/sh\"",
            "name=\"/usr/share/chosen/data\"",
            "name=\"epoch\" flags=\"EQ\" epoch=\"0\" ver=\"1\" rel=\"2-3\"",
            "name=\"glibc\" flags=\"GE\" epoch=\"0\" ver=\"2.40\"",
            "name=\"twice\" flags=\"LT\" epoch=\"0\" ver=\"1\"",
            "name=\"twice\" pre=\"1\"",
            "name=\"virtual(thing)\" flags=\"GE\" epoch=\"2\" ver=\"1~rc1\"",
            "name=\"zz &lt;&amp;&gt; &quot;it&apos;s&quot;\"",
        ]
    );
}

#[test]
fn every_list_has_its_own_place() {
    let mut builder = package("lists", 100);
    builder
        .conflicts(Dependency::less_eq("a", "1"))
        .obsoletes(Dependency::greater("b", "2"))
        .suggests(Dependency::any("c"))
        .enhances(Dependency::any("d"))
        .recommends(Dependency::any("e"))
        .supplements(Dependency::any("f"));
    let [primary, ..] = xml(&mut builder).unwrap();
    for (list, entry) in [
        ("conflicts", "name=\"a\" flags=\"LE\" epoch=\"0\" ver=\"1\""),
        ("obsoletes", "name=\"b\" flags=\"GT\" epoch=\"0\" ver=\"2\""),
        ("suggests", "name=\"c\""),
        ("enhances", "name=\"d\""),
        ("recommends", "name=\"e\""),
        ("supplements", "name=\"f\""),
    ] {
        assert_eq!(entries(&primary, list), [entry], "{list}");
    }
}

#[test]
fn folders_and_ghosts_are_told_from_files() {
    let mut builder = package("kinds", 100);
    builder
        .with_dir_entry(FileOptions::dir("/etc/kinds.d"))
        .unwrap()
        .with_ghost(FileOptions::ghost("/var/log/kinds"))
        .unwrap();
    let [primary, filelists, _] = xml(&mut builder).unwrap();
    let files = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim);
        let mut files: Vec<_> = lines
            .filter(|it| it.starts_with("<file"))
            .map(str::to_owned)
            .collect();
        files.sort();
        files
    };
    assert_eq!(
        files(&filelists),
        [
            "<file type=\"dir\">/etc/kinds.d</file>",
            "<file type=\"ghost\">/var/log/kinds</file>",
            "<file>/usr/bin/kinds</file>",
            "<file>/usr/share/kinds/data</file>",
        ]
    );
    assert_eq!(
        files(&primary),
        [
            "<file type=\"dir\">/etc/kinds.d</file>",
            "<file>/usr/bin/kinds</file>",
        ]
    );
}

#[test]
fn the_ten_latest_changes_are_told_the_oldest_of_them_first() {
    let mut builder = PackageBuilder::new("changes", "1", "MIT", "noarch", "Often changed");
    builder.using_config(BuildConfig::v4());
    for number in (1..=12u32).rev() {
        builder.add_changelog_entry(
            format!(" Somebody <s@example.org> - {number}\t"),
            format!("- \"No\" & {number}~|~"),
            1_700_000_000 + number * 86_400,
        );
    }
    let [_, _, other] = xml(&mut builder).unwrap();
    let changes: Vec<_> = other
        .lines()
        .filter(|it| it.contains("<changelog"))
        .collect();
    assert_eq!(changes.len(), 10);
    let dates: Vec<_> = changes
        .iter()
        .map(|it| {
            it.split("date=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
        })
        .collect();
    assert!(dates.is_sorted(), "{dates:?}");
    assert_eq!(
        changes[9],
        format!(
            "  <changelog author=\"Somebody &lt;s@example.org&gt; - 12\" date=\"{}\">\
             - \"No\" &amp; 12~\u{fffd}~</changelog>",
            1_700_000_000 + 12 * 86_400
        )
    );
}

#[test]
fn prose_is_mended_and_names_are_not() {
    let mut builder = package("mended", 100);
    builder.description("a~|~b").vendor("c~|~d");
    let [primary, ..] = xml(&mut builder).unwrap();
    assert!(primary.contains("<description>a~\u{fffd}~b</description>"));
    assert!(primary.contains("<rpm:vendor>c~\u{fffd}~d</rpm:vendor>"));
    assert!(primary.contains("<location href=\"Packages/it&apos;s.rpm\"/>"));
    let mut builder = package("named", 100);
    let fault = xml(builder.provides(Dependency::any("e~|~f"))).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "its header cannot be read: a dependency has characters that no XML may have"
    );
}

#[test]
fn a_small_header_cannot_stand_for_a_long_list() {
    let mut builder = PackageBuilder::new("long", "1", "MIT", "noarch", "A name, many times");
    builder.using_config(BuildConfig::v4());
    let folder = "x".repeat(100_000);
    for number in 0..400 {
        let place = FileOptions::new(format!("/{folder}/{number}"));
        builder.with_file_contents("", place).unwrap();
    }
    let fault = xml(&mut builder).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "its header cannot be read: its folders have names of no sense"
    );
}
