//! `/new`: asking for an image, by a form or with a whole spec.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Multipart, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use image_builder::spec::Arch;
use serde::Deserialize;

use super::form::{Fields, Mistakes};
use super::{Trouble, Who, page};
use crate::app::App;
use crate::auth::{ANYBODY, Caller};
use crate::builds::BuildView;
use crate::problem::Problem;

/// The architectures that images are made for.
const ARCHES: [(&str, &str); 3] = [
    ("x86_64", "x86_64"),
    ("aarch64", "aarch64"),
    ("i686", "i686"),
];

#[derive(Debug, Template)]
#[template(path = "new.html")]
struct NewPage {
    who: Who,
    fields: Fields,
    mistakes: Mistakes,
    /// Which releases somebody builds.
    served: String,
    preview: Preview,
}

#[derive(Debug, Template)]
#[template(path = "new_text.html")]
struct TextPage {
    who: Who,
    fields: Fields,
    mistakes: Mistakes,
}

/// The spec that a form makes, or what is wrong with it.
#[derive(Debug, Template)]
#[template(path = "preview.html")]
struct Preview {
    spec: Option<String>,
    title: Option<String>,
    wrong: Vec<String>,
}

impl Preview {
    fn of(fields: &Fields) -> Self {
        let mut wanted = fields.wanted();
        if !fields.get("config").is_empty() {
            // It is fetched when it is submitted, and not at every letter.
            wanted.kickstart.get_or_insert_default();
        }
        let checked = wanted.request(ANYBODY);
        let wrong = checked.as_ref().err().map_or(&[][..], Vec::as_slice);
        Self {
            spec: fields.spec().ok().map(|spec| spec.to_ini()),
            wrong: wrong
                .iter()
                .map(|mistake| {
                    let key = mistake.key.as_ref().or(mistake.section.as_ref());
                    let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
                    format!("{key}{}", mistake.message)
                })
                .collect(),
            title: checked.ok().map(|request| request.title),
        }
    }
}

/// The form again, with what is wrong beside its fields.
fn again(
    app: &App,
    caller: &Caller,
    fields: Fields,
    mistakes: Mistakes,
) -> Result<Response, Trouble> {
    let status = mistakes.status();
    if fields.is_text() {
        let who = Who::of(app, caller);
        let template = TextPage {
            who,
            fields,
            mistakes,
        };
        return page(status, &template);
    }
    let template = NewPage {
        who: Who::of(app, caller),
        preview: Preview::of(&fields),
        served: served(&releases(app)),
        fields,
        mistakes,
    };
    page(status, &template)
}

/// The releases that somebody serves.
fn releases(app: &App) -> Vec<String> {
    let present = app.masters.present();
    let mut releases: Vec<String> = present
        .into_iter()
        .flat_map(|worker| worker.releases)
        .collect();
    releases.sort();
    releases.dedup();
    releases
}

fn served(releases: &[String]) -> String {
    match releases {
        [] => "A number, or rawhide. No worker is there now.".to_owned(),
        some => format!("A number, or rawhide. Workers build {}.", some.join(", ")),
    }
}

pub(super) async fn show(State(app): State<App>, caller: Caller) -> Result<Response, Trouble> {
    let fields = Fields::new(&releases(&app));
    again(&app, &caller, fields, Mistakes::default())
}

pub(super) async fn submit(
    State(app): State<App>,
    caller: Caller,
    form: Multipart,
) -> Result<Response, Trouble> {
    let fields = Fields::read(form).await?;
    let wanted = fields.wanted().fetched(&app.reader).await;
    let request = match wanted.and_then(|wanted| wanted.request(&caller.name)) {
        Ok(request) => request,
        Err(mistakes) => {
            let mistakes = Mistakes::new(mistakes, &fields);
            return again(&app, &caller, fields, mistakes);
        }
    };
    let submitted = match app.submit(&caller, request, None).await {
        Ok(submitted) => submitted,
        // What was written is not lost.
        Err(problem) => return again(&app, &caller, fields, Mistakes::of_problem(&problem)),
    };
    Ok(Redirect::to(&format!("/jobs/{}", submitted.job)).into_response())
}

pub(super) async fn preview(form: Multipart) -> Result<Response, Trouble> {
    let fields = Fields::read(form).await?;
    page(StatusCode::OK, &Preview::of(&fields))
}

/// What Koji knows of the builds that are named in the form.
#[derive(Debug, Template)]
#[template(path = "builds.html")]
struct NamedBuilds {
    builds: Vec<BuildView>,
    problem: Option<String>,
}

pub(super) async fn builds(State(app): State<App>, form: Multipart) -> Result<Response, Trouble> {
    let fields = Fields::read(form).await?;
    let arch = fields.get("arch").parse().unwrap_or(Arch::X86_64);
    let found = match fields.builds().as_slice() {
        [] => Ok(Vec::new()),
        names => app.builds.look_up(names, arch).await,
    };
    // It is shown beside the field, where a page of an error would not be.
    let (builds, problem) = match found {
        Ok(builds) => (builds, None),
        Err(problem) => (Vec::new(), Some(problem.detail)),
    };
    page(StatusCode::OK, &NamedBuilds { builds, problem })
}

/// Where a spec as text comes from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    /// A job that is to be built again, with changes.
    job: Option<String>,
}

pub(super) async fn text(
    State(app): State<App>,
    caller: Caller,
    from: Result<Query<From>, QueryRejection>,
) -> Result<Response, Trouble> {
    let Query(from) = from.map_err(|error| Problem::bad_request(error.body_text()))?;
    let payload = match &from.job {
        Some(id) => app
            .job(&caller, id)
            .await?
            .request
            .payload
            .unwrap_or_default(),
        None => image_builder::jobs::Payload::default(),
    };
    let fields = Fields::of_text(payload.spec, payload.kickstart);
    again(&app, &caller, fields, Mistakes::default())
}

/// What the form makes, to go on with as text.
pub(super) async fn as_text(
    State(app): State<App>,
    caller: Caller,
    form: Multipart,
) -> Result<Response, Trouble> {
    let fields = Fields::read(form).await?;
    match fields.spec() {
        Ok(spec) => {
            let kickstart = fields.wanted().kickstart;
            let fields = Fields::of_text(spec.to_ini(), kickstart);
            again(&app, &caller, fields, Mistakes::default())
        }
        Err(mistakes) => {
            let mistakes = Mistakes::new(mistakes, &fields);
            again(&app, &caller, fields, mistakes)
        }
    }
}

/// The spec as a file.
pub(super) async fn download(
    State(app): State<App>,
    caller: Caller,
    form: Multipart,
) -> Result<Response, Trouble> {
    let fields = Fields::read(form).await?;
    match fields.spec() {
        Ok(spec) => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (
                    header::CONTENT_DISPOSITION,
                    "attachment; filename=\"imagebuild.conf\"",
                ),
            ];
            Ok((headers, spec.to_ini()).into_response())
        }
        Err(mistakes) => {
            let mistakes = Mistakes::new(mistakes, &fields);
            again(&app, &caller, fields, mistakes)
        }
    }
}
