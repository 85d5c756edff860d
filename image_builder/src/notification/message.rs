//! A notice as JSON: the body of a webhook and of a message on the bus. Each kind has a JSON Schema
//! in [docs/schemas](https://json-schema.org/).

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Ending, Notice, NoticeKind};
use crate::koji::Nvr;
use crate::redact;
use crate::report::{BuildReport, ErrorRecord, FileRecord};
use crate::transfer::DeliveryRecord;
use crate::verify::Firmware;

/// The topic without its prefix, which is also the schema's name: `fbs.build.complete.v1`.
#[must_use]
pub fn topic(kind: &NoticeKind) -> String {
    format!("fbs.build.{}.v1", kind.name())
}

/// The notice as a JSON object, without passwords.
#[must_use]
pub fn body(notice: &Notice) -> Value {
    let mut body = serde_json::to_value(Message::of(notice)).unwrap_or_default();
    redact::json(&mut body);
    body
}

/// The source packages that a notice is about.
#[must_use]
pub fn packages(notice: &Notice) -> Vec<String> {
    let proofs = notice
        .ending()
        .and_then(|ending| ending.report.side_repository.as_ref());
    let names = proofs.iter().flat_map(|side| &side.builds);
    names
        .filter_map(|proof| Some(proof.nvr.parse::<Nvr>().ok()?.name().to_owned()))
        .collect()
}

#[derive(Serialize)]
struct Message<'a> {
    job: &'a str,
    title: &'a str,
    image_type: &'a str,
    release: &'a str,
    arch: &'a str,
    requester: &'a str,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    watch: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'a str>,
    #[serde(flatten)]
    left: Option<Left<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ErrorRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<ImagesMessage<'a>>,
}

/// Images that will go, or went.
#[derive(Serialize)]
struct ImagesMessage<'a> {
    files: &'a [String],
    bytes: u64,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warned: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'a str>,
}

/// What a job left.
#[derive(Serialize)]
struct Left<'a> {
    seconds: f64,
    deliveries: Vec<DeliveryMessage<'a>>,
    files: &'a [FileRecord],
    log: &'a str,
    packages: usize,
    builds: Vec<BuildMessage<'a>>,
    boot_tests: Vec<BootMessage>,
}

#[derive(Serialize)]
struct DeliveryMessage<'a> {
    staging: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> From<&'a DeliveryRecord> for DeliveryMessage<'a> {
    fn from(record: &'a DeliveryRecord) -> Self {
        Self {
            staging: &record.staging,
            folder: record.folder.as_deref(),
            link: record.link.as_deref(),
            error: record.error.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct BuildMessage<'a> {
    nvr: &'a str,
    landed: usize,
    missing: usize,
}

#[derive(Serialize)]
struct BootMessage {
    firmware: Firmware,
    passed: bool,
    seconds: f64,
}

impl<'a> Message<'a> {
    fn of(notice: &'a Notice) -> Self {
        let (mut watch, mut worker, mut backend) = (None, None, None);
        let (mut left, mut error, mut images) = (None, None, None);
        match &notice.kind {
            NoticeKind::Queued { watch: place } => watch = place.as_deref(),
            NoticeKind::Started {
                worker: host,
                backend: name,
                watch: place,
            } => {
                (worker, backend) = (Some(host.as_str()), Some(name.as_str()));
                watch = place.as_deref();
            }
            NoticeKind::Unbuilt { error: reason, .. } => error = Some(&**reason),
            NoticeKind::Expiring {
                files,
                bytes,
                reason,
                ends,
                page,
            } => {
                images = Some(ImagesMessage {
                    files,
                    bytes: *bytes,
                    reason: reason.name(),
                    ends: *ends,
                    warned: None,
                    page: page.as_deref(),
                });
            }
            NoticeKind::Expired {
                files,
                bytes,
                reason,
                warned,
                page,
            } => {
                images = Some(ImagesMessage {
                    files,
                    bytes: *bytes,
                    reason: reason.name(),
                    ends: None,
                    warned: *warned,
                    page: page.as_deref(),
                });
            }
            NoticeKind::Finished(ending)
            | NoticeKind::Failed(ending)
            | NoticeKind::Cancelled(ending) => {
                let Ending { report, .. } = &**ending;
                worker = Some(report.host.as_str());
                backend = Some(report.backend.name.as_str());
                left = Some(Left::of(report));
                error = report.error.as_ref();
            }
        }
        Self {
            job: &notice.job,
            title: &notice.title,
            image_type: &notice.image_type,
            release: &notice.release,
            arch: &notice.arch,
            requester: &notice.requester,
            time: notice.time,
            watch,
            worker,
            backend,
            left,
            error,
            images,
        }
    }
}

impl<'a> Left<'a> {
    fn of(report: &'a BuildReport) -> Self {
        let builds = report.side_repository.iter().flat_map(|side| &side.builds);
        Self {
            seconds: report.time.total_seconds,
            deliveries: report
                .deliveries
                .iter()
                .map(DeliveryMessage::from)
                .collect(),
            files: &report.files,
            log: &report.log,
            packages: report.packages.len(),
            builds: builds
                .map(|proof| BuildMessage {
                    nvr: &proof.nvr,
                    landed: proof.landed.len(),
                    missing: proof.missing.len(),
                })
                .collect(),
            boot_tests: report
                .boot_tests
                .iter()
                .map(|verdict| BootMessage {
                    firmware: verdict.firmware,
                    passed: verdict.passed,
                    seconds: verdict.seconds,
                })
                .collect(),
        }
    }
}
