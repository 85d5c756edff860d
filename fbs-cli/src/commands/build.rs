//! `fbs build`.

use image_builder::build_monitor::{Registration, Registry, log_left};
use image_builder::delivery::REPORT;
use image_builder::error::{ErrorKind, StageError};
use image_builder::events::Outcome;
use image_builder::imagebuilder::{BuildFailure, ImageBuilder};
use image_builder::plan::{BuildPlan, PlanOptions};
use image_builder::report::BuildReport;
use image_builder::transfer::DeliveryRecord;
use image_builder::verify::{BuildProof, Evidence, Landed};
use nix::sys::stat::{Mode, umask};

use super::{cancelled_by_signals, service, spec};
use crate::args::Build;
use crate::display;
use crate::exit::{self, Exit};
use crate::output::{self, tell};

pub(crate) async fn run(args: &Build) -> Exit {
    let built = match spec::load(&args.spec.conf, &args.spec.overrides) {
        Ok(built) => built,
        Err(error) => return spec::report(&args.spec.conf, &error),
    };
    let service = match service::load() {
        Ok(service) => service,
        Err(exit) => return exit,
    };
    let cancel = cancelled_by_signals();
    let mut builder = ImageBuilder::new(built)
        .with_options(PlanOptions::of(&service))
        .with_staging(service.staging.clone())
        .with_cancel(cancel.clone());
    if args.notify {
        builder = match service::notifier(&service) {
            Ok(notifier) => builder.with_notifier(notifier),
            Err(exit) => return exit,
        };
    }
    // Nothing is shown before the plan stands: its errors speak for themselves.
    let planned = tokio::select! {
        planned = builder.plan() => planned,
        // The server of a kickstart may take its time.
        () = cancel.cancelled() => {
            exit::say("the build was cancelled");
            return Exit::Cancelled;
        }
    };
    let plan = match planned {
        Ok(plan) => plan,
        Err(error) => return exit::error(&error),
    };
    // What is made for an image has the same modes whoever builds it; secrets have modes of their own.
    umask(Mode::from_bits_truncate(0o022));
    let builder = builder.with_events(display::events(args.json));
    let registration = registered(&plan);
    let result = builder.build(&plan).await;
    if let Some(registration) = registration {
        ended(registration, &result);
    }
    match result {
        Ok(report) => {
            summary(&report);
            Exit::Done
        }
        Err(BuildFailure {
            error,
            report,
            kept,
        }) => {
            let exit = match error.kind() {
                ErrorKind::Cancelled => {
                    exit::say(&error);
                    Exit::Cancelled
                }
                _ => exit::error(&error),
            };
            if let Some(report) = report {
                delivered(&report);
            }
            if let Some(kept) = kept {
                tell!("{:<12}{}", "kept", kept.display());
            }
            exit
        }
    }
}

/// Enters the build where `fbs logs` looks.
fn registered(plan: &BuildPlan) -> Option<Registration> {
    match Registry::of_host().begin(plan) {
        Ok(registration) => Some(registration),
        Err(error) => {
            tell!("warning: `fbs logs` will not find this build: {error}");
            None
        }
    }
}

fn ended(registration: Registration, result: &Result<BuildReport, BuildFailure>) {
    let report = match result {
        Ok(report) => Some(report),
        Err(failure) => failure.report.as_deref(),
    };
    let (log, place) = report.map(log_left).unwrap_or_default();
    let outcome = match result {
        Ok(_) => Outcome::Succeeded,
        Err(failure) if failure.error.kind() == ErrorKind::Cancelled => Outcome::Cancelled,
        Err(_) => Outcome::Failed,
    };
    if let Err(error) = registration.end(outcome, log, place) {
        tell!("warning: `fbs logs` will not know how this build ended: {error}");
    }
}

fn summary(report: &BuildReport) {
    tell!(
        "\n{}: {} packages, {:.1} s",
        report.title,
        report.packages.len(),
        report.time.total_seconds
    );
    for proof in report.side_repository.iter().flat_map(|side| &side.builds) {
        proved(proof);
    }
    for verdict in &report.boot_tests {
        tell!(
            "boots by {} in {:.0} s: {}",
            verdict.firmware,
            verdict.seconds,
            verdict.matched_line.as_deref().unwrap_or_default().trim()
        );
    }
    delivered(report);
}

/// What of a Koji build is in the image.
fn proved(proof: &BuildProof) {
    tell!(
        "{}: {} of {} landed",
        proof.nvr,
        proof.landed.len(),
        output::count(proof.landed.len() + proof.missing.len(), "package"),
    );
    for Landed { package, evidence } in &proof.landed {
        let how = match evidence {
            Evidence::Checksum => "the very file, by its checksum",
            Evidence::Name => "by its name; the image keeps no checksum",
        };
        tell!("  in the image   {package} ({how})");
    }
    for missing in &proof.missing {
        tell!("  not there      {} ({})", missing.package, missing.absence);
    }
}

/// Where everything is.
pub(super) fn delivered(report: &BuildReport) {
    for delivery in &report.deliveries {
        if let Some(error) = &delivery.error {
            tell!("{:<12}to {}: {error}", "undelivered", delivery.staging);
        }
        if let Some(folder) = &delivery.folder {
            let place = delivery.link.as_ref().unwrap_or(folder);
            everything_in(place.trim_end_matches('/'), delivery, report);
        }
    }
    if let Some(tree) = &report.tree {
        tell!("{:<12}{}", "tree", tree.display());
    }
}

fn everything_in(place: &str, delivery: &DeliveryRecord, report: &BuildReport) {
    let files = report.files.iter();
    for file in files.filter(|file| delivery.files.contains(&file.name)) {
        let what = match file.name.rsplit('.').next() {
            Some("iso") => "image",
            _ if file.name == "CHECKSUM" => "checksums",
            _ if file.name == "images.json" => "metadata",
            _ if file.name.ends_with(".spdx.json") => "packages",
            Some("png") => "screenshot",
            _ if file.name.ends_with(".serial.log") => "console",
            _ if file.name.ends_with("-CHECKSUM") => "checksums",
            _ => "log",
        };
        tell!("{what:<12}{place}/{}", file.name);
    }
    // They come last: a place that lacks nothing has them, whether its record says so or not.
    for (what, name) in [("log", report.log.as_str()), ("report", REPORT)] {
        if delivery.error.is_none() || delivery.files.contains(name) {
            tell!("{what:<12}{place}/{name}");
        }
    }
}
