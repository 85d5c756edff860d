//! A RabbitMQ node of the test's own: own ports, own folders, nothing of the system's.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::certificates::Certificates;
use crate::command::{Program, Running, eventually};
use crate::daemon::{free_port, listens};
use crate::network::{HUB, Network};
use crate::processes;

/// User and password of the node.
pub const LOGIN: (&str, &str) = ("fbs", "s3cret-pass");

/// The server's script that does not change to another user.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A node that waits leaves the processors to the others: <https://www.erlang.org/doc/apps/erts/erl_cmd.html#+sbwt>.
const IDLE: &str = "+sbwt none +sbwtdcpu none +sbwtdio none";

/// How long a node may take to be there, on a machine that builds images at the same time.
const START: Duration = Duration::from_secs(120);

/// A node on loopback. It ends when this is dropped, with all that it started.
#[derive(Debug)]
pub struct RabbitMq {
    folder: PathBuf,
    ports: Ports,
    /// Where it listens, and in whose network.
    address: &'static str,
    network: Option<Arc<Network>>,
    running: Option<Running>,
    /// Erlang's port mapper. One that a node starts stays behind when the node has gone.
    _mapper: Running,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    amqps: u16,
    distribution: u16,
    mapper: u16,
}

impl RabbitMq {
    /// Starts one with its files in a new folder below `top`.
    pub fn start(top: &Path, certificates: &Certificates) -> Self {
        Self::start_at(top, certificates, "127.0.0.1", None)
    }

    /// Starts one on the hub of a network.
    pub fn start_on(network: &Arc<Network>, top: &Path, certificates: &Certificates) -> Self {
        Self::start_at(top, certificates, HUB, Some(network.clone()))
    }

    fn start_at(
        top: &Path,
        certificates: &Certificates,
        address: &'static str,
        network: Option<Arc<Network>>,
    ) -> Self {
        let folder = top.join("rabbitmq");
        fs::create_dir(&folder).expect("it is new");
        let ports = Ports {
            amqp: free_port(),
            amqps: free_port(),
            distribution: free_port(),
            mapper: free_port(),
        };
        let config = format!(
            "listeners.tcp.1 = {address}:{}\nlisteners.ssl.1 = {address}:{}\n\
             ssl_options.cacertfile = {}\nssl_options.certfile = {}\nssl_options.keyfile = {}\n\
             default_user = {}\ndefault_pass = {}\nlog.file = false\nlog.console = true\n\
             log.console.level = warning\n",
            ports.amqp,
            ports.amqps,
            certificates.authority.display(),
            certificates.certificate.display(),
            certificates.key.display(),
            LOGIN.0,
            LOGIN.1
        );
        fs::write(folder.join("rabbitmq.conf"), config).expect("the folder is ours");
        fs::write(folder.join("enabled_plugins"), "[].\n").expect("the folder is ours");
        let mapper = Program::new("epmd").args(["-port", &ports.mapper.to_string()]);
        let mapper = mapper.args(["-address", "127.0.0.1"]);
        let mut node = Self {
            _mapper: on_hub(network.as_deref(), mapper).start(),
            folder,
            ports,
            address,
            network,
            running: None,
        };
        node.resume();
        node
    }

    /// Starts it again after [`RabbitMq::stop`], on the same ports.
    pub fn resume(&mut self) {
        let (folder, ports) = (&self.folder, self.ports);
        let server = Program::new(SERVER)
            .env("HOME", folder)
            .env("RABBITMQ_NODENAME", format!("fbs-{}@localhost", ports.amqp))
            .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", folder.join("log"))
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
            .env(
                "RABBITMQ_ENABLED_PLUGINS_FILE",
                folder.join("enabled_plugins"),
            )
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", IDLE)
            .env("RABBITMQ_DIST_PORT", ports.distribution.to_string())
            .env("ERL_EPMD_PORT", ports.mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1");
        self.running = Some(on_hub(self.network.as_deref(), server).start());
        let answers = || self.answers();
        eventually("RabbitMQ answers", START, answers);
    }

    fn answers(&self) -> bool {
        let ports = [self.ports.amqp, self.ports.amqps];
        match &self.network {
            Some(network) => {
                let connect = ports.map(|port| format!("exec 3<>/dev/tcp/{}/{port}", self.address));
                let bash = Program::new("bash").args(["-c", &connect.join(" && ")]);
                network.on(0, bash).run().code == Some(0)
            }
            None => ports.into_iter().all(listens),
        }
    }

    /// Ends it; what is durable stays.
    pub fn stop(&mut self) {
        // The script is not the server, and does not take it along.
        for process in processes::of(&self.folder) {
            // It may have ended since.
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
        self.running = None;
    }

    /// Takes all that is durable from one that was stopped: as somebody sets a broker up anew.
    pub fn forget(&mut self) {
        assert!(self.running.is_none(), "it runs");
        fs::remove_dir_all(self.folder.join("mnesia")).expect("the folder is ours");
    }

    /// Its address without password, for AMQP.
    pub fn url(&self) -> String {
        format!("amqp://{}@127.0.0.1:{}/%2F", LOGIN.0, self.ports.amqp)
    }

    /// The same with TLS.
    pub fn tls_url(&self) -> String {
        format!("amqps://{}@localhost:{}/%2F", LOGIN.0, self.ports.amqps)
    }

    /// The same with its password, without TLS.
    pub fn url_with_password(&self) -> String {
        let (user, password) = LOGIN;
        let (address, port) = (self.address, self.ports.amqp);
        format!("amqp://{user}:{password}@{address}:{port}/%2F")
    }
}

/// `program` on the hub of a network; here where there is none.
fn on_hub(network: Option<&Network>, program: Program) -> Program {
    match network {
        Some(network) => network.on(0, program),
        None => program,
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.stop();
    }
}
