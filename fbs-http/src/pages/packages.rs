//! `/new/packages`: finding packages and groups for the form.

use askama::Template;
use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::Response;
use image_builder::quantity::count;
use image_builder::spec::Arch;

use super::form::Fields;
use super::{Trouble, page};
use crate::app::App;
use crate::auth::Caller;
use crate::packages::{FoundView, Wish};

/// As many packages are shown, and as many groups.
const MOST: usize = 20;

/// What was found of what somebody types into the form.
#[derive(Debug, Template)]
#[template(path = "packages.html")]
struct FoundPackages {
    entries: Vec<Entry>,
    /// Where it was looked for; none if nothing was.
    of: Option<String>,
    problem: Option<String>,
}

/// Something that can be added to the packages of the form.
#[derive(Debug)]
struct Entry {
    name: String,
    about: String,
    /// Whether it is among them.
    is_added: bool,
}

pub(super) async fn find(
    State(app): State<App>,
    caller: Caller,
    form: Multipart,
) -> Result<Response, Trouble> {
    let fields = Fields::read(form).await?;
    // What nobody can mean is looked for all the same, as far as it goes.
    let query: String = fields.get("find").chars().take(100).collect();
    let wish = Wish {
        image: fields.get("type"),
        release: fields.get("release"),
        arch: fields.get("arch").parse().unwrap_or(Arch::X86_64),
        repository: fields.get("repository"),
        updates: fields.get("updates"),
        updates_testing: fields.get("updates-testing"),
        kickstart: fields.get("kickstart"),
    };
    let found = match query.trim().is_empty() {
        true => Ok(None),
        false => {
            let found = app.packages.find(&caller, &wish, &query, MOST).await;
            found.map(Some)
        }
    };
    // It is shown beside the field, where a page of an error would not be.
    let template = match found {
        Ok(Some(found)) => {
            let of = Some(found.of.clone());
            FoundPackages {
                entries: entries(found, fields.get("packages")),
                of,
                problem: None,
            }
        }
        Ok(None) => FoundPackages {
            entries: Vec::new(),
            of: None,
            problem: None,
        },
        Err(problem) => FoundPackages {
            entries: Vec::new(),
            of: None,
            problem: Some(problem.words()),
        },
    };
    page(StatusCode::OK, &template)
}

/// Groups, and behind them packages.
fn entries(found: FoundView, packages: &str) -> Vec<Entry> {
    let separators = |c: char| c.is_whitespace() || ";,".contains(c);
    let added: Vec<&str> = packages.split(separators).collect();
    let entry = |name: String, about: String| Entry {
        is_added: added.contains(&name.as_str()),
        name,
        about,
    };
    let groups = found.groups.into_iter().map(|group| {
        let members = count(group.packages, "package");
        let about = [group.name, group.description, members].into_iter();
        let about: Vec<String> = about.filter(|words| !words.is_empty()).collect();
        entry(group.entry, about.join(" \u{b7} "))
    });
    let packages = found.packages.into_iter();
    let packages = packages.map(|package| entry(package.name, package.summary));
    groups.chain(packages).collect()
}
