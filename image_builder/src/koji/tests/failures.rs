//! Hubs that are down, slow, wrong or hostile.

use std::time::Instant;

use ::hub::{Fault, Hub, Times, record};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::error::{ErrorKind, StageError};

const HUB: &str = "/kojihub";

/// What asking for a build fails with when the hub has this fault for good.
async fn failing(fault: Fault) -> (KojiError, usize) {
    let hub = Hub::of_captures().unwrap();
    hub.fail(HUB, fault, Times::Always);
    let error = client(&hub).get_build(&id(2_750_002)).await.unwrap_err();
    (error, hub.round_trips())
}

fn body(xml: &str) -> Fault {
    let whole = format!(
        "<?xml version='1.0'?>\n<methodResponse><params><param><value>{xml}</value></param>\
         </params></methodResponse>\n"
    );
    Fault::Body(whole.into_bytes())
}

#[tokio::test]
async fn faults_are_typed_and_never_asked_again() {
    let hub = Hub::of_captures().unwrap();
    let client = client(&hub);
    let error = client
        .list_tagged(&tag("no-such-tag"), TagQuery::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the hub at {} knows no tag no-such-tag", hub.hub_url())
    );
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(hub.round_trips(), 1);

    for (name, message, transient) in [
        (
            "88-fault-offline",
            "Outage: database upgrade (fault 1014)",
            true,
        ),
        (
            "60-fault-no-such-method",
            "Invalid method: noSuchMethod (fault 1000)",
            false,
        ),
        (
            "30-listRPMs-by-nvr-fault",
            "psycopg2.errors.InvalidTextRepresentation: invalid input syntax for type integer: \
             \"hello-world-tools-2.0-3.fc43\" (fault 1)",
            false,
        ),
    ] {
        let capture = ::hub::captures()
            .into_iter()
            .find(|one| one.name == name)
            .unwrap();
        hub.heal();
        hub.fail(HUB, Fault::Body(capture.response), Times::Always);
        let before = hub.round_trips();
        let error = client.get_build(&id(1)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the hub at {} refuses getBuild: {message}", hub.hub_url())
        );
        assert_eq!(error.is_transient(), transient, "{name}");
        assert_eq!(hub.round_trips(), before + 1);
    }
}

#[tokio::test]
async fn a_fault_within_a_multi_call() {
    let hub = Hub::of_captures().unwrap();
    let xml = "<array><data><value><struct><member><name>faultCode</name><value><int>1000</int>\
               </value></member><member><name>faultString</name><value><string>no\nmore</string>\
               </value></member></struct></value></data></array>";
    hub.fail(HUB, body(xml), Times::Always);
    let error = client(&hub).get_builds(&[id(1)]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("refuses getBuild: no (fault 1000)"),
        "{error}"
    );
    assert_eq!(hub.round_trips(), 1);
}

#[tokio::test]
async fn a_bad_moment_passes() {
    let hub = Hub::of_captures().unwrap();
    let client = client(&hub);
    for fault in [
        Fault::Status(503),
        Fault::Status(502),
        Fault::Status(429),
        Fault::Cut(100),
        Fault::Cut(0),
        Fault::Short(1000),
        Fault::Short(0),
    ] {
        let before = hub.round_trips();
        hub.fail(HUB, fault.clone(), Times::Next(2));
        let build = client.get_build(&id(2_750_002)).await;
        assert!(build.is_ok_and(|build| build.is_some()), "{fault:?}");
        assert_eq!(hub.round_trips(), before + 3, "{fault:?}");
    }
}

#[tokio::test]
async fn it_gives_up_in_the_end() {
    for (fault, words) in [
        (
            Fault::Status(503),
            "answers 503 Service Unavailable: 503 Service Unavailable (tried 3 times)",
        ),
        (Fault::Short(1000), "ends in the middle (tried 3 times)"),
        (Fault::Cut(1000), "ends in the middle (tried 3 times)"),
    ] {
        let (error, tries) = failing(fault).await;
        assert!(error.to_string().ends_with(words), "{error}");
        assert_eq!((error.kind(), tries), (ErrorKind::Network, 3));
        assert!(error.is_transient());
    }
    let config = KojiConfig::new(Some("http://127.0.0.1:1/kojihub"), None).unwrap();
    let client = HubClient::new(&config, None).unwrap().with_limits(limits());
    let error = client.get_build(&id(1)).await.unwrap_err().to_string();
    let start = "the hub at http://127.0.0.1:1/kojihub cannot be reached: ";
    assert!(
        error.starts_with(start) && error.contains("refused"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_hub_is_asked_once() {
    for (fault, words) in [
        (
            Fault::Html,
            "answered HTML, not XML-RPC: is this the hub's address?",
        ),
        (
            Fault::Body(b"\n<!doctype HTML><title>x</title>".to_vec()),
            "answered HTML, not XML-RPC: is this the hub's address?",
        ),
        (Fault::Status(404), "answers 404 Not Found: 404 Not Found"),
        (
            Fault::Moved("https://me:pw@elsewhere.example/hub".to_owned()),
            "sends callers on to https://me:***@elsewhere.example/hub; use that address",
        ),
    ] {
        let (error, tries) = failing(fault).await;
        assert!(error.to_string().ends_with(words), "{error}");
        assert_eq!((error.kind(), tries), (ErrorKind::Network, 1));
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_hub_that_hangs() {
    let hub = Hub::of_captures().unwrap();
    hub.fail(HUB, Fault::Hang, Times::Always);
    let started = Instant::now();
    let hanging = client(&hub).with_limits(Limits {
        answer: Duration::from_millis(100),
        ..limits()
    });
    let error = hanging.get_build(&id(1)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("cannot be reached: no whole answer within 100ms (tried 3 times)"),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(5));

    // A trickle is no answer, either.
    hub.heal();
    hub.fail(HUB, Fault::Slow(100), Times::Always);
    assert!(hanging.get_build(&id(2_750_002)).await.is_err());
}

#[tokio::test]
async fn cancelled_while_it_waits() {
    let hub = Hub::of_captures().unwrap();
    hub.fail(HUB, Fault::Hang, Times::Always);
    let cancel = CancellationToken::new();
    let client = client(&hub).with_cancel(cancel.clone());
    let asked = tokio::spawn(async move { client.get_build(&id(1)).await });
    while hub.round_trips() == 0 {
        tokio::task::yield_now().await;
    }
    cancel.cancel();
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);

    // Nor does it start once it is cancelled.
    let refused = client_of_nobody().with_cancel(cancel);
    let error = refused.get_build(&id(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

fn client_of_nobody() -> HubClient {
    let config = KojiConfig::new(Some("http://127.0.0.1:1/kojihub"), None).unwrap();
    HubClient::new(&config, None).unwrap()
}

#[tokio::test]
async fn answers_larger_or_deeper_than_any() {
    let hub = Hub::of_captures().unwrap();
    let small = client(&hub).with_limits(Limits {
        body: 100_000,
        ..limits()
    });
    let error = small.list_rpms(BuildId(2_750_009)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("more than 100000 bytes; that is no answer"),
        "{error}"
    );
    assert_eq!(hub.round_trips(), 1);

    let levels = 100_000;
    let bomb = format!(
        "{}{}",
        "<array><data><value>".repeat(levels),
        "</value></data></array>".repeat(levels)
    );
    let (error, tries) = failing(body(&bomb)).await;
    assert!(
        error.to_string().ends_with("nested more than 150 deep"),
        "{error}"
    );
    assert_eq!(tries, 1);
}

#[tokio::test]
async fn answers_that_make_no_sense() {
    let row = |id: &str, state: &str| {
        let member = |name: &str, value: &str| {
            format!("<member><name>{name}</name><value>{value}</value></member>")
        };
        let text = |text: &str| format!("<string>{text}</string>");
        format!(
            "<struct>{}{}{}{}{}</struct>",
            member("id", id),
            member("state", state),
            member("name", &text("a")),
            member("version", &text("1")),
            member("release", &text("1"))
        )
    };
    let number = |number: &str| format!("<int>{number}</int>");
    for (xml, words) in [
        (
            "<int>1</int>".to_owned(),
            "a build is a number, not a struct",
        ),
        ("<struct></struct>".to_owned(), "\"state\" is missing"),
        (row("<nil/>", &number("1")), "\"id\" is missing"),
        (
            row(&number("-1"), &number("1")),
            "\"id\" is -1, a negative number",
        ),
        (
            row(&number("1"), &number("9")),
            "\"state\" is 9, which is no state of a build",
        ),
        (
            row(&number("7"), &number("1")),
            "it is about a-1-1 (build 7) when asked for build 2750002",
        ),
    ] {
        let (error, tries) = failing(body(&xml)).await;
        let words = format!("to getBuild cannot be used: {words}");
        assert!(error.to_string().ends_with(&words), "{error}");
        assert_eq!((error.kind(), tries), (ErrorKind::Network, 1));
    }
    let (error, _) = failing(Fault::Corrupt).await;
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[tokio::test]
async fn answers_to_other_calls() {
    let hub = Hub::of_captures().unwrap();
    hub.fail(HUB, body("<array><data></data></array>"), Times::Always);
    let client = client(&hub);
    let error = client.get_builds(&[id(1), id(2)]).await.unwrap_err();
    assert!(
        error.to_string().ends_with("0 answers to 2 calls"),
        "{error}"
    );

    hub.heal();
    hub.insert_build(record::build(1, "a", "1", "1"));
    hub.insert_build(record::build(2, "b", "1", "1"));
    let mut stray = record::rpm(1, 2, "b", "1", "1", "noarch");
    hub.insert_rpm(stray.clone());
    stray["size"] = (-5).into();
    stray["id"] = 2.into();
    assert!(client.list_rpms(BuildId(2)).await.is_ok());
    hub.insert_rpm(stray);
    let error = client.list_rpms(BuildId(2)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("\"size\" is -5, a negative number"),
        "{error}"
    );
}

#[tokio::test]
async fn what_no_hub_takes_is_not_sent() {
    let hub = Hub::of_captures().unwrap();
    let error = client(&hub).get_build(&id(u64::MAX)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(hub.requests(), 0);
}

#[tokio::test]
async fn passwords_in_addresses_are_not_shown() {
    let config = KojiConfig::new(Some("http://me:secret@127.0.0.1:1/kojihub"), None).unwrap();
    let client = HubClient::new(&config, None).unwrap().with_limits(limits());
    let error = client.get_build(&id(1)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("http://me:***@127.0.0.1:1/kojihub"),
        "{error}"
    );
}
