//! Against a server that says what the test wants.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::error::ErrorKind;
use crate::events::{Progress, Stage, Unit};
use crate::jobs::JobState;

/// Answers with one answer after the other, a connection each; keeps what it was asked.
async fn server(answers: Vec<&'static str>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/fbs", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    tokio::spawn(async move {
        for answer in answers {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut request = String::new();
            let mut length = 0;
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                request.push_str(&line);
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            request.push_str(&String::from_utf8_lossy(&body));
            kept.lock().unwrap().push(request);
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (address, asked)
}

const JOB: &str = "HTTP/1.1 201 Created\r\nconnection: close\r\n\r\n\
    {\"id\": \"a-1\", \"title\": \"t\", \"arch\": \"x86_64\", \"release\": \"43\", \"requester\": \"me\",\
    \"submitted\": \"2026-11-22T03:10:23Z\", \"since\": \"2026-11-22T03:10:23Z\", \"state\": \"queued\",\
    \"waits\": {\"before\": 2, \"reason\": \"busy\"}, \"of a newer service\": 1}";

#[tokio::test]
async fn what_is_submitted_again_has_the_same_key() {
    let busy = "HTTP/1.1 503 Busy\r\nconnection: close\r\n\r\n";
    let (address, asked) = server(vec![busy, "", JOB]).await;
    let client = Client::new(&address).unwrap();
    let job = client.submit(&Order::ini("[DEFAULT]\n")).await.unwrap();
    assert_eq!(job.as_str(), "a-1");
    let asked = asked.lock().unwrap();
    let key = |request: &String| {
        let lines: Vec<&str> = request.lines().collect();
        assert_eq!(lines[0], "POST /fbs/api/v1/jobs HTTP/1.1");
        let key = lines
            .iter()
            .find(|line| line.starts_with("idempotency-key: "));
        assert!(
            lines.last().unwrap().contains("\"spec\":\"[DEFAULT]\\n\""),
            "{request}"
        );
        (*key.unwrap()).to_owned()
    };
    let keys: Vec<String> = asked.iter().map(key).collect();
    assert_eq!(keys, vec![keys[0].clone(); 3]);
}

#[tokio::test]
async fn every_mistake_is_told_and_nothing_is_sent_again() {
    let wrong = "HTTP/1.1 422 No\r\nconnection: close\r\ncontent-type: application/problem+json\r\n\r\n\
        {\"type\": \"about:blank\", \"title\": \"No\", \"status\": 422, \"detail\": \"the spec has 2 mistakes\", \"mistakes\": [\
        {\"section\": \"DEFAULT\", \"key\": \"type\", \"line\": 2, \"message\": \"no such type\", \"hint\": \"boot\"},\
        {\"message\": \"empty\"}]}";
    let (address, asked) = server(vec![wrong]).await;
    let error = Client::new(&address)
        .unwrap()
        .submit(&Order::ini(""))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.is_transient()),
        (ErrorKind::Usage, false)
    );
    let expected = format!(
        "{address}: the spec has 2 mistakes\n  [DEFAULT] type: no such type; boot\n  empty"
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_log_goes_on_where_the_connection_broke() {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    let first: &'static str = format!(
        "{head}event: run\ndata: {{\"run\": 1, \"worker\": \"anna\"}}\n\nevent: log\nid: 1:4\ndata: {{\"text\": \"one\\n\"}}\n\nevent: log\nid: 1:8\ndata: \"tw"
    )
    .leak();
    let second: &'static str = format!(
        "{head}event: progress\ndata: {{\"stage\": \"proof\", \"done\": 1, \"total\": 2, \"unit\": \"percent\"}}\n\n\
         event: progress\ndata: {{\"stage\": \"root\", \"done\": 1, \"total\": 2, \"unit\": \"packages\"}}\n\n\
         event: log\nid: 1:8\ndata: {{\"text\": \"two\\n\"}}\n\nevent: end\ndata: {{}}\n\n"
    )
    .leak();
    let (address, asked) = server(vec![first, second]).await;
    let client = Client::new(&address).unwrap();
    let mut log = client.follow("a-1");
    let mut events = Vec::new();
    while let Some(event) = log.next().await.unwrap() {
        events.push(event);
    }
    let run = LogEvent::Run {
        run: 1,
        worker: "anna".to_owned(),
    };
    let lines = |text: &str| LogEvent::Lines(text.to_owned());
    // One of a stage that nobody knows here is passed over.
    let progress = LogEvent::Progress(Progress {
        stage: Stage::Root,
        done: 1,
        total: 2,
        unit: Unit::Packages,
    });
    assert_eq!(events, [run, lines("one\n"), progress, lines("two\n")]);
    let asked = asked.lock().unwrap();
    assert!(asked[0].starts_with("GET /fbs/api/v1/jobs/a-1/log/events HTTP/1.1\r\n"));
    assert!(!asked[0].contains("last-event-id"), "{}", asked[0]);
    assert!(asked[1].contains("last-event-id: 1:4\r\n"), "{}", asked[1]);
}

#[tokio::test]
async fn an_address_that_is_none_and_an_id_that_is_a_path() {
    for address in ["builds.example.org", "ftp://host/", "http://"] {
        let error = Client::new(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
    let (address, asked) = server(vec![JOB]).await;
    let client = Client::new(&address)
        .unwrap()
        .with_token(Secret::new("s3cret"));
    let job = client.job("../../x?y").await.unwrap();
    assert_eq!(
        (job.state, job.waits.unwrap().before),
        (JobState::Queued, 2)
    );
    let asked = asked.lock().unwrap().remove(0);
    let expected = "GET /fbs/api/v1/jobs/%2E%2E%2F%2E%2E%2Fx%3Fy HTTP/1.1\r\n";
    assert!(asked.starts_with(expected), "{}", asked);
    assert!(
        asked.contains("authorization: Bearer s3cret\r\n"),
        "{}",
        asked
    );
    assert!(!format!("{client:?}").contains("s3cret"));
    let nobody = Client::new("http://127.0.0.1:1").unwrap();
    let waiting = tokio::time::timeout(Duration::from_secs(20), nobody.job("a-1"));
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
}
