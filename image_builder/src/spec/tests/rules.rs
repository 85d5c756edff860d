//! What holds for values wherever they are written.

use super::{ini, mistakes};
use crate::spec::{Arch, BuildSpec, Format, Override, Release, Stage};

#[test]
fn the_least_spec() {
    let spec = ini("[DEFAULT]\ntype=dvd\nrelease=43\n");
    assert!(spec.dvd.is_some() && spec.boot.is_none() && spec.live.is_none());
    assert_eq!(*spec.dvd_or_default(), Default::default());
    assert_eq!(spec.common.arch, None);
    assert_eq!(*spec.live_or_default(), Default::default());
    assert_eq!(spec.boot_or_default().release, Some(Release::Number(43)));
    assert_eq!(spec.package_release(), &Release::Number(43));
}

#[test]
fn overrides_win() {
    let text = "[DEFAULT]\ntype=boot\nrelease=17\nnvr=a-1-1\n[boot]\nrelease=17\nnvr=b-1-1\nproduct=%(version)s\nversion=1\n";
    let with = |texts: &[&str]| {
        let sets: Vec<Override> = texts.iter().map(|text| text.parse().unwrap()).collect();
        BuildSpec::parse_with(text, Format::Ini, "x", &sets).unwrap()
    };
    let spec = with(&["release=43"]);
    assert_eq!(
        spec.boot.as_ref().unwrap().release,
        Some(Release::Number(43))
    );
    assert_eq!(spec.release(), &Release::Number(43));
    let spec = with(&["boot.release=16", "nvr="]);
    assert_eq!(spec.package_release(), &Release::Number(16));
    assert_eq!(spec.release(), &Release::Number(17));
    assert!(spec.shared().nvr.is_empty());
    let spec = with(&[
        "boot.version=2",
        "boot.version=3",
        "type=live",
        "live.label=X",
    ]);
    assert_eq!(spec.boot.as_ref().unwrap().product.as_deref(), Some("3"));
    assert_eq!(spec.live.as_ref().unwrap().label.as_deref(), Some("X"));
}

#[test]
fn i686() {
    for (release, fits) in [
        ("30", true),
        ("17", true),
        ("31", false),
        ("rawhide", false),
    ] {
        let text = format!("[DEFAULT]\ntype=boot\narch=i686\nrelease={release}\n");
        assert_eq!(
            BuildSpec::parse(&text, Format::Ini, "x").is_ok(),
            fits,
            "{release}"
        );
    }
    assert_eq!(
        ini("[DEFAULT]\ntype=boot\narch=i386\nrelease=17\n")
            .common
            .arch,
        Some(Arch::I686)
    );
}

#[test]
fn values_that_grow_without_end_are_refused() {
    let mut text = "[DEFAULT]\ntype=boot\nrelease=43\n[boot]\n".to_owned();
    let keys = [
        "product", "version", "outdir", "workdir", "proxy", "gpgkey", "backend", "rootfs",
    ];
    for pair in keys.windows(2) {
        let again = format!("%({})s", pair[1]).repeat(40);
        text += &format!("{}={again}\n", pair[0]);
    }
    text += &format!("rootfs={}\n", "x".repeat(1000));
    assert!(mistakes(&text).contains("the value gets longer than 64 KiB"));
}

#[test]
fn stages_and_paths() {
    let spec = ini("[DEFAULT]\ntype=dvd\nrelease=43\n[dvd]\nstage=-G -C\nconfig=ks/a.ks\n");
    let dvd = spec.dvd_or_default();
    assert!(dvd.stage.as_ref().unwrap().contains(Stage::CreateRepo));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.conf");
    std::fs::write(&path, spec.to_ini()).unwrap();
    let loaded = BuildSpec::load(&path).unwrap();
    let config = loaded
        .dvd_or_default()
        .config
        .as_ref()
        .unwrap()
        .path()
        .unwrap();
    assert_eq!(loaded.resolve(&config), folder.path().join("ks/a.ks"));
    assert_eq!(loaded.base_dir.as_deref(), Some(folder.path()));
}

#[test]
fn a_large_text_of_mistakes_is_judged_in_time() {
    let started = std::time::Instant::now();
    let line = "wallpapr=%(x)s\n";
    let text = format!("[DEFAULT]\n{}", line.repeat(1024 * 1024 / line.len() - 1));
    assert!(mistakes(&text).lines().count() > 60_000);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
