//! Commented sample specs, from the key table.

use std::fmt::Write as _;

use super::arch::Arch;
use super::choice::ImageType;
use super::keys::{KEYS, Key, Kind, Section};
use super::package::Package;
use super::release::Release;

/// A commented INI spec for one kind of image that has no mistakes: type, release and, if given,
/// arch and packages are set; every other key stands in a comment with its default and an example.
pub fn sample(
    image_type: ImageType,
    release: &Release,
    arch: Option<Arch>,
    packages: &[Package],
) -> String {
    let own = match image_type {
        ImageType::Boot => Section::Boot,
        ImageType::Dvd => Section::Dvd,
        ImageType::Live => Section::Live,
    };
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "# Build spec: {} of Fedora {release}.\n\
         #\n\
         # Only type and release must be given. Take the \"#\" away in front of a key to set it.\n\
         # Lists are separated by \";\". A comment stands on a line of its own.\n\
         \n\
         # Holds for all sections; any of their keys may stand here, too.\n\
         [DEFAULT]\n",
        described(image_type)
    );
    for key in KEYS
        .iter()
        .filter(|key| key.sections.contains(&Section::Default))
    {
        match (key.kind, arch) {
            (Kind::Type, _) => set(&mut out, key, image_type.as_str()),
            (Kind::Release, _) => set(&mut out, key, &release.to_string()),
            (Kind::Arch, Some(arch)) => set(&mut out, key, arch.as_str()),
            _ => commented(&mut out, key, release),
        }
    }
    let _ = write!(out, "\n[{own}]\n");
    let packages: Vec<&str> = packages.iter().map(Package::as_str).collect();
    // What is set in [DEFAULT] already is left out.
    for key in KEYS
        .iter()
        .filter(|key| key.sections.contains(&own) && !key.sections.contains(&Section::Default))
    {
        match key.kind {
            Kind::Packages if !packages.is_empty() => set(&mut out, key, &packages.join(";")),
            _ => commented(&mut out, key, release),
        }
    }
    out
}

fn described(image_type: ImageType) -> &'static str {
    match image_type {
        ImageType::Boot => "a network install ISO",
        ImageType::Dvd => "an install DVD",
        ImageType::Live => "a live image",
    }
}

fn set(out: &mut String, key: &Key, value: &str) {
    let _ = write!(
        out,
        "\n# {}: {}.\n{}={value}\n",
        key.meaning,
        key.kind.describe().replace('`', ""),
        key.name
    );
}

fn commented(out: &mut String, key: &Key, release: &Release) {
    let name = key.name_for(&release.to_string());
    let example = for_release(key, release);
    let _ = write!(
        out,
        "\n# {}. Default: {}.\n#{name}={example}\n",
        key.meaning, key.default
    );
}

/// The example of a key, written for release 43, for another one.
fn for_release(key: &Key, release: &Release) -> String {
    if let Some(url) = Key::repository_default(&key.name_for(&release.to_string())) {
        return url;
    }
    match key.kind {
        Kind::Nvrs | Kind::BuildIds => key.example.to_owned(),
        _ => key.example.replace("43", &release.to_string()),
    }
}
