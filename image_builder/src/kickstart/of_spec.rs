//! The kickstart that a spec asks for.

use std::path::Path;

use super::document::Kickstart;
use super::error::KickstartError;
use super::place::Source;
use super::reader::Reader;
use crate::spec::{BuildSpec, ImageType, Location};

/// The kickstart of a spec: the flattened `config`, if there is one, with the `packages` and
/// `groups` of the spec picked in it. Without `config` these alone make it.
///
/// # Errors
///
/// Those of [`Reader::flatten`].
pub async fn of_spec(spec: &BuildSpec, reader: &Reader) -> Result<Kickstart, KickstartError> {
    let mut kickstart = flattened_config(spec, reader).await?.unwrap_or_default();
    kickstart.add_packages(&spec.shared().selection());
    Ok(kickstart)
}

/// The `config` of a spec, flattened, if there is one.
///
/// # Errors
///
/// Those of [`Reader::flatten`].
pub async fn flattened_config(
    spec: &BuildSpec,
    reader: &Reader,
) -> Result<Option<Kickstart>, KickstartError> {
    let Some(location) = config(spec) else {
        return Ok(None);
    };
    let base = spec.base_dir.as_deref().unwrap_or(Path::new(""));
    let source = Source::of_location(&location, base);
    reader.flatten(&source).await.map(Some)
}

/// Where a spec says that its kickstart is.
#[must_use]
pub fn config(spec: &BuildSpec) -> Option<Location> {
    match spec.image_type() {
        ImageType::Boot => None,
        ImageType::Dvd => spec.dvd.as_ref()?.config.clone(),
        ImageType::Live => spec.live.as_ref()?.config.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Format, Trust};

    async fn made(text: &str, base: Option<&Path>) -> String {
        let mut spec = BuildSpec::parse(text, Format::Ini, "a.conf").unwrap();
        spec.base_dir = base.map(Path::to_owned);
        let reader = Reader::new(Trust::Local);
        of_spec(&spec, &reader).await.unwrap().to_string()
    }

    #[tokio::test]
    async fn packages_alone_make_one() {
        let text =
            "[DEFAULT]\ntype=live\nrelease=43\n[live]\npackages=vim;-nano\ngroups=core;@base-x\n";
        assert_eq!(
            made(text, None).await,
            "%packages\nvim\n-nano\n@core\n@base-x\n%end\n"
        );
    }

    #[tokio::test]
    async fn packages_are_picked_in_the_kickstart() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.ks"), "lang C\n%include b.ks\n").unwrap();
        std::fs::write(folder.path().join("b.ks"), "%packages\n@core\nnano\n%end\n").unwrap();
        for kind in ["live", "dvd"] {
            let text = format!(
                "[DEFAULT]\ntype={kind}\nrelease=43\n[{kind}]\nconfig=a.ks\npackages=-nano,vim\ngroups=core\n"
            );
            assert_eq!(
                made(&text, Some(folder.path())).await,
                "lang C\n%packages\n@core\n-nano\nvim\n%end\n"
            );
        }
    }
}
