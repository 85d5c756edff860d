mod message;
mod notifier;
mod webhook;

use super::{Ending, Notice, NoticeKind};
use crate::error::ErrorKind;
use crate::events::{Outcome, Stage};
use crate::report::{BuildReport, ErrorRecord, SideRecord};
use crate::retention::Reason;

/// The example of the report's documentation.
pub(crate) fn report() -> BuildReport {
    let text = include_str!("../../../../docs/report.md");
    let block = text.split("```json\n").last().unwrap();
    let mut report: serde_json::Value =
        serde_json::from_str(block.split("```").next().unwrap()).unwrap();
    report["name"] = "Fedora-43".into();
    report["deliveries"] = serde_json::json!([
        {"staging": "ftp://h/pub", "folder": "ftp://h/pub/Fedora-43", "link": "https://w/Fedora-43/", "files": []},
        {"staging": "/srv", "files": [], "error": "the disk is full"},
    ]);
    serde_json::from_value(report).unwrap()
}

/// The example of a side repository in it.
pub(super) fn side() -> SideRecord {
    let text = include_str!("../../../../docs/report.md");
    let (_, rest) = text.split_once("### `side_repository`").unwrap();
    let block = rest.split("```json\n").nth(1).unwrap();
    let part: serde_json::Value = serde_json::from_str(block.split("```").next().unwrap()).unwrap();
    serde_json::from_value(part["side_repository"].clone()).unwrap()
}

pub(crate) fn notice(kind: NoticeKind) -> Notice {
    Notice {
        job: "20261121T110219-fvkph6".into(),
        title: "boot image of Fedora 43 (x86_64)".into(),
        image_type: "boot".into(),
        release: "43".into(),
        arch: "x86_64".into(),
        time: "2026-11-21T11:02:19.5Z".parse().unwrap(),
        recipients: vec!["qa@example.test".into(), "dev@example.test".into()],
        requester: "root@builder".into(),
        kind,
    }
}

/// One of each kind.
pub(super) fn notices() -> [Notice; 8] {
    let ended = |outcome| {
        let mut report = report();
        report.outcome = outcome;
        report.side_repository = Some(side());
        report.error = (outcome != Outcome::Succeeded).then(|| ErrorRecord {
            stage: Some(Stage::Root),
            kind: ErrorKind::Failed,
            message: "`dnf -x http://me:f00bar@h/` failed".into(),
            hint: Some("try again".into()),
        });
        notice(NoticeKind::ended(Ending {
            report,
            log: None,
            screenshots: Vec::new(),
        }))
    };
    [
        notice(NoticeKind::Queued {
            watch: Some("fbs logs -f".into()),
        }),
        notice(NoticeKind::Started {
            worker: "builder".into(),
            backend: "native".into(),
            watch: Some("http://builder:8070/jobs/a-1".into()),
        }),
        ended(Outcome::Succeeded),
        ended(Outcome::Failed),
        ended(Outcome::Cancelled),
        notice(NoticeKind::Unbuilt {
            outcome: Outcome::Failed,
            error: Box::new(ErrorRecord {
                stage: None,
                kind: ErrorKind::Failed,
                message: "given up: 3 workers began with it, and none came to an end".into(),
                hint: None,
            }),
        }),
        notice(NoticeKind::Expiring {
            files: vec!["Fedora-43-boot.iso".into()],
            bytes: 900 << 20,
            reason: Reason::Age,
            ends: Some("2026-12-05T11:02:19Z".parse().unwrap()),
            page: Some("https://images.example.test/jobs/a-1".into()),
        }),
        notice(NoticeKind::Expired {
            files: vec!["Fedora-43-boot.iso".into()],
            bytes: 900 << 20,
            reason: Reason::Space,
            warned: Some("2026-12-03T11:02:19Z".parse().unwrap()),
            page: Some("https://images.example.test/jobs/a-1".into()),
        }),
    ]
}
