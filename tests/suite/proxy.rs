//! A TCP proxy whose connections can be cut, and which can say that nobody is behind it.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Passes on what comes to its port.
#[derive(Debug)]
pub struct Proxy {
    /// Its port.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    open: Mutex<Vec<TcpStream>>,
    passed: AtomicU64,
    alone: AtomicBool,
    refused: AtomicU64,
}

/// What a reverse proxy says while the server behind it begins anew.
const BAD_GATEWAY: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

impl Proxy {
    /// Starts one in front of `port` of 127.0.0.1.
    pub fn start(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let own = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        let all = Arc::clone(&shared);
        // Ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if all.alone.load(Ordering::Relaxed) {
                    let all = Arc::clone(&all);
                    thread::spawn(move || all.refuse(client));
                } else if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                    all.pass(client, server);
                }
            }
        });
        Self { port: own, shared }
    }

    /// Bytes that clients sent so far.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::Relaxed)
    }

    /// From now on nobody is behind it, or somebody is again: requests of HTTP are answered with 502 meanwhile.
    pub fn set_alone(&self, alone: bool) {
        self.shared.alone.store(alone, Ordering::Relaxed);
    }

    /// How many were told so.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Cuts every connection that is open.
    pub fn cut(&self) {
        let mut open = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    /// Requests without a body have come in one piece.
    fn refuse(&self, mut client: TcpStream) {
        let mut buffer = [0; 64 * 1024];
        let _ = io::Read::read(&mut client, &mut buffer);
        let _ = client.write_all(BAD_GATEWAY);
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn pass(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.extend([&client, &server].map(|one| one.try_clone().expect("streams are cloned")));
        let twin = |stream: &TcpStream| stream.try_clone().expect("streams are cloned");
        let (up, down) = ((twin(&client), twin(&server)), (server, client));
        let shared = Arc::clone(self);
        thread::spawn(move || shared.copy(up, true));
        let shared = Arc::clone(self);
        thread::spawn(move || shared.copy(down, false));
    }

    fn copy(&self, (mut from, mut to): (TcpStream, TcpStream), counted: bool) {
        let mut buffer = [0; 64 * 1024];
        loop {
            let count = match io::Read::read(&mut from, &mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            if io::Write::write_all(&mut to, &buffer[..count]).is_err() {
                break;
            }
            if counted {
                self.passed.fetch_add(count as u64, Ordering::Relaxed);
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}
