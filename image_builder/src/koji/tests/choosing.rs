//! Which RPMs are taken, and which builds are refused.

use ::hub::{Hub, record};

use super::*;
use crate::error::{ErrorKind, StageError};
use crate::spec::{Arch, Release};

const FILES: &str = "https://files.example/";

fn x86_64() -> ChooseOptions {
    ChooseOptions::new(Arch::X86_64)
}

async fn found(hub: &Hub, asked: &[BuildRef]) -> Vec<Candidate> {
    look_up(&client(hub), asked).await.unwrap()
}

async fn chosen(asked: &[BuildRef], options: &ChooseOptions) -> Result<Choice, ChooseError> {
    let hub = Hub::of_captures().unwrap();
    choose(&found(&hub, asked).await, options, &FILES.parse().unwrap())
}

fn names(choice: &Choice) -> Vec<&str> {
    choice
        .rpms
        .iter()
        .map(|rpm| rpm.file_name.as_str())
        .collect()
}

#[tokio::test]
async fn neither_source_nor_debug_information() {
    let choice = chosen(&[nvr("hello-world-tools-2.0-3.fc43")], &x86_64())
        .await
        .unwrap();
    let mut rpms = names(&choice);
    rpms.sort_unstable();
    assert_eq!(
        rpms,
        [
            "hello-world-tools-2.0-3.fc43.x86_64.rpm",
            "hello-world-tools-devel-2.0-3.fc43.x86_64.rpm",
            "hello-world-tools-doc-2.0-3.fc43.noarch.rpm",
            "hello-world-tools-libs-2.0-3.fc43.x86_64.rpm",
        ]
    );
    assert_eq!(choice.builds.len(), 1);
    assert!(choice.warnings.is_empty());
    assert_eq!(
        choice.size(),
        choice.rpms.iter().map(|rpm| rpm.rpm.size).sum::<u64>()
    );
}

#[tokio::test]
async fn multilib_and_other_architectures() {
    let hello = [nvr("hello-world-tools-2.0-3.fc43")];
    let multilib = ChooseOptions {
        multilib: true,
        ..x86_64()
    };
    assert_eq!(chosen(&hello, &multilib).await.unwrap().rpms.len(), 7);
    let i686 = ChooseOptions::new(Arch::I686);
    assert_eq!(chosen(&hello, &i686).await.unwrap().rpms.len(), 4);
    // On aarch64 there is the noarch subpackage only, and that is enough.
    let aarch64 = ChooseOptions {
        multilib: true,
        ..ChooseOptions::new(Arch::Aarch64)
    };
    assert_eq!(chosen(&hello, &aarch64).await.unwrap().rpms.len(), 1);
}

#[tokio::test]
async fn addresses() {
    let options = ChooseOptions {
        signed_by: vec!["7D0245A7".parse().unwrap()],
        ..x86_64()
    };
    let asked = [id(2_750_011), id(2_750_016)];
    let choice = chosen(&asked, &options).await.unwrap();
    let last: Vec<_> = choice.rpms.iter().map(|rpm| rpm.urls[1].as_str()).collect();
    assert_eq!(
        last,
        [
            "https://files.example/packages/draft-pkg/0.1/1.fc43,draft_2750011/noarch/\
             draft-pkg-0.1-1.fc43.noarch.rpm",
            "https://files.example/packages/subver-pkg/5.42.0/521.fc43/noarch/\
             perl-Subver-Module-1.82-7.fc43.noarch.rpm",
            "https://files.example/packages/subver-pkg/5.42.0/521.fc43/noarch/\
             subver-pkg-5.42.0-521.fc43.noarch.rpm",
        ]
    );
    assert_eq!(
        choice.rpms[0].urls[0].as_str(),
        "https://files.example/packages/draft-pkg/0.1/1.fc43,draft_2750011/data/signed/7d0245a7/\
         noarch/draft-pkg-0.1-1.fc43.noarch.rpm"
    );
}

#[tokio::test]
async fn all_wrong_builds_are_named_at_once() {
    let asked = [
        nvr("hello-world-tools-2.0-3.fc43"),
        nvr("no-such-pkg-1.0-1.fc43"),
        id(999),
        nvr("building-pkg-0.1-1.fc43"),
        id(2_750_013),
        nvr("canceled-pkg-0.1-1.fc43"),
        nvr("deleted-pkg-0.1-1.fc43"),
        nvr("hello-world-tools-1.9-1.fc43"),
    ];
    let error = chosen(&asked, &x86_64()).await.unwrap_err();
    assert_eq!(error.wrong.len(), 7);
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(!error.is_transient());
    let tasks = regex::Regex::new(r" \(task \d+\)").unwrap();
    assert_eq!(
        tasks.replace_all(&error.to_string(), ""),
        "7 builds cannot be used:\n  \
         no-such-pkg-1.0-1.fc43 is not known to the hub\n  \
         build 999 is not known to the hub\n  \
         building-pkg-0.1-1.fc43 is still being built\n  \
         failed-pkg-0.1-1.fc43 (build 2750013) failed to build\n  \
         canceled-pkg-0.1-1.fc43 was cancelled before it was done\n  \
         deleted-pkg-0.1-1.fc43 was deleted; its files are gone\n  \
         hello-world-tools-1.9-1.fc43 is a second build of its package, beside \
         hello-world-tools-2.0-3.fc43; leave one of them out"
    );
}

#[tokio::test]
async fn a_build_that_is_not_done_may_be_later() {
    let error = chosen(&[nvr("building-pkg-0.1-1.fc43")], &x86_64())
        .await
        .unwrap_err();
    assert!(error.is_transient());
    assert_eq!(error.hint().unwrap(), "try again when it is done");
}

#[tokio::test]
async fn two_builds_of_a_package_if_they_are_wanted() {
    let both = [
        nvr("hello-world-tools-2.0-3.fc43"),
        nvr("hello-world-tools-1.9-1.fc43"),
    ];
    let options = ChooseOptions {
        allow_two_builds_of_one_package: true,
        ..x86_64()
    };
    assert_eq!(chosen(&both, &options).await.unwrap().rpms.len(), 8);
    // By name and by number it is one build.
    let same = [nvr("hello-world-tools-2.0-3.fc43"), id(2_750_002)];
    assert_eq!(chosen(&same, &x86_64()).await.unwrap().rpms.len(), 4);
}

#[tokio::test]
async fn no_rpm_for_the_architecture() {
    let hub = Hub::empty().unwrap();
    hub.insert_build(record::build(1, "a", "1", "1.fc43"));
    for (rpm, name, arch) in [
        (1, "a", "s390x"),
        (2, "a", "src"),
        (3, "a-debuginfo", "x86_64"),
    ] {
        hub.insert_rpm(record::rpm(rpm, 1, name, "1", "1.fc43", arch));
    }
    hub.insert_build(record::build(2, "b", "1", "1.fc43"));
    let found = found(&hub, &[id(1), id(2)]).await;
    let error = choose(&found, &x86_64(), &FILES.parse().unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "2 builds cannot be used:\n  \
         a-1-1.fc43 (build 1) has no RPM to install for x86_64, only for s390x, src\n  \
         b-1-1.fc43 (build 2) has no RPM to install for x86_64, nor for anything else"
    );
}

#[tokio::test]
async fn debug_information_under_all_its_names() {
    let hub = Hub::empty().unwrap();
    hub.insert_build(record::build(1, "kernel", "6.18", "1.fc43"));
    let names = [
        "kernel",
        "kernel-debug",
        "kernel-debuginfo",
        "kernel-debugsource",
        "kernel-debuginfo-common-x86_64",
        "kernel-debug-debuginfo",
    ];
    for (rpm, name) in (1..).zip(names) {
        hub.insert_rpm(record::rpm(rpm, 1, name, "6.18", "1.fc43", "x86_64"));
    }
    let mut empty = record::rpm(9, 1, "kernel-meta", "6.18", "1.fc43", "x86_64");
    empty["metadata_only"] = true.into();
    hub.insert_rpm(empty);
    let found = found(&hub, &[id(1)]).await;
    let choice = choose(&found, &x86_64(), &FILES.parse().unwrap()).unwrap();
    assert_eq!(
        self::names(&choice),
        [
            "kernel-6.18-1.fc43.x86_64.rpm",
            "kernel-debug-6.18-1.fc43.x86_64.rpm"
        ]
    );
}

#[tokio::test]
async fn hostile_names_are_refused() {
    for (key, text) in [
        ("name", "../../../etc/cron.d/x"),
        ("name", "/etc/passwd"),
        ("name", "a\nb"),
        ("name", "a\0b"),
        ("name", "-rf"),
        ("name", ""),
        ("version", "1/../../2"),
        ("release", ".."),
        ("payloadhash", "nonsense"),
        ("payloadhash", ""),
        (
            "payloadhash",
            "sha1::0123456789012345678901234567890123456789",
        ),
    ] {
        let hub = Hub::empty().unwrap();
        hub.insert_build(record::build(1, "a", "1", "1.fc43"));
        let mut rpm = record::rpm(1, 1, "a", "1", "1.fc43", "noarch");
        rpm[key] = text.into();
        hub.insert_rpm(rpm);
        let found = found(&hub, &[id(1)]).await;
        let error = choose(&found, &x86_64(), &FILES.parse().unwrap()).unwrap_err();
        assert!(
            matches!(error.wrong[0].wrong, Wrong::Unfit { .. }),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::Network);
        assert!(!error.to_string().contains(['\n', '\0']), "{error}");
    }
    for (key, text) in [
        ("name", "../x"),
        ("version", "1\n2"),
        ("release", "1,draft_../x"),
        ("volume_name", "../../x"),
        ("volume_name", ""),
    ] {
        let hub = Hub::empty().unwrap();
        let mut build = record::build(1, "a", "1", "1.fc43");
        build[key] = text.into();
        hub.insert_build(build);
        hub.insert_rpm(record::rpm(1, 1, "a", "1", "1.fc43", "noarch"));
        let found = found(&hub, &[id(1)]).await;
        let error = choose(&found, &x86_64(), &FILES.parse().unwrap()).unwrap_err();
        assert!(
            matches!(error.wrong[0].wrong, Wrong::Unfit { .. }),
            "{error}"
        );
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_two_builds_have() {
    let hub = Hub::empty().unwrap();
    hub.insert_build(record::build(1, "a", "1", "1.fc43"));
    hub.insert_build(record::build(2, "a", "1", "1.fc43,draft_2"));
    let first = record::rpm(1, 1, "a", "1", "1.fc43", "noarch");
    let mut second = record::rpm(2, 2, "a", "1", "1.fc43", "noarch");
    hub.insert_rpm(first.clone());
    hub.insert_rpm(second.clone());
    let options = ChooseOptions {
        allow_two_builds_of_one_package: true,
        ..x86_64()
    };
    let files = FILES.parse().unwrap();
    let error = choose(&found(&hub, &[id(1), id(2)]).await, &options, &files).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a-1-1.fc43,draft_2 (build 2) has another a-1-1.fc43.noarch.rpm than a-1-1.fc43; \
         leave one of them out"
    );
    // The very same file is taken once.
    second["payloadhash"] = first["payloadhash"].clone();
    second["id"] = 3.into();
    second["build_id"] = 4.into();
    hub.insert_build(record::build(4, "a", "1", "1.fc43,draft_4"));
    hub.insert_rpm(second);
    let choice = choose(&found(&hub, &[id(1), id(4)]).await, &options, &files).unwrap();
    assert_eq!((choice.builds.len(), choice.rpms.len()), (2, 1));
}

#[tokio::test]
async fn builds_for_another_release_are_warned_of() {
    let hub = Hub::empty().unwrap();
    let releases = [
        "1.fc43",
        "1.fc42",
        "0.2.rc1.fc430",
        "1",
        "3.fc43.1",
        "1.el10_1",
        "2.eln150",
        "1.fc43,draft_8",
    ];
    let asked: Vec<_> = (1..)
        .zip(releases)
        .map(|(number, release)| {
            let name = format!("p{number}");
            hub.insert_build(record::build(number, &name, "1", release));
            let plain = release.split(',').next().unwrap();
            hub.insert_rpm(record::rpm(number, number, &name, "1", plain, "noarch"));
            id(number)
        })
        .collect();
    let found = found(&hub, &asked).await;
    for (release, warned) in [
        (Some(Release::Number(43)), vec!["p2", "p3", "p6", "p7"]),
        (Some(Release::Rawhide), vec!["p6", "p7"]),
        (Some(Release::Eln), vec!["p1", "p2", "p3", "p5", "p6", "p8"]),
        (None, vec![]),
    ] {
        let options = ChooseOptions {
            release,
            ..x86_64()
        };
        let choice = choose(&found, &options, &FILES.parse().unwrap()).unwrap();
        let builds: Vec<_> = choice
            .warnings
            .iter()
            .map(|ChooseWarning::OtherRelease { build, .. }| build.split('-').next().unwrap())
            .collect();
        assert_eq!(builds, warned);
    }
    let options = ChooseOptions {
        release: Some(Release::Number(43)),
        ..x86_64()
    };
    let choice = choose(&found, &options, &FILES.parse().unwrap()).unwrap();
    assert_eq!(
        choice.warnings[0].to_string(),
        "p2-1-1.fc42 is a build for fc42, and the image is of release 43"
    );
}
