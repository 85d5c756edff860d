//! A server of a test: started with it, gone with it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::command::{Program, eventually};

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(60);

/// Ports below those that are given to who asks for any: between the choice of a port and the start of its server no other
/// test gets it by chance.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 22_000;

/// A port of this host that nobody listens on, another one each time.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Runs beside this one begin elsewhere.
    let first = std::process::id().wrapping_mul(7919) % u32::from(PORTS);
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let number = (first + u32::from(given)) % u32::from(PORTS);
        let port = FIRST_PORT + u16::try_from(number).expect("it is less than PORTS");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Whether something listens on `port` of 127.0.0.1.
pub fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A running server, with its process group.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts a program and waits until something listens on `port` of 127.0.0.1. What it prints
    /// goes to `log`, behind what is there.
    ///
    /// # Panics
    ///
    /// When it ends instead, with what it said.
    pub fn start(program: Program, port: u16, log: PathBuf) -> Self {
        let open = || {
            let file = File::options().create(true).append(true).open(&log);
            file.unwrap_or_else(|error| panic!("{}: {error}", log.display()))
        };
        let mut command = program.into_command();
        let child = command
            .stdout(open())
            .stderr(open())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut daemon = Self { child, log };
        daemon.wait_for(port);
        daemon
    }

    fn wait_for(&mut self, port: u16) {
        let started = std::time::Instant::now();
        while !listens(port) {
            let ended = self.child.try_wait().expect("it is our child");
            assert!(
                ended.is_none() && started.elapsed() < START,
                "no server on port {port}: {ended:?}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it printed.
    pub fn log(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Kills the processes that it started for its clients, and not itself: every connection breaks.
    pub fn cut(&self) {
        for pid in descendants(self.pid()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let below = descendants(self.pid());
        let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        // A session may be the leader of a group of its own.
        for pid in below {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

fn descendants(pid: i32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    let children: Vec<i32> = children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect();
    let below: Vec<i32> = children.iter().copied().flat_map(descendants).collect();
    [children, below].concat()
}

/// Waits until the file at `path` has `bytes` bytes.
///
/// # Panics
///
/// When it does not come to that in a minute.
pub fn wait_for_bytes(path: &std::path::Path, bytes: u64) {
    let there = || path.metadata().is_ok_and(|file| file.len() >= bytes);
    eventually(&format!("{} grows", path.display()), START, there);
}
