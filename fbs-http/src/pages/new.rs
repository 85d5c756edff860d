//! `/new`: asking for an image, by a form or with a whole spec.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Multipart, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use image_builder::jobs::JobRequest;
use image_builder::redact;
use image_builder::spec::{Arch, BuildSpec, Format};
use serde::Deserialize;

use super::form::{Fields, Mistakes};
use super::{Trouble, Who, as_file, page, samples, show};
use crate::app::App;
use crate::auth::{ANYBODY, Caller};
use crate::builds::BuildView;
use crate::plans::PlanView;
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
    plan: Option<PlanView>,
}

#[derive(Debug, Template)]
#[template(path = "new_text.html")]
struct TextPage {
    who: Who,
    fields: Fields,
    mistakes: Mistakes,
    plan: Option<PlanView>,
}

/// The spec that a form makes, or what is wrong with it.
#[derive(Debug, Template)]
#[template(path = "preview.html")]
struct Preview {
    spec: Option<String>,
    title: Option<String>,
    /// About no field, or one that is empty.
    wrong: Vec<String>,
    /// What is put beside the fields of a page that is shown, by their names.
    beside: Vec<(&'static str, Vec<String>)>,
}

impl Preview {
    fn of(fields: &Fields) -> Self {
        let checked = fields.wanted().and_then(|mut wanted| {
            if !fields.get("config").is_empty() {
                // It is fetched when it is submitted, and not at every letter.
                wanted.kickstart.get_or_insert_default();
            }
            wanted.request(ANYBODY)
        });
        let (title, mistakes) = match checked {
            Ok(request) => (Some(request.title), Vec::new()),
            Err(mistakes) => (None, mistakes),
        };
        let mut mistakes = Mistakes::new(mistakes, fields);
        Self {
            spec: fields.spec().ok().map(|spec| spec.to_ini()),
            title,
            beside: mistakes.beside(fields),
            wrong: mistakes.others,
        }
    }

    /// As a part of a page, whose fields have only what was wrong with what was sent: here is all of it.
    fn whole(mut self) -> Self {
        for (name, mistakes) in self.beside.drain(..) {
            let named = mistakes.iter().map(|mistake| format!("{name}: {mistake}"));
            self.wrong.extend(named);
        }
        self
    }
}

/// The form again, with what is wrong beside its fields.
fn again(
    app: &App,
    caller: &Caller,
    fields: Fields,
    mistakes: Mistakes,
) -> Result<Response, Trouble> {
    shown(app, caller, fields, mistakes, None)
}

/// The form.
fn shown(
    app: &App,
    caller: &Caller,
    fields: Fields,
    mistakes: Mistakes,
    plan: Option<PlanView>,
) -> Result<Response, Trouble> {
    let status = mistakes.status();
    let who = Who::of(app, caller);
    if fields.is_text() {
        let template = TextPage {
            who,
            fields,
            mistakes,
            plan,
        };
        return page(status, &template);
    }
    let template = NewPage {
        who,
        preview: Preview::of(&fields).whole(),
        served: served(&releases(app)),
        fields,
        mistakes,
        plan,
    };
    page(status, &template)
}

/// The releases that somebody serves.
pub(super) fn releases(app: &App) -> Vec<String> {
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

pub(super) async fn form(
    State(app): State<App>,
    caller: Caller,
    from: Result<Query<From>, QueryRejection>,
) -> Result<Response, Trouble> {
    let from = from.map_err(|error| Problem::bad_request(error.body_text()))?;
    let fields = match from.0.first(&app, &caller).await? {
        Some(first) => opened(first.spec, None, first.kickstart).with_private(first.private),
        None => Fields::new(&releases(&app)),
    };
    again(&app, &caller, fields, Mistakes::default())
}

/// A spec in the fields of the form, whatever it is written in. One that has mistakes stays a text.
fn opened(spec: String, format: Option<Format>, kickstart: Option<String>) -> Fields {
    let guessed = match spec.trim_start().starts_with('{') {
        true => &[Format::Json][..],
        false => &[Format::Ini, Format::Toml],
    };
    let formats = format.as_ref().map_or(guessed, std::slice::from_ref);
    let read = formats
        .iter()
        .find_map(|format| BuildSpec::parse(&spec, *format, "spec").ok());
    match read {
        Some(read) => Fields::of_spec(&read, kickstart),
        None => Fields::of_text(spec, kickstart),
    }
}

/// A spec of somebody's, in the form.
pub(super) async fn open(
    State(app): State<App>,
    caller: Caller,
    form: Multipart,
) -> Result<Response, Trouble> {
    let sent = Fields::read(form).await?;
    let spec = sent.get("spec");
    let format = match sent.get("format") {
        "toml" => Some(Format::Toml),
        "json" => Some(Format::Json),
        _ => None,
    };
    if spec.trim().is_empty() {
        let mut mistakes = Mistakes::default();
        mistakes.others.push("no spec was chosen".to_owned());
        let fields = Fields::new(&releases(&app)).with_private(sent.is_private());
        return again(&app, &caller, fields, mistakes);
    }
    let fields = opened(
        spec.to_owned(),
        format,
        Some(sent.get("kickstart").to_owned()),
    )
    .with_private(sent.is_private());
    match fields.is_text() {
        true => {
            let mistakes = fields.spec().err().unwrap_or_default();
            let mistakes = Mistakes::new(mistakes, &fields);
            again(&app, &caller, fields, mistakes)
        }
        false => again(&app, &caller, fields, Mistakes::default()),
    }
}

pub(super) async fn submit(
    State(app): State<App>,
    caller: Caller,
    form: Multipart,
) -> Result<Response, Trouble> {
    let fields = Fields::read(form).await?;
    let request = match checked(&app, &caller, &fields).await {
        Ok(request) => request,
        Err(mistakes) => return again(&app, &caller, fields, mistakes),
    };
    let submitted = match app.submit(&caller, request, None).await {
        Ok(submitted) => submitted,
        // What was written is not lost.
        Err(problem) => return again(&app, &caller, fields, Mistakes::of_problem(&problem)),
    };
    Ok(Redirect::to(&format!("/jobs/{}", submitted.job)).into_response())
}

/// What a form asks for, or what is wrong with it.
async fn checked(app: &App, caller: &Caller, fields: &Fields) -> Result<JobRequest, Mistakes> {
    let request = match fields.wanted() {
        Ok(wanted) => app.check(caller, wanted).await,
        Err(mistakes) => Err(mistakes),
    };
    request.map_err(|mistakes| Mistakes::new(mistakes, fields))
}

/// The form once more, with what would be done.
pub(super) async fn plan(
    State(app): State<App>,
    caller: Caller,
    form: Multipart,
) -> Result<Response, Trouble> {
    let fields = Fields::read(form).await?;
    let planned = match checked(&app, &caller, &fields).await {
        Ok(request) => {
            let plan = app.plan(&request).await;
            plan.map_err(|problem| match problem.mistakes.is_empty() {
                true => Mistakes::of_problem(&problem),
                false => Mistakes::new(problem.mistakes, &fields),
            })
        }
        Err(mistakes) => Err(mistakes),
    };
    match planned {
        Ok(plan) => shown(&app, &caller, fields, Mistakes::default(), Some(plan)),
        Err(mistakes) => again(&app, &caller, fields, mistakes),
    }
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

/// Where a spec comes from.
#[derive(Debug, Deserialize)]
pub(super) struct From {
    /// A job that is to be built again, with changes.
    job: Option<String>,
    /// A sample of this kind of image.
    sample: Option<String>,
    /// The release of the sample.
    release: Option<String>,
}

/// What somebody begins with.
#[derive(Debug, Default)]
struct First {
    spec: String,
    kickstart: Option<String>,
    private: bool,
}

impl From {
    async fn first(&self, app: &App, caller: &Caller) -> Result<Option<First>, Problem> {
        if let Some(id) = &self.job {
            let job = app.job(caller, id).await?;
            let wrote = app.wrote(caller, &job).await?;
            let private = job.request.private;
            return Ok(job.request.payload.map(|payload| match wrote {
                true => First {
                    spec: payload.spec,
                    kickstart: payload.kickstart,
                    private,
                },
                false => First {
                    spec: redact::spec(&payload.spec),
                    kickstart: payload
                        .kickstart
                        .map(|text| redact::passwords(&text).into_owned()),
                    private,
                },
            }));
        }
        let sample = samples::of(app, self.sample.as_deref(), self.release.as_deref())?;
        Ok(sample.map(|sample| First {
            spec: sample.spec,
            kickstart: sample.kickstart,
            private: false,
        }))
    }
}

pub(super) async fn text(
    State(app): State<App>,
    caller: Caller,
    from: Result<Query<From>, QueryRejection>,
) -> Result<Response, Trouble> {
    let from = from.map_err(|error| Problem::bad_request(error.body_text()))?;
    let first = from.0.first(&app, &caller).await?.unwrap_or_default();
    let fields = Fields::of_text(first.spec, first.kickstart).with_private(first.private);
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
            let kickstart = fields.get("kickstart").to_owned();
            let private = fields.is_private();
            let fields = Fields::of_text(spec.to_ini(), Some(kickstart)).with_private(private);
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
        Ok(spec) => Ok(as_file("imagebuild.conf", spec.to_ini())),
        Err(mistakes) => {
            let mistakes = Mistakes::new(mistakes, &fields);
            again(&app, &caller, fields, mistakes)
        }
    }
}
