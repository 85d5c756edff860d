use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::notices;
use crate::context::CancellationToken;
use crate::events::Events;
use crate::notification::{
    Limits, Notification, NotificationError, Notifier, Trust, Webhook, message, signature,
};
use crate::secret::Secret;

/// A request as it came.
#[derive(Debug)]
struct Request {
    first: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        &found.unwrap_or_else(|| panic!("{name}: {self:?}")).1
    }
}

/// A server that gives these answers, one after the other, and what it was asked.
fn server(answers: &'static [&'static str]) -> (SocketAddr, JoinHandle<Vec<Request>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let work = move || {
        let answer = |answer: &&str| {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read(&stream);
            write!(
                stream,
                "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            request
        };
        answers.iter().map(answer).collect()
    };
    (address, thread::spawn(work))
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let first = lines.remove(0);
    let headers: Vec<(String, String)> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.unwrap().1.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    Request {
        first,
        headers,
        body: String::from_utf8(body).unwrap(),
    }
}

fn hook(address: SocketAddr) -> Webhook {
    let url = format!("http://{address}/hooks/fbs?token=1");
    Webhook::new(&url, Some(Secret::new("s3cret")), &Trust::default()).unwrap()
}

#[tokio::test]
async fn a_notice_is_signed_and_sent_again_when_the_server_is_busy() {
    let (address, server) = server(&["503 Busy", "429 Slow down", "204 Thanks"]);
    let [_, _, finished, ..] = notices();
    let notifier = Notifier::new(Limits {
        pause: Duration::from_millis(1),
        ..Limits::default()
    });
    let dispatch = notifier.with(Arc::new(hook(address))).open(&Events::new());
    dispatch.send(finished.clone());
    let stop = CancellationToken::new();
    dispatch.close(&stop, Duration::MAX).await;
    let requests = server.join().unwrap();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(request.first, "POST /hooks/fbs?token=1 HTTP/1.1");
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.header("x-fbs-event"), "fbs.build.complete.v1");
        assert_eq!(request.header("x-fbs-delivery"), finished.id());
        let signed = signature(
            "s3cret",
            request.header("x-fbs-timestamp"),
            request.body.as_bytes(),
        );
        assert_eq!(
            request.header("x-fbs-signature-256"),
            format!("sha256={signed}")
        );
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body, message::body(&finished));
    }
}

#[tokio::test]
async fn a_refusal_and_a_redirect_are_final() {
    let [queued, ..] = notices();
    for answer in [
        &["404 Gone"],
        &["302 Over there\r\nLocation: http://127.0.0.1:1/"],
    ] {
        let (address, server) = server(answer);
        let error = hook(address).send(&queued).await.unwrap_err();
        assert!(
            matches!(error, NotificationError::Refused { .. }),
            "{error}"
        );
        assert!(!error.to_string().contains("token"), "{error}");
        assert_eq!(server.join().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_found_out_without_a_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = hook(listener.local_addr().unwrap());
    hook.check().await.unwrap();
    drop(listener);
    let error = hook.check().await.unwrap_err();
    assert!(
        matches!(error, NotificationError::Unreachable { .. }),
        "{error}"
    );
    let [queued, ..] = notices();
    let error = hook.send(&queued).await.unwrap_err();
    assert!(
        matches!(error, NotificationError::Unreachable { .. }),
        "{error}"
    );
}
