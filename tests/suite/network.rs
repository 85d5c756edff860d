//! A network of namespaces: hosts of their own on one machine, joined by a bridge in one of them.
//!
//! Nothing of it touches the machine's own network.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::command::Program;

/// Each network of this process has another number.
static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// The address of the hub.
pub const HUB: &str = "10.77.0.1";

/// A hub and hosts around it: the first is 10.77.0.2.
#[derive(Debug)]
pub struct Network {
    prefix: String,
    hosts: u8,
}

impl Network {
    /// One with so many hosts beside the hub.
    pub fn new(hosts: u8) -> Self {
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let network = Self {
            prefix: format!("fbs{}x{number}", std::process::id()),
            hosts,
        };
        let hub = network.name(0);
        ip(&["netns", "add", &hub]);
        let in_hub = |arguments: &[&str]| ip(&[&["-n", &hub], arguments].concat());
        in_hub(&["link", "set", "lo", "up"]);
        in_hub(&["link", "add", "bridge", "type", "bridge"]);
        in_hub(&["address", "add", "10.77.0.1/24", "dev", "bridge"]);
        in_hub(&["link", "set", "bridge", "up"]);
        for host in 1..=hosts {
            let name = network.name(host);
            let port = format!("port{host}");
            ip(&["netns", "add", &name]);
            in_hub(&[
                "link", "add", &port, "type", "veth", "peer", "name", "wire", "netns", &name,
            ]);
            in_hub(&["link", "set", &port, "master", "bridge", "up"]);
            let address = format!("10.77.0.{}/24", host + 1);
            ip(&["-n", &name, "link", "set", "lo", "up"]);
            ip(&["-n", &name, "address", "add", &address, "dev", "wire"]);
            ip(&["-n", &name, "link", "set", "wire", "up"]);
        }
        network
    }

    fn name(&self, host: u8) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// `program` in the namespace of a host; the hub is 0.
    pub fn on(&self, host: u8, program: Program) -> Program {
        let outer = Program::new("ip").args(["netns", "exec", &self.name(host)]);
        program.inside(outer)
    }

    /// Cuts a host off, or joins it again.
    pub fn cut(&self, host: u8, off: bool) {
        let port = format!("port{host}");
        let state = if off { "down" } else { "up" };
        ip(&["-n", &self.name(0), "link", "set", &port, state]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in 0..=self.hosts {
            // What is left of one that was not made as a whole.
            let _ = Program::new("ip")
                .args(["netns", "delete", &self.name(host)])
                .run();
        }
    }
}

fn ip(arguments: &[&str]) {
    Program::new("ip").args(arguments).run().assert_exit(0);
}
