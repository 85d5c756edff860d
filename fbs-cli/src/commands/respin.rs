//! `fbs respin`.

use image_builder::context::BuildContext;
use image_builder::error::{ErrorKind, StageError};
use image_builder::respin::{self, RespinReport, RespinRequest, boot_config};
use image_builder::source_date;

use super::{cancelled_by_signals, service, side_request};
use crate::args::Respin;
use crate::display;
use crate::exit::{self, Exit};
use crate::output;

pub(crate) async fn run(args: &Respin) -> Exit {
    let request = match request(args) {
        Ok(request) => request,
        Err(exit) => return exit,
    };
    let ctx = BuildContext::new(display::events(args.json), cancelled_by_signals());
    match respin::respin(&ctx, &request).await {
        Ok(report) => say(args, &report),
        Err(error) if error.kind() == ErrorKind::Cancelled => {
            exit::say(&error);
            Exit::Cancelled
        }
        Err(error) => exit::error(&error),
    }
}

fn request(args: &Respin) -> Result<RespinRequest, Exit> {
    let mut request = RespinRequest::new(&args.iso, &args.out);
    request.add = args.add.clone();
    request.add_arguments = words(&args.cmdline)?;
    request.remove_arguments = words(&args.remove_args)?;
    request.label = args.volid.clone();
    request.kickstart = args.kickstart.clone();
    request.updates = args.updates.clone();
    request.arch = args.arch;
    if let Some(value) = std::env::var_os(source_date::VARIABLE) {
        let dated = request.with_source_date(&value.to_string_lossy());
        request = dated.map_err(|error| exit::error(&error))?;
    }
    let builds = side_request::request(&args.builds);
    if !builds.is_empty() {
        let options = side_request::options(&args.choice, args.arch, service::options()?);
        let options = options.map_err(|error| exit::error(&error))?;
        request.builds = Some((options, builds));
    }
    Ok(request)
}

fn words(command_lines: &[String]) -> Result<Vec<String>, Exit> {
    let mut words = Vec::new();
    for command_line in command_lines {
        let split = boot_config::split(command_line);
        words.extend(split.map_err(|error| exit::error(&error))?);
    }
    Ok(words)
}

fn say(args: &Respin, report: &RespinReport) -> Exit {
    if args.json {
        match serde_json::to_value(report) {
            Ok(value) => output::json_line(&value),
            Err(error) => {
                exit::say(error);
                return Exit::Failed;
            }
        }
    } else {
        output::text(&respin::render(report));
    }
    Exit::Done
}
