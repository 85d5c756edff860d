//! `fbs verify`.

use image_builder::context::BuildContext;
use image_builder::events::Events;
use image_builder::verify::{self, InspectOptions};

use super::cancelled_by_signals;
use crate::args::Verify;
use crate::exit::{self, Exit};
use crate::output;

pub(crate) async fn run(args: &Verify) -> Exit {
    let ctx = BuildContext::new(Events::new(), cancelled_by_signals());
    let contents = match verify::inspect(&ctx, &args.iso, &InspectOptions::default()).await {
        Ok(contents) => contents,
        Err(error) => return exit::error(&error),
    };
    if args.json {
        match serde_json::to_value(&contents) {
            Ok(value) => output::json_pretty(&value),
            Err(error) => {
                exit::say(error);
                return Exit::Failed;
            }
        }
    } else {
        output::text(&verify::render(&contents));
    }
    Exit::Done
}
