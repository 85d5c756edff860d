//! A TCP proxy whose connections can be cut.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
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
}

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
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
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
