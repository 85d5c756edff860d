//! Samples are specs, with and without their comments.

use super::ini;
use crate::spec::{Arch, ImageType, KEYS, Release, Section, sample};

#[test]
fn samples_have_no_mistakes() {
    for image_type in ImageType::ALL {
        for release in ["17", "30", "43", "rawhide", "eln"] {
            let release: Release = release.parse().unwrap();
            let text = sample(*image_type, &release, None, &[]);
            let spec = ini(&text);
            assert_eq!((spec.image_type(), spec.release()), (*image_type, &release));
            let spec = ini(&sample(
                *image_type,
                &release,
                Some(Arch::Aarch64),
                &["vim".parse().unwrap(), "@core".parse().unwrap()],
            ));
            assert_eq!(spec.common.arch, Some(Arch::Aarch64));

            // With every example set, too.
            let all: Vec<_> = text
                .lines()
                .map(|line| match line.strip_prefix('#') {
                    Some(rest) if !rest.starts_with(' ') => rest,
                    _ => line,
                })
                .collect();
            let spec = ini(&all.join("\n"));
            assert!(!spec.shared().nvr.is_empty());
        }
    }
}

#[test]
fn every_example_is_read_and_written() {
    for key in KEYS {
        for section in key.sections {
            let name = key.name_for("43");
            if ["type", "release"].contains(&key.name) {
                continue;
            }
            let text = format!(
                "[DEFAULT]\ntype=boot\nrelease=17\n[{section}]\n{name}={}\n",
                key.example
            );
            let text = match section {
                Section::Default => text
                    .replacen("[DEFAULT]\n", "", 1)
                    .replace("type", "[DEFAULT]\ntype")
                    .replacen("\n[DEFAULT]\n", "\n", 1),
                _ => text,
            };
            let written = ini(&text).to_ini();
            assert!(
                written.contains(&format!("{name}=")),
                "{name} is lost: {written}"
            );
        }
    }
}
