//! What a real hub was asked and answered, byte for byte.

use ::hub::{Hub, captures};
use serde_json::{Value as Json, json};
use xmlrpc::Value;

use super::*;
use crate::koji::codec::decode;

fn json_of(value: &Value) -> Json {
    match value {
        Value::Int(number) => (*number).into(),
        Value::Int64(number) => (*number).into(),
        Value::Bool(flag) => (*flag).into(),
        Value::String(text) => text.as_str().into(),
        Value::Double(number) => (*number).into(),
        Value::Array(elements) => elements.iter().map(json_of).collect(),
        Value::Struct(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), json_of(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Nil => Json::Null,
        Value::DateTime(_) | Value::Base64(_) => panic!("no hub sends {value:?}"),
    }
}

#[test]
fn every_answer_is_read_as_python_reads_it() {
    let mut read = 0;
    for capture in captures() {
        let Some(decoded) = capture.decoded else {
            continue;
        };
        let answer = match decode(&capture.response, 150).unwrap() {
            Ok(value) => json_of(&value),
            Err(fault) => json!({"__fault__": [fault.code, fault.text]}),
        };
        assert_eq!(answer, decoded, "{}", capture.name);
        read += 1;
    }
    assert!(read > 55, "{read}");
}

#[test]
fn answers_that_were_not_decoded_then_are_faults_or_no_xml() {
    for capture in captures() {
        if capture.decoded.is_some() {
            continue;
        }
        match decode(&capture.response, 150) {
            Ok(Err(fault)) => assert!(fault.code == 1 || fault.code == 1014, "{fault:?}"),
            Ok(Ok(value)) => panic!("{}: {value:?}", capture.name),
            Err(_) => assert!(capture.name.contains("-http-"), "{}", capture.name),
        }
    }
}

#[test]
fn every_truncated_answer_is_refused() {
    let name = "20-listRPMs-buildID";
    let capture = captures().into_iter().find(|one| one.name == name).unwrap();
    let whole = capture.response.trim_ascii_end();
    for length in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        assert!(decode(&whole[..length], 150).is_err(), "{length}");
    }
}

#[tokio::test]
async fn calls_are_those_of_kojis_own_client() {
    let hub = Hub::of_captures().unwrap();
    let client = client(&hub);
    let sent_as = |name: &str| {
        let capture = captures().into_iter().find(|one| one.name == name).unwrap();
        assert_eq!(
            String::from_utf8(hub.last_body()).unwrap(),
            String::from_utf8(capture.request).unwrap(),
            "{name}"
        );
    };
    let (testing, latest) = (tag("f43-updates-testing"), TagQuery::LATEST);
    let inherit = true;

    for (asked, name) in [
        (nvr("hello-world-tools-2.0-3.fc43"), "01-getBuild-nvr"),
        (id(2_750_002), "02-getBuild-id"),
        (
            nvr("caret-pkg-1.0^20240501git1a2b3c4-2.fc43"),
            "08-getBuild-caret",
        ),
    ] {
        client.get_build(&asked).await.unwrap();
        sent_as(name);
    }
    client.list_rpms(BuildId(2_750_002)).await.unwrap();
    sent_as("20-listRPMs-buildID");
    client.list_tagged(&testing, latest).await.unwrap();
    sent_as("40-listTagged-latest");
    let query = TagQuery { inherit, ..latest };
    client.list_tagged(&testing, query).await.unwrap();
    sent_as("41-listTagged-latest-inherit");
    client.get_latest_builds(&testing).await.unwrap();
    sent_as("45-getLatestBuilds");
    client.list_tagged_rpms(&testing, latest).await.unwrap();
    sent_as("46-listTaggedRPMS");
    let four = [2_750_001, 2_750_002, 2_750_003, 2_750_006].map(BuildId);
    client.list_rpms_of(&four).await.unwrap();
    sent_as("52-multiCall-listRPMs");
}
