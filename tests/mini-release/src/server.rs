//! The release over HTTP, on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::{io, thread};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use tokio::sync::oneshot;
use tower_http::services::ServeDir;

/// An HTTP server (GET, HEAD, ranges) on a thread of its own, so that tests with and without an
/// async runtime can have one. It stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves a folder on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When no port can be opened or no thread started.
    pub fn start(dir: &Path) -> io::Result<Self> {
        Self::start_at(dir, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Serves a folder at an address; port 0 is any free one.
    ///
    /// # Errors
    ///
    /// When the address is taken or no thread can be started.
    pub fn start_at(dir: &Path, address: SocketAddr) -> io::Result<Self> {
        // Bound here rather than on the thread, so that the caller learns of a failure.
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;

        let requests = Arc::new(AtomicU64::new(0));
        let app = router(dir, Arc::clone(&requests));
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = thread::Builder::new()
            .name("mini-release".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                        return;
                    };
                    // Not a graceful end: a client's idle connection would hold it up.
                    tokio::select! {
                        _ = axum::serve(listener, app).into_future() => {}
                        _ = stopped => {}
                    }
                });
                runtime.shutdown_background();
            })?;
        Ok(Self {
            address,
            requests,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where the folder is served, like `http://127.0.0.1:34567`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests have come so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Serves until the process is ended.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take()); // the receiver wakes up when its sender is gone
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn router(dir: &Path, requests: Arc<AtomicU64>) -> Router {
    let count = move |request: Request, next: Next| {
        requests.fetch_add(1, Ordering::Relaxed);
        next.run(request)
    };
    Router::new()
        .fallback_service(ServeDir::new(dir).append_index_html_on_directories(false))
        .layer(middleware::from_fn(count))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn ask(server: &Server, request: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        write!(stream, "{request}\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn files_parts_and_headers_are_served_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "0123456789").unwrap();
        let server = Server::start(dir.path()).unwrap();

        let whole = ask(&server, "GET /a HTTP/1.1");
        assert!(
            whole.starts_with("HTTP/1.1 200") && whole.ends_with("0123456789"),
            "{whole}"
        );
        let part = ask(&server, "GET /a HTTP/1.1\r\nRange: bytes=2-4");
        assert!(
            part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\n234"),
            "{part}"
        );
        let head = ask(&server, "HEAD /a HTTP/1.1");
        assert!(
            head.contains("content-length: 10") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        assert!(ask(&server, "GET /../a HTTP/1.1").starts_with("HTTP/1.1 404"));
        assert_eq!(server.requests(), 4);
    }

    #[test]
    fn it_stops_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path()).unwrap();
        let address = server.address;
        let _idle = TcpStream::connect(address).unwrap();
        drop(server);
        assert!(TcpStream::connect(address).is_err());
    }
}
