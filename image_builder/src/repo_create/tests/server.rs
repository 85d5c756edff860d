//! A small file server of the tests' own, with faults on demand.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// This status, with these header lines.
    Status(u16, &'static str),
    /// The connection closes after so many bytes of the body.
    Cut(usize),
    /// As `Cut`, and the server does not know ranges: it sends the file from its start.
    CutWhole(usize),
    /// The file ends after so many bytes, and its length says so too.
    Short(usize),
    /// The byte at this place of the file is another one.
    Corrupt(usize),
    /// Nothing comes after so many bytes, and the connection stays.
    Hang(usize),
    /// A `Content-Length` that is larger than the file by so much.
    Longer(usize),
    /// A page instead of the file.
    Html,
    /// So many bytes at a time, with such a pause between them.
    Slow(usize, Duration),
    /// A range that begins somewhere else.
    WrongRange,
}

#[derive(Default)]
struct State {
    files: HashMap<String, Arc<Vec<u8>>>,
    faults: HashMap<String, VecDeque<Fault>>,
    /// Path, and the first byte that was asked for.
    log: Vec<(String, u64)>,
    now: usize,
    most: usize,
}

/// The server; it ends with the test's runtime.
pub(super) struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let _ = serve(stream, &state).await;
                    state.lock().unwrap().now -= 1;
                });
            }
        });
        Self { address, state }
    }

    /// Serves `content` at `/<name>.rpm`; gives the address.
    pub(super) fn add(&self, name: &str, content: &[u8]) -> String {
        let path = format!("/{name}.rpm");
        let url = format!("{}{path}", self.address);
        let content = Arc::new(content.to_vec());
        self.state.lock().unwrap().files.insert(path, content);
        url
    }

    /// The next requests for `/<name>.rpm` go wrong like this, one after the other.
    pub(super) fn fail(&self, name: &str, faults: impl IntoIterator<Item = Fault>) {
        let mut state = self.state.lock().unwrap();
        let queue = state.faults.entry(format!("/{name}.rpm")).or_default();
        queue.extend(faults);
    }

    /// The address of something that is not there.
    pub(super) fn missing(&self, name: &str) -> String {
        format!("{}/missing/{name}.rpm", self.address)
    }

    /// From which bytes on `/<name>.rpm` was asked for.
    pub(super) fn asked(&self, name: &str) -> Vec<u64> {
        let path = format!("/{name}.rpm");
        let state = self.state.lock().unwrap();
        let asked = state.log.iter().filter(|(asked, _)| *asked == path);
        asked.map(|(_, from)| *from).collect()
    }

    /// The most requests that were open at once.
    pub(super) fn most(&self) -> usize {
        self.state.lock().unwrap().most
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    {
        let mut state = state.lock().unwrap();
        state.now += 1;
        state.most = state.most.max(state.now);
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let range = head
        .lines()
        .find_map(|line| line.strip_prefix("range: bytes="));
    let from: usize = range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
    let (file, fault) = {
        let mut state = state.lock().unwrap();
        state.log.push((path.clone(), from as u64));
        let fault = state.faults.get_mut(&path).and_then(VecDeque::pop_front);
        (
            state.files.get(&path).cloned(),
            fault.unwrap_or(Fault::None),
        )
    };
    let Some(file) = file else {
        return stream
            .write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
            .await;
    };
    if let Fault::Status(status, lines) = fault {
        let answer = format!("HTTP/1.1 {status} Fault\r\n{lines}Content-Length: 0\r\n\r\n");
        return stream.write_all(answer.as_bytes()).await;
    }
    let mut content = file.to_vec();
    match fault {
        Fault::Short(length) => content.truncate(length),
        Fault::Corrupt(at) => content[at] ^= 1,
        Fault::Html => content = b"<html><body>please log in</body></html>".repeat(20),
        _ => {}
    }
    let total = content.len();
    if from >= total && range.is_some() {
        let answer = format!(
            "HTTP/1.1 416 No\r\nContent-Range: bytes */{total}\r\nContent-Length: 0\r\n\r\n"
        );
        return stream.write_all(answer.as_bytes()).await;
    }
    let ranged = range.is_some() && !matches!(fault, Fault::CutWhole(_));
    let from = if ranged { from } else { 0 };
    let body = &content[from..];
    let length = body.len()
        + if let Fault::Longer(more) = fault {
            more
        } else {
            0
        };
    let shown = if fault == Fault::WrongRange {
        from / 2
    } else {
        from
    };
    let start = if ranged {
        format!(
            "206 Part\r\nContent-Range: bytes {shown}-{}/{total}",
            total - 1
        )
    } else {
        "200 OK".to_owned()
    };
    let answer = format!("HTTP/1.1 {start}\r\nETag: \"v1\"\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    match fault {
        Fault::Cut(at) | Fault::CutWhole(at) => stream.write_all(&body[..at.min(body.len())]).await,
        Fault::Hang(at) => {
            stream.write_all(&body[..at.min(body.len())]).await?;
            // Until the client goes.
            stream.read_u8().await.map(|_| ())
        }
        Fault::Slow(size, pause) => {
            for chunk in body.chunks(size) {
                stream.write_all(chunk).await?;
                tokio::time::sleep(pause).await;
            }
            Ok(())
        }
        _ => stream.write_all(body).await,
    }
}
