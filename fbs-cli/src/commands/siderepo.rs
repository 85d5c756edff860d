//! `fbs siderepo`.

use image_builder::context::BuildContext;
use image_builder::error::{ErrorKind, StageError};
use image_builder::events::{EventKind, Events, Outcome, Stage, seconds};
use image_builder::host::Host;
use image_builder::koji::{BuildRef, ChooseOptions, KojiConfig};
use image_builder::plan::PlanOptions;
use image_builder::quantity::ByteSize;
use image_builder::repo_create::{
    Keyring, RepoCreate, RepoCreateOptions, SideRepoError, SideRepository, SideRequest,
};
use image_builder::spec::Arch;
use serde_json::json;
use std::time::Instant;

use super::{cancelled_by_signals, service};
use crate::args::SideRepo;
use crate::display;
use crate::exit::{self, Exit};
use crate::output;

pub(crate) async fn run(args: &SideRepo) -> Exit {
    let request = request(args);
    if request.is_empty() {
        exit::say("no build is named");
        eprintln!("hint: name some with --nvr, --bid, --tag or --update");
        return Exit::Usage;
    }
    let environment = match service::options() {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let options = match options(args, environment) {
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

fn request(args: &SideRepo) -> SideRequest {
    let named = args.nvr.iter().cloned().map(BuildRef::from);
    let numbered = args.bid.iter().copied().map(BuildRef::from);
    SideRequest {
        builds: named.chain(numbered).collect(),
        tags: args.tag.clone(),
        updates: args.update.clone(),
    }
}

fn options(args: &SideRepo, environment: PlanOptions) -> Result<RepoCreateOptions, SideRepoError> {
    let (hub, files) = (&args.koji.koji_hub, &args.koji.koji_files);
    // A hub and its files go together.
    let koji = match hub {
        Some(_) => KojiConfig::new(hub.as_deref(), files.as_deref())?,
        None => KojiConfig::new(
            environment.koji_hub.as_deref(),
            files.as_deref().or(environment.koji_files.as_deref()),
        )?,
    };
    let keyring = args.gpgkey.as_ref().map(|path| {
        let wrong = |problem: String| SideRepoError::Key {
            address: path.display().to_string(),
            problem,
        };
        let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        Keyring::from_armored(&text).map_err(|error| wrong(error.to_string()))
    });
    let arch = args.arch.or_else(|| Host::probe().arch);
    Ok(RepoCreateOptions {
        koji,
        bodhi: environment.bodhi,
        proxy: args
            .proxy
            .as_ref()
            .map(|proxy| proxy.as_written().to_owned()),
        cache: environment.current_dir.join(environment.cache_dir),
        choose: ChooseOptions {
            multilib: args.multilib,
            allow_two_builds_of_one_package: args.allow_two_builds,
            signed_by: args.sigkey.clone(),
            release: args.release.clone(),
            ..ChooseOptions::new(arch.unwrap_or(Arch::X86_64))
        },
        keyring: keyring.transpose()?,
    })
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
        eprintln!("{build}: {}", output::count(of_it.count(), "package"));
    }
    eprintln!(
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
