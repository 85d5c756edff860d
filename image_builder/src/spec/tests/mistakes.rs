//! Every spec of `tests/specs/bad` gives exactly the messages beside it.

use super::{repository, specs, updating};
use crate::spec::{BuildSpec, Format, LARGEST_SPEC, Override, SpecError};

#[test]
fn each_bad_spec_gives_its_messages() {
    let mut wrong = Vec::new();
    for path in specs("bad", &["conf", "toml", "json"]) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let found = match BuildSpec::parse(&text, Format::of_path(&path), name) {
            Ok(_) => "no mistake found\n".to_owned(),
            Err(error) => format!("{error}\n"),
        };
        let beside = path.with_file_name(format!("{}.expected", name.trim_end_matches(".conf")));
        if updating() {
            std::fs::write(&beside, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if found != expected || found.starts_with("no mistake") {
            wrong.push(format!("{name}:\nexpected\n{expected}found\n{found}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nUPDATE_EXPECTED=1 rewrites the expectations",
        wrong.join("\n")
    );
}

#[test]
fn each_expectation_has_its_spec() {
    for path in specs("bad", &["expected"]) {
        let spec = path.with_extension("");
        let with_conf = path.with_extension("conf");
        assert!(spec.exists() || with_conf.exists(), "{}", path.display());
    }
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.conf");

    let error = BuildSpec::load(&path).unwrap_err();
    assert!(matches!(error, SpecError::NotFound { .. }));
    let message = format!(
        "there is no spec {}; `fbs new` writes a sample",
        path.display()
    );
    assert_eq!(error.to_string(), message);
    assert!(error.mistakes().is_empty());

    let error = BuildSpec::load(folder.path()).unwrap_err();
    assert!(matches!(error, SpecError::IsFolder { .. }));

    let below_a_file = repository("Cargo.toml").join("x.conf");
    let error = BuildSpec::load(below_a_file).unwrap_err();
    assert!(matches!(error, SpecError::Unreadable { .. }));

    std::fs::write(&path, b"[DEFAULT]\ntype=boot\nemail=\xff\n").unwrap();
    let error = BuildSpec::load(&path).unwrap_err();
    assert!(
        matches!(
            error,
            SpecError::NotUtf8 {
                line: 3,
                offset: 26,
                ..
            }
        ),
        "{error}"
    );

    std::fs::write(
        &path,
        vec![b'#'; usize::try_from(LARGEST_SPEC).unwrap() + 1],
    )
    .unwrap();
    assert!(matches!(
        BuildSpec::load(&path).unwrap_err(),
        SpecError::TooLarge { .. }
    ));

    std::fs::write(&path, vec![b'#'; usize::try_from(LARGEST_SPEC).unwrap()]).unwrap();
    assert_eq!(BuildSpec::load(&path).unwrap_err().mistakes().len(), 2);
}

#[test]
fn mistakes_on_the_command_line() {
    let set = |texts: &[&str]| {
        let sets: Vec<Override> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let text = "[DEFAULT]\ntype=boot\nrelease=43\n";
        BuildSpec::parse_with(text, Format::Ini, "x.conf", &sets)
            .unwrap_err()
            .to_string()
    };
    for (text, message) in [
        (
            "boot.release=17x",
            "--set boot.release=17x: \"17x\" is not a release; expected a number such as 43, \"rawhide\" or \"eln\"",
        ),
        (
            "boot.updats=1",
            "--set boot.updats=1: unknown key; did you mean \"updates\"?",
        ),
        (
            "bot.updates=1",
            "--set bot.updates=1: unknown section; did you mean [boot]?",
        ),
        (
            "live.outdir=/x",
            "--set live.outdir=/x: no key of [live]; \"outdir\" belongs to [boot] or [DEFAULT]",
        ),
        (
            "nvr=--x",
            "--set nvr=--x: \"--x\" begins with \"-\"; options may not be given here",
        ),
        (
            "boot.product=a\nb",
            "--set boot.product=a\\nb: the value runs over several lines; write it on one line; an indented line continues the value above it",
        ),
        (
            "type=",
            "x.conf: [DEFAULT] type: must be given; expected boot, dvd or live",
        ),
    ] {
        assert_eq!(set(&[text]), message);
    }
}
