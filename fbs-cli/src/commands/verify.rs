//! `fbs verify`.

use std::path::Path;

use image_builder::context::BuildContext;
use image_builder::error::{ErrorKind, StageError};
use image_builder::events::Events;
use image_builder::verify::{self, InspectError, InspectOptions};
use serde_json::Value;

use super::cancelled_by_signals;
use crate::args::Verify;
use crate::exit::{self, Exit};
use crate::output;

pub(crate) async fn run(args: &Verify) -> Exit {
    let ctx = BuildContext::new(Events::new(), cancelled_by_signals());
    if let Some(other) = args.other.as_ref().filter(|_| args.compare) {
        return compare(&ctx, &args.iso, other, args.json).await;
    }
    let contents = match verify::inspect(&ctx, &args.iso, &InspectOptions::default()).await {
        Ok(contents) => contents,
        Err(error) => return unread(&error),
    };
    match args.json {
        true => json(serde_json::to_value(&contents), Exit::Done),
        false => {
            output::text(&verify::render(&contents));
            Exit::Done
        }
    }
}

/// To name what is no ISO was the mistake; one that is cut off or damaged has failed its test.
pub(super) fn unread(error: &InspectError) -> Exit {
    let exit = exit::error(error);
    match error {
        InspectError::NotIso { .. } => Exit::Usage,
        _ => exit,
    }
}

/// `--compare FIRST SECOND`: as diff(1), 1 says that they differ, 2 that they are not to be compared.
async fn compare(ctx: &BuildContext, first: &Path, second: &Path, as_json: bool) -> Exit {
    let options = InspectOptions::default();
    let comparison = match verify::compare(ctx, first, second, &options).await {
        Ok(comparison) => comparison,
        Err(error) => {
            let exit = exit::error(&error);
            return match error {
                InspectError::NotIso { .. } | InspectError::Truncated { .. } => Exit::Usage,
                _ if error.kind() == ErrorKind::Failed => Exit::Usage,
                _ => exit,
            };
        }
    };
    let exit = match comparison.identical {
        true => Exit::Done,
        false => Exit::Failed,
    };
    match as_json {
        true => json(serde_json::to_value(&comparison), exit),
        false => {
            output::text(&verify::render_comparison(&comparison));
            exit
        }
    }
}

fn json(value: serde_json::Result<Value>, exit: Exit) -> Exit {
    match value {
        Ok(value) => {
            output::json_pretty(&value);
            exit
        }
        Err(error) => {
            exit::say(error);
            Exit::Failed
        }
    }
}
