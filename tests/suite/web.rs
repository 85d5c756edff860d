//! Plain requests to a service over HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// Sends a request of HTTP/1.0, so that the answer comes in one piece; `head` is its first line and further headers,
/// each with its line end. Who reads the answer waits for so long at most.
pub fn send(address: &str, patience: Duration, head: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let limited = stream.set_read_timeout(Some(patience));
    limited.expect("it is a socket");
    let length = body.len();
    let request = format!("{head}host: {address}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("it reads");
    stream
}

/// Status and body of the answer.
pub fn ask(address: &str, patience: Duration, head: &str, body: &str) -> (u16, Vec<u8>) {
    let mut bytes = Vec::new();
    let read = send(address, patience, head, body).read_to_end(&mut bytes);
    read.expect("it answers");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let body = bytes.split_off(end.expect("an answer has a head") + 4);
    let head = String::from_utf8(bytes).expect("a head is text");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.expect("an answer has a status"), body)
}

/// Waits until the records of a service are what its queue says.
pub fn wait_until_ready(address: &str, patience: Duration) {
    let since = Instant::now();
    while ask(address, patience, "GET /readyz HTTP/1.0\r\n", "").0 != 200 {
        assert!(since.elapsed() < patience, "it is not ready");
        thread::sleep(Duration::from_millis(50));
    }
}
