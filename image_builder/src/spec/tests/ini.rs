//! The INI format reads as Python's ConfigParser reads it, where rust-ini alone would not.

use std::process::Stdio;

use super::{ini, mistakes, specs};
use crate::spec::ini::read;

/// Section, key and value of each entry, as `section.key=value`.
fn entries(text: &str) -> Vec<String> {
    let document = read(text, "x");
    assert!(document.mistakes.is_empty(), "{:?}", document.mistakes);
    document
        .entries
        .iter()
        .map(|e| format!("{}.{}={}", e.section, e.key, e.value))
        .collect()
}

#[test]
fn as_configparser() {
    for (text, expected) in [
        (
            "[m]\nnvr=package1;packag2;",
            &["m.nvr=package1;packag2;"][..],
        ),
        (
            "[m]\nnvr=package1; package2 ;third",
            &["m.nvr=package1; package2 ;third"],
        ),
        ("[m]\na=value # comment", &["m.a=value # comment"]),
        (
            "[m]\na=http://x/?repo=fedora-17&arch=x86_64;a=blob",
            &["m.a=http://x/?repo=fedora-17&arch=x86_64;a=blob"],
        ),
        (
            "[m]\na: b\nurl: http://x:80/y\nc:d=e",
            &["m.a=b", "m.url=http://x:80/y", "m.c=d=e"],
        ),
        ("[m]\na='587'\nb=\"587\"", &["m.a=587", "m.b=587"]),
        (
            "[m]\nb='y' z\na='abc\nc=\"it's\"\nd=''",
            &["m.b='y' z", "m.a='abc", "m.c=it's", "m.d="],
        ),
        (
            "[m]\na=C:\\new \\x41 \\q \\xzz",
            &["m.a=C:\\new \\x41 \\q \\xzz"],
        ),
        ("[m]\na=pw\\\nb=2", &["m.a=pw\\", "m.b=2"]),
        ("[m]\na=pw\\\\\nb=2", &["m.a=pw\\\\", "m.b=2"]),
        ("[m] ; comment\na=1\n[n]# comment\na=2", &["m.a=1", "n.a=2"]),
        (
            "[m]\na=1\n  two\n\n  three\nb=2",
            &["m.a=1\ntwo\n\nthree", "m.b=2"],
        ),
        ("[m]\na=1\n  # comment\n  two=x", &["m.a=1\ntwo=x"]),
        ("[m]\n  a=1\n  b=2\n c=3", &["m.a=1", "m.b=2", "m.c=3"]),
        ("[m]\na=\n  1\n  2\n\n\n", &["m.a=1\n2"]),
        ("\u{feff}[m]\na=1", &["m.a=1"]),
        ("[m]\r\na=1\r\n  b\r\n", &["m.a=1\nb"]),
        ("# c\n  ; c\n[m]\n#a=1\na=2", &["m.a=2"]),
        ("[m]\na=\nb =  ", &["m.a=", "m.b="]),
        ("[m]\na b = c d", &["m.a b=c d"]),
        ("[m]\na==b\nc=:d", &["m.a==b", "m.c=:d"]),
        ("[m]\na=#1\nb=;\nc=[n]", &["m.a=#1", "m.b=;", "m.c=[n]"]),
    ] {
        assert_eq!(entries(text), expected, "{text:?}");
    }
}

#[test]
fn lines_are_counted() {
    let document = read("# one\n[m]\n\na=1\n  more\nb=2\n", "x");
    let lines: Vec<_> = document.entries.iter().map(|entry| entry.line).collect();
    assert_eq!(lines, [Some(4), Some(6)]);
    assert_eq!(document.heads[0].line, Some(2));
}

#[test]
fn no_text_makes_it_panic() {
    let alphabet = [
        "[", "]", "=", ":", ";", "#", "\\", "\n", " ", "a", "é", "%", "(", ")", "s", "'", "\"",
        "-", "\t", "\u{2028}", "\u{1}",
    ];
    // A small linear congruential generator: the same texts on every run.
    let mut state = 17_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 40).unwrap()
    };
    for _ in 0..1000 {
        let length = next() % 40;
        let text: String = (0..length)
            .map(|_| alphabet[next() % alphabet.len()])
            .collect();
        assert!(!mistakes(&text).is_empty());
        assert!(!mistakes(&format!("[DEFAULT]\n{text}")).is_empty());
    }
}

/// Compares with the real ConfigParser where python3 is installed.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test may ask the reference implementation"
)]
fn python_reads_the_good_specs_alike() {
    let script = "import configparser, json, sys\n\
        for name in sys.argv[1:]:\n\
        \x20   parser = configparser.ConfigParser(interpolation=None)\n\
        \x20   parser.read_string(open(name, encoding='utf-8-sig').read())\n\
        \x20   own = {s: dict(parser._sections[s]) for s in parser.sections()}\n\
        \x20   own['DEFAULT'] = dict(parser.defaults())\n\
        \x20   print(json.dumps(own))\n";
    let files = specs("good", &["conf"]);
    let output = std::process::Command::new("python3")
        .arg("-c")
        .arg(script)
        .args(&files)
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        eprintln!("python3 is not installed: the comparison with ConfigParser was left out");
        return;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (path, line) in files
        .iter()
        .zip(String::from_utf8(output.stdout).unwrap().lines())
    {
        let python: serde_json::Value = serde_json::from_str(line).unwrap();
        let document = read(&std::fs::read_to_string(path).unwrap(), "x");
        let count: usize = python
            .as_object()
            .unwrap()
            .values()
            .map(|s| s.as_object().unwrap().len())
            .sum();
        assert_eq!(document.entries.len(), count, "{}", path.display());
        for entry in document.entries {
            let theirs = python[&entry.section][entry.key.to_lowercase()]
                .as_str()
                .unwrap();
            let quoted = [format!("'{}'", entry.value), format!("\"{}\"", entry.value)];
            let alike = theirs.trim() == entry.value || quoted.iter().any(|text| text == theirs);
            assert!(
                alike,
                "{}: {} = {theirs:?}, not {:?}",
                path.display(),
                entry.key,
                entry.value
            );
        }
    }
}

#[test]
fn default_is_inherited() {
    let spec = ini(
        "[DEFAULT]\ntype=boot\nrelease=17\noutdir=/srv/x\nnvr=a-1-1\nupdates=1\n[boot]\nNVR=b-1-1\nupdates=\n",
    );
    let boot = spec.boot.as_ref().unwrap();
    assert_eq!(boot.outdir.as_deref(), Some(std::path::Path::new("/srv/x")));
    assert_eq!(boot.shared.nvr[0].name(), "b");
    assert_eq!(boot.shared.updates, None);
    assert_eq!(spec.common.shared.updates, Some(true));
    assert_eq!(boot.release.as_ref(), Some(spec.release()));
}
