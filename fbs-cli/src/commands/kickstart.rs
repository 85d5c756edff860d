//! `fbs kickstart`.

use std::path::Path;

use image_builder::kickstart::{
    GroupContent, Kickstart, KickstartError, Packages, Reader, Repo, RepoUrl, Source,
};
use image_builder::spec::{Location, Trust, ValueError};
use serde_json::json;

use super::new_file;
use crate::args::{AddRepo, CheckKickstart, Flatten, KickstartCommand, PickPackages};
use crate::exit::{self, Exit};
use crate::output::{self, tell};

pub(crate) async fn run(command: &KickstartCommand) -> Exit {
    match command {
        KickstartCommand::Flatten(args) => flatten(args).await,
        KickstartCommand::Check(args) => check(args).await,
        KickstartCommand::AddRepo(args) => add_repo(args).await,
        KickstartCommand::Packages(args) => packages(args).await,
    }
}

async fn flatten(args: &Flatten) -> Exit {
    match reader().flatten(&source(&args.file)).await {
        Ok(kickstart) => write(&kickstart, args.output.as_deref()),
        Err(error) => exit::error(&error),
    }
}

async fn check(args: &CheckKickstart) -> Exit {
    let read = reader().flatten(&source(&args.file)).await;
    let warnings = match &read {
        Ok(kickstart) => kickstart.unknown_commands(),
        Err(_) => Vec::new(),
    };
    let checked = read.and_then(|kickstart| kickstart.settings());
    if args.json {
        let texts = |list: &[image_builder::kickstart::Mistake]| -> Vec<String> {
            list.iter().map(ToString::to_string).collect()
        };
        let mistakes = match &checked {
            Err(KickstartError::Invalid(mistakes)) => texts(mistakes),
            _ => Vec::new(),
        };
        output::json_pretty(&json!({
            "kickstart": args.file.to_string(),
            "valid": checked.is_ok(),
            "error": checked.as_ref().err().map(ToString::to_string),
            "mistakes": mistakes,
            "warnings": texts(&warnings),
        }));
    }
    for warning in &warnings {
        tell!("warning: {warning}");
    }
    match checked {
        Ok(_) => {
            tell!("{}: fine", args.file);
            Exit::Done
        }
        // A check that finds mistakes has done its work and failed.
        Err(error @ KickstartError::Invalid(_)) => {
            exit::error(&error);
            Exit::Failed
        }
        Err(error) => exit::error(&error),
    }
}

async fn add_repo(args: &AddRepo) -> Exit {
    let repo = match repo(args) {
        Ok(repo) => repo,
        Err(error) => {
            exit::say(error);
            return Exit::Usage;
        }
    };
    let edited = async {
        let mut kickstart = reader().read(&source(&args.file)).await?;
        kickstart.add_repo(&repo)?;
        Ok::<_, KickstartError>(kickstart)
    };
    match edited.await {
        Ok(kickstart) => write(&kickstart, args.output.as_deref()),
        Err(error) => exit::error(&error),
    }
}

fn repo(args: &AddRepo) -> Result<Repo, ValueError> {
    let urls = [
        args.baseurl.clone().map(RepoUrl::Base),
        args.mirrorlist.clone().map(RepoUrl::Mirrorlist),
        args.metalink.clone().map(RepoUrl::Metalink),
    ];
    // The parser of arguments saw to it that there is exactly one.
    let url = urls.into_iter().flatten().next();
    let url = url.unwrap_or_else(|| RepoUrl::Base(String::new()));
    let mut repo = Repo::new(&args.name, url)?;
    repo.cost = args.cost;
    repo.excludepkgs = args.excludepkgs.clone();
    repo.includepkgs = args.includepkgs.clone();
    Ok(repo)
}

async fn packages(args: &PickPackages) -> Exit {
    let source = source(&args.file);
    if !args.add.is_empty() {
        return match reader().read(&source).await {
            Ok(mut kickstart) => {
                kickstart.add_packages(&args.add);
                write(&kickstart, args.output.as_deref())
            }
            Err(error) => exit::error(&error),
        };
    }
    let read = reader().flatten(&source).await;
    match read.and_then(|kickstart| kickstart.settings()) {
        Ok(settings) => {
            let packages = settings.packages.unwrap_or_default();
            if args.json {
                output::json_pretty(&json!(packages));
            } else {
                output::text(&listed(&packages));
            }
            Exit::Done
        }
        Err(error) => exit::error(&error),
    }
}

/// What is picked, one a line, as it stands in `%packages`.
fn listed(packages: &Packages) -> String {
    let environment = packages.environment.iter();
    let environment = environment.map(|name| format!("@^{}", name.value));
    let groups = packages.groups.iter().map(|group| {
        let option = match group.content {
            GroupContent::Mandatory => " --nodefaults",
            GroupContent::Default => "",
            GroupContent::All => " --optional",
        };
        format!("@{}{option}", group.name)
    });
    let names = packages.packages.iter().map(|name| name.value.clone());
    let without_groups = packages.excluded_groups.iter();
    let without_groups = without_groups.map(|name| format!("-@{}", name.value));
    let without = packages.excluded.iter();
    let without = without.map(|name| format!("-{}", name.value));
    environment
        .chain(groups)
        .chain(names)
        .chain(without_groups)
        .chain(without)
        .map(|line| line + "\n")
        .collect()
}

/// The user's own kickstarts; what is not beside the including file is looked for here, as
/// `ksflatten` does.
fn reader() -> Reader {
    Reader::new(Trust::Local).with_folder("")
}

fn source(file: &Location) -> Source {
    Source::of_location(file, Path::new(""))
}

/// Writes a kickstart to a file that must not exist, or to standard output.
fn write(kickstart: &Kickstart, output: Option<&Path>) -> Exit {
    let text = kickstart.to_string();
    let Some(path) = output else {
        output::text(&text);
        return Exit::Done;
    };
    new_file::write(path, &text)
}
