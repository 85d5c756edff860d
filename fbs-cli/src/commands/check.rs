//! `fbs check`.

use image_builder::error::{ErrorKind, StageError};
use image_builder::imagebuilder::ImageBuilder;
use image_builder::plan::PlanError;
use serde_json::json;

use super::{service, spec};
use crate::args::Check;
use crate::exit::{self, Exit};
use crate::output::{self, tell};

pub(crate) async fn run(args: &Check) -> Exit {
    let Some(conf) = &args.conf else {
        return service::check().await;
    };
    let options = match service::options() {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let checked = spec::load_whole(conf, &args.overrides);
    let planned = match &checked {
        Ok(built) => {
            let builder = ImageBuilder::new(built.clone()).with_options(options);
            Some(builder.plan().await)
        }
        Err(_) => None,
    };
    // What is wrong with the kickstart is wrong with what is to be built. Everything else is right
    // in itself: another host, other variables of the environment or a later version may well build it.
    let unfit = match &planned {
        Some(Err(PlanError::Koji(_) | PlanError::SourceDate(_) | PlanError::Backend { .. })) => {
            None
        }
        Some(Err(error)) if error.kind() == ErrorKind::Usage => Some(error),
        _ => None,
    };
    if args.json {
        let mistakes: Vec<String> = checked
            .as_ref()
            .err()
            .map(image_builder::spec::SpecError::mistakes)
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect();
        let wrong = checked.as_ref().err().map(ToString::to_string);
        let error = wrong.or_else(|| unfit.map(ToString::to_string));
        output::json_pretty(&json!({
            "spec": conf.to_string_lossy(),
            "valid": error.is_none(),
            "error": error,
            "mistakes": mistakes,
        }));
    }
    if let Err(error) = &checked {
        let usage = spec::report(conf, error);
        // A check that finds mistakes has done its work and failed; one that cannot read the
        // spec was called wrongly.
        return match error.mistakes() {
            [] => usage,
            _ => Exit::Failed,
        };
    }
    if let Some(error) = unfit {
        exit::error(error);
        return Exit::Failed;
    }
    match planned {
        Some(Err(error)) => {
            tell!("{}: fine", conf.display());
            tell!("note: it cannot be built here: {error}");
        }
        Some(Ok(plan)) => tell!("{}: fine, for a {}", conf.display(), plan.title),
        None => {}
    }
    Exit::Done
}
