//! What a mail says, as blocks: text and HTML are two renderings of the same.

use std::path::Path;

use jiff::Timestamp;

use super::log::{self, TAIL_LINES};
use crate::events::Outcome;
use crate::notification::{Ending, Notice, NoticeKind};
use crate::report::{BuildReport, ErrorRecord, FileRecord};
use crate::retention::Reason;
use crate::verify::{BuildProof, Evidence};

/// A part of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// A sentence or two.
    Text(String),
    /// The title of what follows.
    Heading(String),
    /// Names and values.
    Rows(Vec<(String, String)>),
    /// Lines as a program printed them.
    Lines(Vec<String>),
    /// The picture of this number among the notice's.
    Picture(usize, String),
}

/// What nobody has to save.
const RECORDS_STAY: &str = "Its report, log, checksums and screenshots stay, and it can be built again from the same spec.";

/// The subject, without what introduces it.
pub(super) fn subject(notice: &Notice) -> String {
    let what = match &notice.kind {
        NoticeKind::Queued { .. } => "submitted",
        NoticeKind::Started { .. } => "started",
        NoticeKind::Finished(_) => "finished",
        NoticeKind::Failed(_) => "failed",
        NoticeKind::Cancelled(_) => "cancelled",
        NoticeKind::Unbuilt { .. } => notice.kind.name(),
        NoticeKind::Expiring { .. } => "will be removed",
        NoticeKind::Expired { .. } => "was removed",
    };
    format!("{what}: {}", notice.title)
}

/// The whole text. `tail` is the end of the log.
pub(super) fn blocks(notice: &Notice, tail: &[String]) -> Vec<Block> {
    let mut blocks = vec![Block::Text(opening(notice))];
    match &notice.kind {
        NoticeKind::Queued { watch } => {
            let mut rows = of_job(notice);
            if let Some(watch) = watch {
                rows.push(row("Watch it", watch));
            }
            blocks.push(Block::Rows(rows));
            blocks.push(Block::Text("Another mail comes when it has ended.".into()));
        }
        NoticeKind::Started {
            worker,
            backend,
            watch,
        } => {
            let mut rows = of_job(notice);
            rows.push(row("Worker", worker));
            rows.push(row("Backend", backend));
            rows.extend(watch.as_ref().map(|watch| row("Watch it", watch)));
            blocks.push(Block::Rows(rows));
        }
        NoticeKind::Unbuilt { error, .. } => {
            blocks.extend(of_error(Some(error)));
            blocks.push(Block::Rows(of_job(notice)));
        }
        NoticeKind::Expiring {
            files,
            bytes: size,
            reason,
            ends,
            page,
        } => {
            let mut rows = of_images(notice, files, *size);
            rows.push(row("Removed", going(*reason, *ends)));
            rows.extend(page.as_ref().map(|page| row("Pin it at", page)));
            blocks.push(Block::Rows(rows));
            blocks.push(Block::Text(format!(
                "Download it before, or pin it: it stays as long as it is pinned. The page of the job has a button for \
                 that; for programs it is POST /api/v1/jobs/{}/pin.",
                notice.job
            )));
            blocks.push(Block::Text(RECORDS_STAY.into()));
        }
        NoticeKind::Expired {
            files,
            bytes: size,
            page,
            ..
        } => {
            let mut rows = of_images(notice, files, *size);
            rows.push(row("Removed", format!("{} UTC", minute(notice.time))));
            rows.extend(page.as_ref().map(|page| row("Build it again at", page)));
            blocks.push(Block::Rows(rows));
            blocks.push(Block::Text(RECORDS_STAY.into()));
        }
        NoticeKind::Finished(ending)
        | NoticeKind::Failed(ending)
        | NoticeKind::Cancelled(ending) => {
            blocks.extend(of_error(ending.report.error.as_ref()));
            let mut rows = of_job(notice);
            rows.extend(of_run(&ending.report));
            blocks.push(Block::Rows(rows));
            blocks.extend(of_files(&ending.report));
            blocks.extend(of_builds(&ending.report));
            blocks.extend(of_boots(ending));
            if !matches!(notice.kind, NoticeKind::Finished(_)) && !tail.is_empty() {
                let heading = format!("The last {} lines of the log", tail.len().min(TAIL_LINES));
                blocks.push(Block::Heading(heading));
                blocks.push(Block::Lines(tail.to_vec()));
            }
        }
    }
    blocks
}

fn opening(notice: &Notice) -> String {
    let title = &notice.title;
    match &notice.kind {
        NoticeKind::Queued { .. } => {
            format!("Your image build request has been submitted: a {title}.")
        }
        NoticeKind::Started { .. } => format!("The build of a {title} has begun."),
        NoticeKind::Finished(_) => format!("Your image is built: a {title}."),
        NoticeKind::Failed(ending) => match ending.report.error.as_ref().and_then(|e| e.stage) {
            Some(stage) => format!("The build of a {title} failed, {}.", stage.title()),
            None => format!("The build of a {title} failed."),
        },
        NoticeKind::Cancelled(_) => format!("The build of a {title} was cancelled."),
        NoticeKind::Unbuilt { outcome, .. } => match outcome {
            Outcome::Cancelled => format!("The build of a {title} was cancelled."),
            Outcome::Failed | Outcome::Succeeded => {
                format!("The build of a {title} failed before it began.")
            }
        },
        NoticeKind::Expiring { reason, ends, .. } => {
            let why = match reason {
                Reason::Space => ", because there is little space left",
                Reason::Age | Reason::Gone => "",
            };
            let when = going(*reason, *ends);
            format!("An image of yours will be removed {when}{why}: a {title}.")
        }
        NoticeKind::Expired { reason, warned, .. } => {
            let sorry = match warned {
                Some(_) => "",
                None => " There was no time to tell you before.",
            };
            format!("An image of yours was removed, because {reason}: a {title}.{sorry}")
        }
    }
}

fn row(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn of_job(notice: &Notice) -> Vec<(String, String)> {
    vec![
        row("Job", &notice.job),
        row("Requested by", &notice.requester),
    ]
}

fn of_images(notice: &Notice, files: &[String], size: u64) -> Vec<(String, String)> {
    let mut rows = of_job(notice);
    rows.extend(files.iter().map(|name| row("Image", log::clean(name))));
    rows.push(row("Size", bytes(size)));
    rows
}

/// When images go: `soon after 2026-11-22 06:32 UTC`.
fn going(reason: Reason, ends: Option<Timestamp>) -> String {
    let end = ends.map(|end| format!("soon after {} UTC", minute(end)));
    match (reason, end) {
        (Reason::Space, Some(end)) => format!("when the space is needed, or {end}"),
        (Reason::Space, None) => "when the space is needed".to_owned(),
        (_, end) => end.unwrap_or_else(|| "soon".to_owned()),
    }
}

/// `2026-11-22 06:32`
fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

fn of_run(report: &BuildReport) -> Vec<(String, String)> {
    let mut rows = vec![
        row("Worker", &report.host),
        row("Backend", &report.backend.name),
        row("Took", duration(report.time.total_seconds)),
    ];
    if !report.packages.is_empty() {
        rows.push(row("Packages", report.packages.len().to_string()));
    }
    rows
}

fn of_error(error: Option<&ErrorRecord>) -> Vec<Block> {
    let Some(error) = error else {
        return Vec::new();
    };
    let lines = error.message.lines().map(log::clean).collect();
    let mut blocks = vec![Block::Lines(lines)];
    if let Some(hint) = &error.hint {
        blocks.push(Block::Text(format!("Hint: {hint}")));
    }
    blocks
}

/// Where everything is, once for each place that it was delivered to.
fn of_files(report: &BuildReport) -> Vec<Block> {
    let mut blocks = Vec::new();
    for delivery in &report.deliveries {
        if let Some(error) = &delivery.error {
            let staging = &delivery.staging;
            blocks.push(Block::Text(format!("Not delivered to {staging}: {error}")));
        }
        let Some(place) = delivery.link.as_ref().or(delivery.folder.as_ref()) else {
            continue;
        };
        blocks.push(Block::Heading(format!("Delivered to {place}")));
        let mut rows = Vec::new();
        let there = |file: &&FileRecord| delivery.files.contains(&file.name);
        for file in report.files.iter().filter(there) {
            rows.push(row(what(file), below(place, &file.name)));
            if is_image(file) {
                let FileRecord { size, sha256, .. } = file;
                rows.push(row("Size", format!("{} ({size} bytes)", bytes(*size))));
                rows.push(row("SHA-256", sha256));
            }
        }
        rows.push(row("Log", below(place, &report.log)));
        rows.push(row("Report", below(place, crate::delivery::REPORT)));
        blocks.push(Block::Rows(rows));
    }
    if let Some(kept) = &report.kept_in {
        let kept = kept.display();
        blocks.push(Block::Text(format!("What was made is kept in {kept}.")));
    }
    blocks
}

fn below(place: &str, name: &str) -> String {
    format!("{}/{name}", place.trim_end_matches('/'))
}

fn is_image(file: &FileRecord) -> bool {
    Path::new(&file.name)
        .extension()
        .is_some_and(|end| end == "iso")
}

fn what(file: &FileRecord) -> &'static str {
    match file.name.as_str() {
        _ if is_image(file) => "Image",
        name if name.ends_with("CHECKSUM") => "Checksums",
        "images.json" => "Metadata",
        name if name.ends_with(".spdx.json") => "Bill of materials",
        name if name.ends_with(".png") => "Screenshot",
        name if name.ends_with(".serial.log") => "Console",
        _ => "File",
    }
}

fn of_builds(report: &BuildReport) -> Vec<Block> {
    let Some(side) = &report.side_repository else {
        return Vec::new();
    };
    let mut blocks = vec![Block::Heading("The builds that were asked for".into())];
    blocks.push(Block::Lines(
        side.builds.iter().flat_map(of_build).collect(),
    ));
    blocks
}

fn of_build(proof: &BuildProof) -> Vec<String> {
    let all = proof.landed.len() + proof.missing.len();
    let mut lines = vec![format!(
        "{}: {} of {all} packages are in the image",
        proof.nvr,
        proof.landed.len()
    )];
    lines.extend(proof.landed.iter().map(|landed| {
        let how = match landed.evidence {
            Evidence::Checksum => "the very file, by its checksum",
            Evidence::Name => "by its name",
        };
        format!("  in the image   {} ({how})", landed.package)
    }));
    let missing = proof.missing.iter();
    lines.extend(
        missing
            .map(|missing| format!("  not there      {} ({})", missing.package, missing.absence)),
    );
    lines
}

fn of_boots(ending: &Ending) -> Vec<Block> {
    let verdicts = &ending.report.boot_tests;
    if verdicts.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Heading("Boot test".into())];
    let rows = verdicts.iter().map(|verdict| {
        let line = verdict.matched_line.as_deref().unwrap_or_default();
        let how = match &verdict.failure {
            None => format!(
                "boots in {:.0} s: {}",
                verdict.seconds,
                log::clean(line.trim())
            ),
            Some(failure) => format!("does not boot: {}", log::clean(&failure.summary())),
        };
        (verdict.firmware.to_string(), how)
    });
    blocks.push(Block::Rows(rows.collect()));
    let pictures = ending.screenshots.iter().enumerate();
    blocks.extend(pictures.map(|(n, shot)| Block::Picture(n, shot.name.clone())));
    blocks
}

/// `1 h 2 min`, `3 min 5 s`, `12.3 s`.
fn duration(seconds: f64) -> String {
    // A build takes no longer than its time limit, which is some days at most.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "see above"
    )]
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// `1.2 GiB`.
fn bytes(size: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut amount = size as f64;
    let mut unit = "bytes";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = next;
    }
    match unit {
        "bytes" => format!("{size} bytes"),
        _ => format!("{amount:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_as_people_say_them() {
        for (seconds, words) in [
            (12.34, "12.3 s"),
            (185.2, "3 min 5 s"),
            (3720.0, "1 h 2 min"),
        ] {
            assert_eq!(duration(seconds), words);
        }
        for (size, words) in [
            (7, "7 bytes"),
            (1536, "1.5 KiB"),
            (1_288_490_189, "1.2 GiB"),
        ] {
            assert_eq!(bytes(size), words);
        }
    }
}
