//! `fbs siderepo`.

use image_builder::context::BuildContext;
use image_builder::error::{ErrorKind, StageError};
use image_builder::events::{EventKind, Events, Outcome, Stage, seconds};
use image_builder::quantity::ByteSize;
use image_builder::repo_create::{
    RepoCreate, RepoCreateOptions, SideRepoError, SideRepository, SideRequest,
};
use serde_json::json;
use std::time::Instant;

use super::{cancelled_by_signals, service, side_request};
use crate::args::SideRepo;
use crate::display;
use crate::exit::{self, Exit};
use crate::output::{self, tell};

pub(crate) async fn run(args: &SideRepo) -> Exit {
    let request = side_request::request(&args.builds);
    if request.is_empty() {
        exit::say("no build is named");
        tell!("hint: name some with --nvr, --bid, --tag or --update");
        return Exit::Usage;
    }
    let environment = match service::options() {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let options = match side_request::options(&args.choice, args.arch, environment) {
        Ok(options) => options,
        Err(error) => return exit::error(&error),
    };
    let events = display::events(args.json);
    let result = make(options, &request, args, &events).await;
    match result {
        Ok(side) => {
            say(args, &side);
            Exit::Done
        }
        Err(error) if error.kind() == ErrorKind::Cancelled => {
            exit::say(&error);
            Exit::Cancelled
        }
        Err(error) => exit::error(&error),
    }
}

async fn make(
    options: RepoCreateOptions,
    request: &SideRequest,
    args: &SideRepo,
    events: &Events,
) -> Result<SideRepository, SideRepoError> {
    let ctx = BuildContext::new(events.clone(), cancelled_by_signals());
    let started = Instant::now();
    let dir = std::path::absolute(&args.out).unwrap_or_else(|_| args.out.clone());
    let work = async {
        let maker = RepoCreate::new(options, ctx.clone())?;
        maker.make_repo(request, &dir).await
    };
    let result = ctx.stage(Stage::SideRepository, work).await;
    // The display is put away with the last event.
    let outcome = match &result {
        Ok(_) => Outcome::Succeeded,
        Err(error) if error.kind() == ErrorKind::Cancelled => Outcome::Cancelled,
        Err(_) => Outcome::Failed,
    };
    events.emit(EventKind::JobFinished {
        outcome,
        seconds: seconds(started.elapsed()),
    });
    result
}

/// The address on standard output, for scripts; the rest for people.
fn say(args: &SideRepo, side: &SideRepository) {
    for build in &side.choice.builds {
        let of_it = side
            .choice
            .rpms
            .iter()
            .filter(|rpm| rpm.rpm.build_id == build.id);
        tell!("{build}: {}", output::count(of_it.count(), "package"));
    }
    tell!(
        "{}, {}, {} of them from the cache",
        output::count(side.choice.rpms.len(), "package"),
        ByteSize(side.bytes),
        side.reused
    );
    if args.json {
        let files: Vec<&str> = side
            .choice
            .rpms
            .iter()
            .map(|rpm| rpm.file_name.as_str())
            .collect();
        output::json_line(&json!({
            "url": side.url(),
            "koji": side.koji,
            "builds": side.choice.builds,
            "files": files,
            "bytes": side.bytes,
            "reused": side.reused,
        }));
    } else {
        output::text(&format!("{}\n", side.url()));
    }
}
