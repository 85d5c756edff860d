use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;

#[test]
fn a_prefix_and_the_objects_below_it() {
    let open = |url: &str| {
        let settings = StagingSettings {
            endpoint: Some("http://127.0.0.1:9/".parse().unwrap()),
            region: Some("us-east-1".to_owned()),
            ..StagingSettings::default()
        };
        ObjectStaging::open(&url.parse().unwrap(), &settings)
    };
    let staging = open("s3://images/nightly/43").unwrap();
    assert_eq!(
        staging.object("x/boot.iso").as_ref(),
        "nightly/43/x/boot.iso"
    );
    assert_eq!(staging.address("x"), "s3://images/nightly/43/x");
    let object = staging.object("x/boot.iso");
    assert_eq!(staging.place(&object), "s3://images/nightly/43/x/boot.iso");
    assert_eq!(open("s3://images").unwrap().object("x").as_ref(), "x");
    let error = open("s3://key:secret@images/").unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

/// What becomes of a request to write.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// The connection is reset before it was read.
    Request,
    /// It is done, and the connection closed without a word.
    Answer,
}

/// An object store of its own, as far as small objects need one.
#[derive(Debug, Default)]
struct Far {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    losses: Mutex<Vec<Loss>>,
    requests: Mutex<Vec<String>>,
}

impl Far {
    /// One that loses the first requests like this, and a place in it.
    fn start(losses: &[Loss]) -> (Arc<Self>, ObjectStaging, tempfile::TempDir) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let far = Arc::new(Self {
            losses: Mutex::new(losses.iter().rev().copied().collect()),
            ..Self::default()
        });
        let serving = Arc::clone(&far);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || drop(serving.answer(stream)));
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "secret\n").unwrap();
        let settings = StagingSettings {
            endpoint: Some(format!("http://127.0.0.1:{port}/").parse().unwrap()),
            region: Some("us-east-1".to_owned()),
            user: Some("key".to_owned()),
            password_file: Some(secret),
            ..StagingSettings::default()
        };
        let staging = ObjectStaging::open(&"s3://images".parse().unwrap(), &settings);
        (far, staging.unwrap(), dir)
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        // One by one: what is left unread resets the connection.
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let (method, rest) = head.split_once(' ').unwrap();
        let path = rest.split([' ', '?']).next().unwrap();
        let key = path.strip_prefix("/images").unwrap().trim_matches('/');
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_owned())
        };
        self.requests
            .lock()
            .unwrap()
            .push(format!("{method} {key}"));
        let loss = match method {
            "PUT" => self.losses.lock().unwrap().pop(),
            _ => None,
        };
        if let Some(Loss::Request) = loss {
            return Ok(());
        }
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let mut objects = self.objects.lock().unwrap();
        let found = objects.get(key).cloned();
        let (status, more, content) = match (method, found) {
            ("PUT", Some(_)) if header("if-none-match").is_some() => (412, String::new(), None),
            ("PUT", _) => {
                objects.insert(key.to_owned(), body);
                (200, "etag: \"1\"\r\n".to_owned(), None)
            }
            ("POST", _) => {
                let text = String::from_utf8(body).unwrap();
                let (_, rest) = text.split_once("<Key>").unwrap();
                let key = rest.split('<').next().unwrap();
                objects.remove(key);
                let text = format!("<Deleted><Key>{key}</Key></Deleted>");
                let text = format!("<DeleteResult>{text}</DeleteResult>");
                (200, String::new(), Some(text.into_bytes()))
            }
            (_, None) => (404, String::new(), None),
            ("GET", Some(all)) => {
                let range = header("range").unwrap();
                let (start, end) = range[6..].split_once('-').unwrap();
                let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
                let range = format!("content-range: bytes {start}-{end}/{}\r\n", all.len());
                (206, range, Some(all[start..=end].to_vec()))
            }
            (_, Some(all)) => (200, String::new(), Some(all)),
        };
        drop(objects);
        if let Some(Loss::Answer) = loss {
            return Ok(());
        }
        let content = content.unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status} said\r\nconnection: close\r\ncontent-length: {}\r\n\
             last-modified: Sat, 21 Nov 2026 11:02:19 GMT\r\n{more}\r\n",
            content.len()
        );
        stream.write_all(head.as_bytes())?;
        if method != "HEAD" {
            stream.write_all(&content)?;
        }
        Ok(())
    }

    fn asked(&self, request: &str) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|one| *one == request).count()
    }
}

fn file(folder: &std::path::Path, content: &str) -> Delivery {
    let file = folder.join("a.log");
    std::fs::write(&file, content).unwrap();
    Delivery {
        file,
        name: "a.log".to_owned(),
        sha256: None,
    }
}

async fn put(staging: &ObjectStaging, delivery: &Delivery) -> Result<Checked, TransferError> {
    let (progress, cancel) = (Progress::silent(), CancellationToken::new());
    let done = staging.put("x", delivery, &progress, &cancel).await;
    done.map(|done| done.checked)
}

#[tokio::test]
async fn a_reservation_whose_answer_was_lost_is_ours() {
    let (far, staging, _dir) = Far::start(&[Loss::Request, Loss::Answer]);
    assert_eq!(staging.reserve("x").await.unwrap(), "x");
    assert_eq!(far.asked("PUT x/fbs-build"), 3);
    assert_eq!(staging.reserve("x").await.unwrap(), "x-2");
}

#[tokio::test]
async fn a_file_whose_answer_was_lost_is_there() {
    for loss in [Loss::Request, Loss::Answer] {
        let (far, staging, dir) = Far::start(&[loss]);
        let log = file(dir.path(), "all went well");
        let done = put(&staging, &log).await;
        assert_eq!(done.unwrap(), Checked::Sha256, "{loss:?}");
        assert_eq!(far.asked("PUT x/a.log"), 2, "{loss:?}");
    }
}

#[tokio::test]
async fn the_same_again_counts_and_another_is_never_written_over() {
    let (far, staging, dir) = Far::start(&[]);
    let log = file(dir.path(), "all went well");
    put(&staging, &log).await.unwrap();
    assert_eq!(put(&staging, &log).await.unwrap(), Checked::Sha256);
    assert_eq!(far.asked("PUT x/a.log"), 1);
    for other in ["all went awry", "nothing"] {
        let error = put(&staging, &file(dir.path(), other)).await.unwrap_err();
        assert!(matches!(error, TransferError::Exists(_)), "{error}");
    }
    let there = far.objects.lock().unwrap().get("x/a.log").cloned();
    assert_eq!(there.unwrap(), b"all went well");
}

#[tokio::test]
async fn what_arrived_otherwise_is_removed_and_sent_again_twice() {
    let (far, staging, dir) = Far::start(&[]);
    let log = Delivery {
        sha256: Some("0".repeat(64)),
        ..file(dir.path(), "all went well")
    };
    let error = put(&staging, &log).await.unwrap_err();
    assert!(matches!(error, TransferError::Corrupt { .. }), "{error}");
    assert_eq!(far.asked("PUT x/a.log"), 3);
    assert!(far.objects.lock().unwrap().is_empty());
}
