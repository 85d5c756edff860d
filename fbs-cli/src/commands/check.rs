//! `fbs check`.

use image_builder::imagebuilder::ImageBuilder;
use serde_json::json;

use super::spec;
use crate::args::Check;
use crate::exit::Exit;
use crate::output;

pub(crate) async fn run(args: &Check) -> Exit {
    let checked = spec::load(&args.spec);
    let mistakes = checked
        .as_ref()
        .err()
        .map(image_builder::spec::SpecError::mistakes);
    if args.json {
        let mistakes: Vec<String> = mistakes
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect();
        let error = checked.as_ref().err().map(ToString::to_string);
        output::json_pretty(&json!({
            "spec": args.spec.conf,
            "valid": checked.is_ok(),
            "error": error,
            "mistakes": mistakes,
        }));
    }
    match &checked {
        Ok(built) => {
            match ImageBuilder::new(built.clone()).plan().await {
                Ok(plan) => eprintln!("{}: fine, for a {}", args.spec.conf.display(), plan.title),
                // Right in itself: another host or a later version may well build it.
                Err(error) => {
                    eprintln!("{}: fine", args.spec.conf.display());
                    eprintln!("note: it cannot be built here: {error}");
                }
            }
            Exit::Done
        }
        Err(error) => {
            let usage = spec::report(&args.spec, error);
            // A check that finds mistakes has done its work and failed; one that cannot read the
            // spec was called wrongly.
            if error.mistakes().is_empty() {
                usage
            } else {
                Exit::Failed
            }
        }
    }
}
