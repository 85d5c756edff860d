//! Servers that the service fetches from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The paths that a server was asked for, in their order.
pub(super) type Asked = Arc<Mutex<Vec<String>>>;

/// A server of these: the path, the status with what else stands in the head, and the body. Gives its address.
pub(super) async fn serve<const N: usize>(files: [(&str, &str, &str); N]) -> (String, Asked) {
    let files = files.map(|(path, status, body)| {
        let answer = (status.to_owned(), body.to_owned());
        (path.to_owned(), answer)
    });
    let files = HashMap::from(files);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let log = asked.clone();
    tokio::spawn(async move {
        let nothing = ("404 Not Found".to_owned(), String::new());
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let path = request.split(' ').nth(1).unwrap();
            log.lock().unwrap().push(path.to_owned());
            let (status, body) = files.get(path).unwrap_or(&nothing);
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, asked)
}
