//! `fbs deliver`.

use image_builder::delivery;
use image_builder::plan::Staging;
use image_builder::spec::Address;

use super::{build, cancelled_by_signals, service, spec};
use crate::args::Deliver;
use crate::display;
use crate::exit::{self, Exit};
use crate::output::tell;

pub(crate) async fn run(args: &Deliver) -> Exit {
    let service = match service::load() {
        Ok(service) => service,
        Err(exit) => return exit,
    };
    let mut places = Vec::new();
    for place in &args.staging {
        let address = match spec::address(place) {
            Ok(address) => address,
            Err(error) => {
                exit::say(&error);
                return Exit::Usage;
            }
        };
        match address.parse::<Address>() {
            Ok(address) => places.push(Staging::of(&address, std::path::Path::to_owned)),
            Err(error) => {
                exit::say(format!("--staging: {}", error.problem));
                if let Some(hint) = error.hint {
                    tell!("hint: {hint}");
                }
                return Exit::Usage;
            }
        }
    }
    let events = display::events(args.json);
    let cancel = cancelled_by_signals();
    match delivery::deliver(&args.report, &places, &service.staging, &events, &cancel).await {
        Ok(report) => {
            build::delivered(&report);
            Exit::Done
        }
        Err(error) => exit::error(&error),
    }
}
