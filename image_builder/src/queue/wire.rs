//! How an entry is written into a message: JSON, with the version of the format beside it.

use serde::{Deserialize, Serialize};
#[cfg(any(feature = "amqp", feature = "sqlite"))]
use sha2::{Digest, Sha256};

use super::QueueError;
use crate::jobs::Entry;

/// The version of the format. One that adds what older readers may pass over keeps it.
pub const VERSION: u32 = 1;

/// The largest message, in bytes: a kickstart of 200 pages is 1 MB.
pub const LARGEST: usize = 8 << 20;

#[derive(Serialize)]
struct Written<'a> {
    fbs: u32,
    #[serde(flatten)]
    entry: &'a Entry,
}

#[derive(Deserialize)]
struct Read {
    fbs: Option<u32>,
    #[serde(flatten)]
    rest: serde_json::Value,
}

/// The message of an entry.
///
/// # Errors
///
/// [`QueueError::TooLarge`].
pub fn encode(entry: &Entry) -> Result<Vec<u8>, QueueError> {
    let written = Written {
        fbs: VERSION,
        entry,
    };
    let bytes = serde_json::to_vec(&written).map_err(|error| {
        QueueError::Unreadable(format!("an entry has no form in JSON: {error}"))
    })?;
    match bytes.len() {
        bytes if bytes > LARGEST => Err(QueueError::TooLarge {
            bytes,
            limit: LARGEST,
        }),
        _ => Ok(bytes),
    }
}

/// What a message is known by: the first 63 bits of its SHA-256.
#[cfg(any(feature = "amqp", feature = "sqlite"))]
pub(super) fn digest(bytes: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(bytes));
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1
}

/// The entry of a message.
///
/// # Errors
///
/// [`QueueError::Unreadable`] with the reason.
pub fn decode(bytes: &[u8]) -> Result<Entry, QueueError> {
    let refuse = |reason: String| Err(QueueError::Unreadable(reason));
    if bytes.len() > LARGEST {
        return refuse(format!(
            "a message of {} bytes; {LARGEST} is the largest",
            bytes.len()
        ));
    }
    let read: Read = match serde_json::from_slice(bytes) {
        Ok(read) => read,
        Err(error) => return refuse(format!("no JSON of ours: {error}")),
    };
    match read.fbs {
        None => return refuse("no message of ours: it has no version".to_owned()),
        Some(version) if version > VERSION => {
            return refuse(format!(
                "version {version} of the format; this program reads up to {VERSION}: bring it up to date"
            ));
        }
        Some(_) => {}
    }
    match serde_json::from_value(read.rest) {
        Ok(entry) => Ok(entry),
        Err(error) => refuse(format!("nothing that version {VERSION} knows: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StageError;
    use crate::events::{Outcome, Stage};
    use crate::jobs::{
        Claim, JobEnding, JobEvent, JobEventKind, JobId, JobRequest, Payload, Priority,
        WorkerEvent, WorkerEventKind,
    };

    fn job(kind: JobEventKind) -> Entry {
        Entry::Job(JobEvent {
            job: JobId::parse("20261121T094224123-k3v9q0ab").unwrap(),
            time: "2026-11-21T09:42:24.123456789Z".parse().unwrap(),
            by: "root@builder".to_owned(),
            kind,
        })
    }

    fn request() -> JobRequest {
        JobRequest {
            title: "live image of Fedora 43 (aarch64)".to_owned(),
            image_type: "live".to_owned(),
            arch: "aarch64".to_owned(),
            release: "43".to_owned(),
            requester: "qa@desk".to_owned(),
            submitted: "2026-11-21T09:42:24Z".parse().unwrap(),
            priority: Priority(-7),
            deadline: Some("2026-11-22T06:00:00Z".parse().unwrap()),
            retry_of: JobId::parse("20261120T094224123-00000000"),
            private: false,
            payload: Some(Payload {
                spec: "[DEFAULT]\ntype = live\n".to_owned(),
                kickstart: Some("lang de_DE.UTF-8\n# \u{1f427} \"%packages\"\n".to_owned()),
            }),
        }
    }

    /// One entry of each kind.
    fn entries() -> Vec<Entry> {
        let claim = Claim {
            worker: "builder1".to_owned(),
            session: "20261121T090000000-00000000".to_owned(),
            run: 3,
        };
        let bare = JobRequest {
            deadline: None,
            retry_of: None,
            private: false,
            payload: None,
            ..request()
        };
        let ending = |outcome, error: Option<&str>| JobEnding {
            outcome,
            error: error.map(str::to_owned),
            exit_code: 4,
            places: vec!["/srv/images/1".to_owned(), "s3://images/1".to_owned()],
            seconds: 1234.5,
        };
        let ended = |ending| JobEventKind::Ended {
            claim: claim.clone(),
            ending,
        };
        let worker = |kind| {
            Entry::Worker(WorkerEvent {
                worker: "builder1".to_owned(),
                session: "20261121T090000000-00000000".to_owned(),
                time: "2026-11-21T09:00:00Z".parse().unwrap(),
                kind,
            })
        };
        vec![
            job(JobEventKind::Queued {
                request: Box::new(request()),
            }),
            job(JobEventKind::Queued {
                request: Box::new(bare),
            }),
            job(JobEventKind::Claimed {
                claim: claim.clone(),
            }),
            job(JobEventKind::Stage {
                claim: claim.clone(),
                stage: Stage::RootImage,
            }),
            job(JobEventKind::Delivering {
                claim: claim.clone(),
                image: true,
            }),
            job(ended(ending(Outcome::Succeeded, None))),
            job(ended(ending(Outcome::Failed, Some("no such package")))),
            job(JobEventKind::HandedBack {
                claim: claim.clone(),
                reason: "the disk is full".to_owned(),
                refused: true,
            }),
            job(JobEventKind::Lost {
                claim: claim.clone(),
                reason: "nothing was heard of it".to_owned(),
            }),
            job(JobEventKind::CancelRequested {
                reason: Some("wrong release".to_owned()),
            }),
            job(JobEventKind::CancelRequested { reason: None }),
            job(JobEventKind::Expired),
            worker(WorkerEventKind::WorkerStarted {
                arch: "x86_64".to_owned(),
                releases: vec!["43".to_owned(), "rawhide".to_owned()],
                slots: 4,
            }),
            worker(WorkerEventKind::WorkerStopped),
            Entry::Mark {
                mark: "20261121T094224123-k3v9q0ab".to_owned(),
            },
        ]
    }

    fn refused(bytes: &[u8]) -> String {
        let error = decode(bytes).unwrap_err();
        assert!(matches!(error, QueueError::Unreadable(_)), "{error:?}");
        assert!(!error.is_transient());
        error.to_string()
    }

    #[test]
    fn an_entry_of_each_kind_is_read_as_it_was_written() {
        for entry in entries() {
            let bytes = encode(&entry).unwrap();
            let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(value["fbs"], VERSION, "{value}");
            assert_eq!(decode(&bytes).unwrap(), entry, "{value}");
        }
    }

    #[test]
    fn the_form_is_that_of_the_documentation() {
        let entry = job(JobEventKind::Lost {
            claim: Claim {
                worker: "builder1".to_owned(),
                session: "s1".to_owned(),
                run: 2,
            },
            reason: "silent".to_owned(),
        });
        let expected = serde_json::json!({
            "fbs": 1,
            "job": "20261121T094224123-k3v9q0ab",
            "time": "2026-11-21T09:42:24.123456789Z",
            "by": "root@builder",
            "event": "lost",
            "claim": { "worker": "builder1", "session": "s1", "run": 2 },
            "reason": "silent",
        });
        let bytes = encode(&entry).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value, expected);
    }

    #[test]
    fn what_a_newer_program_adds_is_passed_over() {
        for entry in entries() {
            let bytes = encode(&entry).unwrap();
            let mut value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            value["colour"] = "green".into();
            for inner in ["claim", "ending", "request"] {
                if let Some(inner) = value.get_mut(inner) {
                    inner["shape"] = serde_json::json!({ "corners": [1, 2] });
                }
            }
            let bytes = serde_json::to_vec(&value).unwrap();
            assert_eq!(decode(&bytes).unwrap(), entry, "{value}");
        }
    }

    #[test]
    fn what_only_a_newer_program_can_read_is_refused_with_the_way_out() {
        for entry in entries() {
            let bytes = encode(&entry).unwrap();
            let mut value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            value["fbs"] = (VERSION + 1).into();
            let words = refused(value.to_string().as_bytes());
            assert_eq!(
                words,
                "version 2 of the format; this program reads up to 1: bring it up to date"
            );
        }
        // Also where nothing else of it is known here.
        let words = refused(br#"{"fbs": 9, "batch": [1, 2]}"#);
        assert!(words.contains("version 9"), "{words}");
    }

    #[test]
    fn rubbish_is_refused_with_a_reason() {
        let nothing_known = "nothing that version 1 knows";
        for (bytes, reason) in [
            (&b""[..], "no JSON of ours"),
            (b"\xff\xfe\x00", "no JSON of ours"),
            (b"{\"fbs\": 1", "no JSON of ours"),
            (b"[1, 2]", "no JSON of ours"),
            (b"null", "no JSON of ours"),
            (b"{\"fbs\": -1}", "no JSON of ours"),
            (b"{\"fbs\": \"1\"}", "no JSON of ours"),
            (b"{}", "it has no version"),
            (b"{\"mark\": \"m\"}", "it has no version"),
            (b"{\"fbs\": 1}", nothing_known),
            (b"{\"fbs\": 1, \"mark\": 5}", nothing_known),
        ] {
            let words = refused(bytes);
            assert!(words.contains(reason), "{words}");
        }
        let whole = encode(&job(JobEventKind::Expired)).unwrap();
        let whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        for (key, wrong) in [
            ("job", "../../etc/passwd".into()),
            ("time", "yesterday".into()),
            ("by", 5.into()),
            ("event", "exploded".into()),
            ("event", "claimed".into()),
        ] {
            let mut value = whole.clone();
            value[key] = wrong;
            let words = refused(value.to_string().as_bytes());
            assert!(words.contains(nothing_known), "{words}");
        }
        for length in 0..encode(&entries()[0]).unwrap().len() {
            refused(&encode(&entries()[0]).unwrap()[..length]);
        }
    }

    #[test]
    fn nested_brackets_are_no_way_to_bring_a_reader_down() {
        let deep = [&br#"{"fbs": 1, "x": "#[..], &b"[".repeat(1 << 20)].concat();
        assert!(refused(&deep).contains("no JSON of ours"));
    }

    #[test]
    fn what_is_too_large_is_neither_written_nor_read() {
        let of = |bytes: usize| {
            let mut request = request();
            request.payload = Some(Payload {
                spec: String::new(),
                kickstart: Some("#".repeat(bytes)),
            });
            job(JobEventKind::Queued {
                request: Box::new(request),
            })
        };
        let around = encode(&of(0)).unwrap().len();
        let largest = encode(&of(LARGEST - around)).unwrap();
        assert_eq!(largest.len(), LARGEST);
        assert!(decode(&largest).is_ok());
        match encode(&of(LARGEST - around + 1)) {
            Err(error @ QueueError::TooLarge { bytes, limit }) => {
                assert_eq!((bytes, limit), (LARGEST + 1, LARGEST));
                assert!(error.hint().is_some());
            }
            other => panic!("{other:?}"),
        }
        let one_more = [&largest[..], b" "].concat();
        assert!(refused(&one_more).contains("8388609 bytes"));
    }
}
