//! The three formats say the same.

use super::{ini, specs};
use crate::spec::{BuildSpec, Format, Package, RepositoryId, Section};

fn load(path: &std::path::Path) -> BuildSpec {
    let text = std::fs::read_to_string(path).unwrap();
    BuildSpec::parse(&text, Format::of_path(path), "good")
        .unwrap_or_else(|error| panic!("{}\n{error}", path.display()))
}

#[test]
fn toml_and_json_equal_the_ini_beside_them() {
    for path in specs("good", &["toml", "json"]) {
        assert_eq!(
            load(&path),
            load(&path.with_extension("conf")),
            "{}",
            path.display()
        );
    }
}

#[test]
fn good_specs_round_trip_through_every_format() {
    for path in specs("good", &["conf", "toml", "json"]) {
        let spec = load(&path);
        let again = |text: &str, format| {
            BuildSpec::parse(text, format, "again")
                .unwrap_or_else(|error| panic!("{error}\n{text}"))
        };
        assert_eq!(
            again(&spec.to_ini(), Format::Ini),
            spec,
            "{}",
            spec.to_ini()
        );
        let json = serde_json::to_string_pretty(&spec).unwrap();
        assert_eq!(again(&json, Format::Json), spec, "{json}");
        assert_eq!(serde_json::from_str::<BuildSpec>(&json).unwrap(), spec);
        let value = serde_json::to_value(&spec).unwrap();
        assert_eq!(serde_json::from_value::<BuildSpec>(value).unwrap(), spec);
        let toml = toml::to_string(&spec).unwrap();
        assert_eq!(again(&toml, Format::Toml), spec, "{toml}");
        assert_eq!(toml::from_str::<BuildSpec>(&toml).unwrap(), spec);
    }
}

#[test]
fn odd_values_survive() {
    let path = super::repository("tests/specs/good/boot.conf");
    let spec = load(&path);
    let boot = spec.boot.as_ref().unwrap();
    assert_eq!(
        boot.product.as_deref(),
        Some("Fedora & \"Friends\"; 100% = all")
    );
    let id: RepositoryId = "17".parse().unwrap();
    assert_eq!(
        spec.shared().repositories[&id]
            .url
            .as_ref()
            .unwrap()
            .as_written(),
        "http://mirror.example.org/fedora/releases/17/Everything/x86_64/os/?repo=fedora-17&arch=x86_64;a=b%20c"
    );
    assert_eq!(spec.shared().repositories.len(), 5);
    assert_eq!(
        spec.shared().proxy.as_ref().unwrap().as_written(),
        "http://me:p;w=d@proxy.example.org:3128"
    );
    assert!(!format!("{spec:?}").contains("p;w=d"));

    let live = load(&super::repository("tests/specs/good/live.conf"));
    let live = live.live.as_ref().unwrap();
    assert_eq!(
        live.title.as_deref(),
        Some("Fedora 17 \"Beefy Miracle\" = 100%")
    );
    assert_eq!(live.label.as_deref(), Some("Fedora-17-Live"));
    assert_eq!(live.shared.nvr.len(), 3);
}

#[test]
fn percent_signs_round_trip() {
    for title in [
        "%",
        "100%",
        "%%",
        "%(a)s",
        "%%(a)s",
        "a%20b",
        "%%%",
        "%(",
        "'x",
        "x\\",
        "#1",
        "[x]",
        "a = b : c ; d",
    ] {
        let json = serde_json::json!({
            "DEFAULT": {"type": "live", "release": 43},
            "live": {"title": title.replace('%', "%%")},
        });
        let spec: BuildSpec = serde_json::from_value(json).unwrap();
        assert_eq!(spec.live.as_ref().unwrap().title.as_deref(), Some(title));
        assert_eq!(ini(&spec.to_ini()), spec);
        assert_eq!(
            serde_json::from_value::<BuildSpec>(serde_json::to_value(&spec).unwrap()).unwrap(),
            spec
        );
    }
}

#[test]
fn serde_reports_every_mistake() {
    let json = r#"{"DEFAULT": {"type": "bot", "release": 0}, "boot": {"updats": true}}"#;
    let error = serde_json::from_str::<BuildSpec>(json)
        .unwrap_err()
        .to_string();
    assert_eq!(error.lines().count(), 3, "{error}");
    assert!(
        error
            .contains("spec: [DEFAULT] type: \"bot\" is not an image type; did you mean \"boot\"?")
    );
}

#[test]
fn what_a_section_takes_away_stays_away() {
    let spec = ini(
        "[DEFAULT]\ntype=boot\nrelease=43\nbackend=lorax\npackages=vim\n[boot]\nrelease=\nbackend=\n[dvd]\n",
    );
    assert_eq!(spec.shared().backend, None);
    assert_eq!(spec.boot.as_ref().unwrap().release, None);
    assert_eq!(
        spec.dvd.as_ref().unwrap().shared.backend.unwrap().as_str(),
        "lorax"
    );
    assert_eq!(
        spec.to_ini(),
        "[DEFAULT]\ntype=boot\nrelease=43\npackages=vim;\nbackend=lorax\n\n[boot]\nrelease=\nbackend=\n\n[dvd]\n"
    );
    assert_eq!(ini(&spec.to_ini()), spec);
    assert_eq!(spec.shared().packages, ["vim".parse::<Package>().unwrap()]);
    assert_eq!(Section::find("dvd"), Some(Section::Dvd));
}
