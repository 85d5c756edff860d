//! `/samples`: configuration files to begin with.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use image_builder::spec::{self, Arch, ImageType, Release};
use serde::Deserialize;

use super::new::releases;
use super::{Trouble, Who, as_file, page};
use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

/// The release of samples where no worker serves any.
const RELEASE: &str = "43";

/// A spec to begin with.
#[derive(Debug)]
pub(super) struct Sample {
    /// Its file is called so, with an ending.
    pub(super) name: &'static str,
    /// What comes of it.
    pub(super) about: &'static str,
    pub(super) spec: String,
    pub(super) kickstart: Option<String>,
}

/// All of them, for a release.
fn samples(release: &Release) -> [Sample; 4] {
    let arch = Arch::host();
    let of = |image_type| spec::sample(image_type, release, arch, &[]);
    [
        Sample {
            name: "boot",
            about: "A network install ISO, with every key that a spec may have",
            spec: of(ImageType::Boot),
            kickstart: None,
        },
        Sample {
            name: "koji",
            about: "A network install ISO with builds from Koji that are in no repository yet",
            spec: include_str!("../../samples/koji.conf")
                .replace("@RELEASE@", &release.to_string()),
            kickstart: None,
        },
        Sample {
            name: "live",
            about: "A live image, with its kickstart",
            spec: of(ImageType::Live),
            kickstart: Some(include_str!("../../samples/live.ks").to_owned()),
        },
        Sample {
            name: "dvd",
            about: "An install DVD, with its kickstart",
            spec: of(ImageType::Dvd),
            kickstart: Some(include_str!("../../samples/dvd.ks").to_owned()),
        },
    ]
}

/// The release that is asked for, else one that is built here.
fn release_of(app: &App, asked: Option<&str>) -> Result<Release, Problem> {
    let asked = asked.map(str::trim).filter(|asked| !asked.is_empty());
    let served = || releases(app).first().cloned();
    let name = asked.map(ToOwned::to_owned).or_else(served);
    name.as_deref()
        .unwrap_or(RELEASE)
        .parse()
        .map_err(|error| Problem::bad_request(format!("`release`: {error}")))
}

/// The sample of a name; none if there is no name.
pub(super) fn of(
    app: &App,
    name: Option<&str>,
    release: Option<&str>,
) -> Result<Option<Sample>, Problem> {
    let Some(name) = name else {
        return Ok(None);
    };
    let release = release_of(app, release)?;
    let found = samples(&release).into_iter().find(|one| one.name == name);
    found.map(Some).ok_or_else(|| {
        Problem::not_found(format!("there is no sample {name:?}"))
            .with_hint("/samples shows those that there are")
    })
}

#[derive(Debug, Template)]
#[template(path = "samples.html")]
struct SamplesPage {
    who: Who,
    release: String,
    samples: [Sample; 4],
}

/// For which release samples are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct For {
    release: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<For>, QueryRejection>,
) -> Result<Response, Trouble> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let release = release_of(&app, query.release.as_deref())?;
    let template = SamplesPage {
        who: Who::of(&app, &caller),
        samples: samples(&release),
        release: release.to_string(),
    };
    page(StatusCode::OK, &template)
}

/// A sample as a file: `boot.conf`, `live.ks`.
pub(super) async fn file(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<For>, QueryRejection>,
) -> Result<Response, Trouble> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
    let sample = of(&app, Some(stem), query.release.as_deref())?;
    let text = sample.and_then(|sample| match ending {
        "conf" => Some(sample.spec),
        "ks" => sample.kickstart,
        _ => None,
    });
    let text = text.ok_or_else(|| Problem::not_found(format!("there is no sample {name:?}")))?;
    // It is the name of a sample of ours.
    Ok(as_file(&name, text))
}
