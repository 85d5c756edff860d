//! The server over a plain socket.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{Read, Write};
use std::net::TcpStream;

use hub::{Fault, Hub, Times, record};

fn ask(hub: &Hub, head: &str, body: &str) -> String {
    let url = hub.files_url();
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(hub: &Hub, path: &str) -> String {
    ask(hub, &format!("GET {path} HTTP/1.1"), "")
}

#[test]
fn a_folder_of_rpms_is_a_build() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["hello", "hello-libs"] {
        let rpm = rpm::PackageBuilder::new(name, "1.1", "MIT", "x86_64", "A test")
            .release("1.fc43")
            .build()
            .unwrap();
        rpm.write_file(dir.path().join(format!("{name}.rpm")))
            .unwrap();
    }
    let hub = Hub::empty().unwrap();
    assert!(hub.publish(dir.path().join("none").as_ref(), None).is_err());
    let id = hub.publish(dir.path(), Some("hello-1.1-1.fc43")).unwrap();

    let file = "/packages/hello/1.1/1.fc43/x86_64/hello-libs-1.1-1.fc43.x86_64.rpm";
    assert!(get(&hub, file).starts_with("HTTP/1.1 200"));
    let call = format!(
        "<methodCall><methodName>listRPMs</methodName><params><param><value><int>{id}</int>\
         </value></param></params></methodCall>"
    );
    let answer = ask(&hub, "POST /kojihub HTTP/1.1", &call);
    assert_eq!(
        answer.matches("hello-libs-1.1-1.fc43").count(),
        1,
        "{answer}"
    );
    let size = std::fs::metadata(dir.path().join("hello.rpm"))
        .unwrap()
        .len();
    assert!(answer.contains(&format!("<int>{size}</int>")), "{answer}");
    assert_eq!((hub.round_trips(), hub.calls("listRPMs")), (1, 1));
}

#[test]
fn parts_and_faults() {
    let hub = Hub::empty().unwrap();
    hub.insert_file("/packages/a+b/1~2/x", "0123456789");
    let part = ask(
        &hub,
        "GET /packages/a%2Bb/1~2/x HTTP/1.1\r\nRange: bytes=4-",
        "",
    );
    assert!(part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\n456789"));

    let path = "/packages/a+b/1~2/x";
    for (fault, wanted) in [
        (Fault::Status(503), "HTTP/1.1 503"),
        (Fault::Html, "text/html"),
        (Fault::Corrupt, "01234\u{15}6789"),
        (Fault::Cut(3), "content-length: 10"),
    ] {
        hub.fail("a+b", fault, Times::Next(1));
        let answer = get(&hub, path);
        assert!(answer.contains(wanted), "{answer}");
    }
    hub.fail("a+b", Fault::Cut(3), Times::Next(1));
    assert!(get(&hub, path).ends_with("\r\n\r\n012"));
    assert!(get(&hub, path).ends_with("0123456789"));
    assert!(get(&hub, "/packages/../etc/passwd").starts_with("HTTP/1.1 404"));
}

#[test]
fn updates() {
    let hub = Hub::empty().unwrap();
    hub.insert_update("FEDORA-2026-0123456789", record::update("x", &["a-1-1"]));
    assert!(get(&hub, "/updates/FEDORA-2026-0123456789").contains("\"a-1-1\""));
    assert!(get(&hub, "/updates/FEDORA-2026-ffffffffff").starts_with("HTTP/1.1 404"));
}

#[test]
fn it_stops_when_dropped_though_an_answer_hangs() {
    let hub = Hub::empty().unwrap();
    hub.fail("/", Fault::Hang, Times::Always);
    let url = hub.files_url();
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    drop(hub);
    assert!(TcpStream::connect(&address).is_err());
}
