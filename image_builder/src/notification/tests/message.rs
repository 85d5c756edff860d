use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{notice, notices};
use crate::notification::{Notice, NoticeKind, message};

fn schema(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Every field is described, and what must be there is. The tests with Fedora's client validate in
/// full.
fn assert_described(value: &Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let described = &schema["properties"][name];
                assert!(described.is_object(), "{name} is not described");
                assert_described(field, described);
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(fields.contains_key(name.as_str().unwrap()), "{name}");
            }
        }
        Value::Array(items) => {
            for item in items {
                assert_described(item, &schema["items"]);
            }
        }
        _ => {}
    }
}

#[test]
fn every_kind_has_a_schema_that_describes_all_of_it() {
    let mut topics = BTreeSet::new();
    for notice in notices() {
        let topic = message::topic(&notice.kind);
        let body = message::body(&notice);
        assert_described(&body, &schema(&topic));
        assert!(!body.to_string().contains("f00bar"), "{body}");
        topics.insert(topic);
    }
    let expected = [
        "queued",
        "started",
        "complete",
        "failed",
        "cancelled",
        "expiring",
        "expired",
    ];
    let expected = expected.map(|kind| format!("fbs.build.{kind}.v1"));
    assert_eq!(topics, BTreeSet::from(expected));
}

#[test]
fn a_finished_build_tells_what_a_reader_needs() {
    let [_, _, finished, ..] = notices();
    let body = message::body(&finished);
    assert_eq!(body["job"], "20261121T110219-fvkph6");
    assert!(body["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(body["error"], Value::Null);
    let build = &body["builds"][0];
    assert!(build["landed"].as_u64().unwrap() > 0, "{build}");
    let nvr = build["nvr"].as_str().unwrap();
    let packages = message::packages(&finished);
    assert!(
        nvr.starts_with(&format!("{}-", packages[0])),
        "{packages:?}"
    );
}

#[test]
fn the_id_is_a_uuid_of_the_notice() {
    let queued = || notice(NoticeKind::Queued { watch: None });
    let id = queued().id();
    assert_eq!(id, queued().id());
    assert_eq!(id.len(), 36);
    // Version 8, and the variant of RFC 9562.
    assert_eq!((&id[14..15], &id[8..9], &id[23..24]), ("8", "-", "-"));
    assert!("89ab".contains(&id[19..20]), "{id}");
    // A job ends in one way only.
    let [queued, started, finished, failed, cancelled, ..] = notices();
    let different = [queued, started, finished, failed, cancelled];
    let ids: BTreeSet<String> = different.iter().map(Notice::id).collect();
    assert_eq!(ids.len(), 5);
}
