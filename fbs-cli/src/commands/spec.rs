//! Reading the spec that a command line names.

use std::path::{Component, Path, PathBuf};

use image_builder::plan;
use image_builder::spec::{BuildSpec, ImageType, Mistake, Origin, Override, SpecError};

use crate::args::Overrides;
use crate::exit::{self, Exit};
use crate::output::tell;

/// The spec with what the command line sets.
pub(crate) fn load(conf: &Path, overrides: &Overrides) -> Result<BuildSpec, SpecError> {
    let spec = BuildSpec::load_with(conf, &given(overrides, ImageType::Boot)?)?;
    match spec.image_type() {
        ImageType::Boot => Ok(spec),
        // Only now it is known how the folders are called in it.
        image => BuildSpec::load_with(conf, &given(overrides, image)?),
    }
}

/// The same, and what of it no host could build is wrong with it as well.
pub(crate) fn load_whole(conf: &Path, overrides: &Overrides) -> Result<BuildSpec, SpecError> {
    let spec = load(conf, overrides)?;
    let given = given(overrides, spec.image_type())?;
    let found = plan::contradictions(&spec, &conf.to_string_lossy());
    let mut mistakes: Vec<Mistake> = found
        .into_iter()
        .map(|mistake| BuildSpec::locate(conf, &given, mistake))
        .collect();
    mistakes.sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
    match mistakes.is_empty() {
        true => Ok(spec),
        false => Err(SpecError::Invalid(mistakes)),
    }
}

/// Prints what is wrong with a spec, every mistake on a line of its own.
pub(crate) fn report(conf: &Path, error: &SpecError) -> Exit {
    match error.mistakes() {
        [] => exit::say(error),
        mistakes => {
            let count = match mistakes.len() {
                1 => "a mistake".to_owned(),
                n => format!("{n} mistakes"),
            };
            exit::say(format_args!("{} has {count}:", conf.display()));
            for mistake in mistakes {
                tell!("  {}", placed(conf, mistake));
            }
        }
    }
    Exit::Usage
}

/// A mistake that was found when the file was no longer at hand, with its place in it.
fn placed(conf: &Path, mistake: &Mistake) -> Mistake {
    match &mistake.origin {
        Origin::Text(name) if name == "spec" => BuildSpec::locate(conf, &[], mistake.clone()),
        _ => mistake.clone(),
    }
}

/// What the command line sets, for an image of this kind.
pub(super) fn given(args: &Overrides, image: ImageType) -> Result<Vec<Override>, SpecError> {
    let tree = match image {
        ImageType::Dvd => "destdir",
        ImageType::Boot | ImageType::Live => "outdir",
    };
    let work = match image {
        ImageType::Live => "tmpdir",
        ImageType::Boot | ImageType::Dvd => "workdir",
    };
    let folder = |option, path: &Option<PathBuf>| {
        let value = path.as_deref().map(|path| folder(option, path));
        value.transpose()
    };
    let words = [
        ("release", args.release.clone()),
        ("backend", args.backend.clone()),
        ("boot_test", args.boot_test.clone()),
        ("staging", staging(&args.staging)?),
        (tree, folder("--outdir", &args.outdir)?),
        (work, folder("--workdir", &args.workdir)?),
        ("koji_hub", args.koji.koji_hub.clone()),
        ("koji_files", args.koji.koji_files.clone()),
    ];
    let given = words
        .into_iter()
        .filter_map(|(key, value)| Some(Override::new(key, value?)));
    Ok(args.set.iter().cloned().chain(given).collect())
}

fn staging(places: &[PathBuf]) -> Result<Option<String>, SpecError> {
    let places = places.iter().map(|place| {
        let address = address(place)?;
        // What was written as an address may refer to other keys, as in a spec; a folder is taken by its name.
        Ok(match is_url(place) {
            true => address,
            false => literal(&address),
        })
    });
    let places = places.collect::<Result<Vec<_>, SpecError>>()?;
    Ok((!places.is_empty()).then(|| places.join(";")))
}

/// Whether a place of the command line is written with a scheme.
fn is_url(place: &Path) -> bool {
    let scheme = place
        .to_str()
        .and_then(|text| Some(text.split_once("://")?.0));
    scheme.is_some_and(|scheme| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
    })
}

/// A staging place of the command line as an address: what is no URL is that very folder.
pub(super) fn address(place: &Path) -> Result<String, SpecError> {
    if is_url(place) {
        return Ok(place.to_string_lossy().into_owned());
    }
    let folder = absolute("--staging", place)?;
    // In a list these would end the item, or be taken off its end.
    let special = |c: char| c == ';' || c.is_control();
    if !folder.contains(special) && !folder.ends_with(char::is_whitespace) {
        return Ok(folder);
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let mut url = "file://".to_owned();
    for byte in folder.bytes() {
        match plain(byte) {
            true => url.push(char::from(byte)),
            false => url.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(url)
}

/// A folder of the command line as the value of a key.
fn folder(option: &str, path: &Path) -> Result<String, SpecError> {
    let mut folder = absolute(option, path)?;
    if folder.ends_with(char::is_whitespace) {
        // Blanks at the end of a value are not taken for a part of it.
        folder.push('/');
    }
    Ok(literal(&folder))
}

/// A text as the value of a key, in which `%(...)s` would stand for another.
fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

/// On the command line a path counts from the current folder; in a spec, from the spec's. What
/// climbs out of the current folder is resolved here: a spec may not do that.
fn absolute(option: &str, path: &Path) -> Result<String, SpecError> {
    let wrong = |problem: String, hint: &str| {
        SpecError::Invalid(vec![Mistake {
            origin: Origin::Text(format!("{option} {path:?}")),
            line: None,
            section: None,
            key: None,
            problem,
            hint: Some(hint.to_owned()),
        }])
    };
    let mut resolved = match path.is_absolute() {
        true => PathBuf::new(),
        false => std::env::current_dir().map_err(|error| {
            let problem = format!("it counts from the current folder, and that is gone: {error}");
            wrong(problem, "go to one that is there, or write the whole path")
        })?,
    };
    for part in path.components() {
        match part {
            Component::ParentDir => {
                resolved = resolved.canonicalize().unwrap_or(resolved);
                resolved.pop();
            }
            Component::CurDir => {}
            // An absolute path starts anew.
            part => resolved.push(part),
        }
    }
    let whole = resolved.into_os_string().into_string();
    whole.map_err(|_| {
        wrong(
            "the name is not UTF-8, and a spec has to be".to_owned(),
            "name another folder",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use clap::Parser;
    use image_builder::spec::{Address, Format};

    use super::*;
    use crate::args::{Args, Command};

    fn overrides(words: &[&OsStr]) -> Overrides {
        let line = ["fbs", "plan", "a.conf"].map(OsStr::new);
        let args = Args::try_parse_from(line.iter().chain(words)).unwrap();
        match args.command {
            Command::Plan(plan) => plan.spec.overrides,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_folder_of_the_command_line_is_that_very_folder() {
        let text = "[DEFAULT]\ntype = boot\nrelease = 43\n";
        for name in [
            "im;ages",
            "%(release)s",
            "100%",
            "%20",
            "blank ",
            "a b",
            "'q'",
            "ä",
            "x:",
            "-x",
        ] {
            let path = Path::new("/srv").join(name);
            let words = ["--staging", "--outdir", "--workdir"];
            let words: Vec<&OsStr> = words
                .iter()
                .flat_map(|option| [OsStr::new(option), path.as_os_str()])
                .collect();
            let given = given(&overrides(&words), ImageType::Boot).unwrap();
            let spec = BuildSpec::parse_with(text, Format::Ini, "a.conf", &given).unwrap();
            let boot = spec.boot_or_default();
            assert_eq!(boot.outdir.as_deref(), Some(&*path), "{name}");
            assert_eq!(boot.workdir.as_deref(), Some(&*path), "{name}");
            let staging: Vec<_> = spec.common.staging.iter().map(Address::path).collect();
            assert_eq!(staging, [Some(path.clone())], "{name}");
            let address: Address = address(&path).unwrap().parse().unwrap();
            assert_eq!(address.path(), Some(path), "{name}");
        }
        let url = ["--staging", "ftp://host/%(release)s"].map(OsStr::new);
        let given = given(&overrides(&url), ImageType::Boot).unwrap();
        let spec = BuildSpec::parse_with(text, Format::Ini, "a.conf", &given).unwrap();
        assert_eq!(spec.common.staging[0].as_written(), "ftp://host/43");
    }

    #[test]
    fn a_name_that_no_spec_can_hold_is_refused() {
        let name = OsStr::from_bytes(b"/srv/nu\xff");
        for option in ["--staging", "--outdir", "--workdir"] {
            let words = [OsStr::new(option), name];
            let error = given(&overrides(&words), ImageType::Live).unwrap_err();
            let expected = format!(
                "{option} \"/srv/nu\\xFF\": the name is not UTF-8, and a spec has to be; name another folder"
            );
            assert_eq!(error.to_string(), expected);
        }
    }
}
