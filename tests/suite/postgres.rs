//! A PostgreSQL server of the test's own: own port, own folder, nothing of the system's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::unistd::{User, chown};
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::command::{Finished, Program, eventually};
use crate::daemon::{Daemon, free_port};

/// User and password of the server.
pub const LOGIN: (&str, &str) = ("fbs", "s3cret-pass");

/// Who it runs as: PostgreSQL refuses to be root.
const USER: &str = "postgres";

/// How long a server may take to be there, on a machine that builds images at the same time.
const START: Duration = Duration::from_secs(60);

/// A server on loopback. It ends when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    // Ended before its folder goes.
    running: Option<Daemon>,
    programs: PathBuf,
    port: u16,
    folder: TempDir,
    databases: AtomicU32,
}

impl Postgres {
    /// Starts one with a new folder. TLS is there for those who want it.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("fbs-postgres-").tempdir();
        let folder = folder.expect("a folder in the system's one for such");
        let owned = |path: &Path, mode| {
            let user = User::from_name(USER).expect("users can be looked up");
            let user = user.expect("PostgreSQL's package makes its user");
            chown(path, Some(user.uid), Some(user.gid)).expect("we are root");
            fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("we are root");
        };
        let certificates = Certificates::make(folder.path());
        owned(&certificates.certificate, 0o644);
        owned(&certificates.key, 0o600);
        let password = folder.path().join("password");
        fs::write(&password, LOGIN.1).expect("the folder is ours");
        owned(&password, 0o600);
        owned(folder.path(), 0o700);
        let mut server = Self {
            running: None,
            programs: programs(),
            port: free_port(),
            folder,
            databases: AtomicU32::new(0),
        };
        let made = server
            .as_user("initdb")
            .args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--auth=scram-sha-256", "--username", LOGIN.0, "--pwfile"])
            .arg(&password)
            .arg("--pgdata")
            .arg(server.data())
            .run();
        made.assert_exit(0);
        server.resume();
        server
    }

    /// Starts it again after [`Postgres::stop`], on the same port.
    pub fn resume(&mut self) {
        let certificate = self.folder.path().join("server.pem");
        let key = self.folder.path().join("server.key");
        let program = self
            .as_user("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args([
                "-c",
                &format!("unix_socket_directories={}", self.folder.path().display()),
            ])
            .args(["-c", "ssl=on"])
            .args(["-c", &format!("ssl_cert_file={}", certificate.display())])
            .args(["-c", &format!("ssl_key_file={}", key.display())]);
        let log = self.folder.path().join("log");
        self.running = Some(Daemon::start(program, self.port, log));
        // It listens before it answers.
        let ready = || self.program("pg_isready").run().code == Some(0);
        eventually("PostgreSQL answers", START, ready);
    }

    /// Kills it, with all it does for its clients; what it has confirmed stays.
    pub fn stop(&mut self) {
        self.running = None;
        // Its processes hold its memory until the last of them has noticed.
        let gone = || !self.data().join("postmaster.pid").exists() || !self.answers();
        eventually("PostgreSQL has gone", START, gone);
    }

    fn answers(&self) -> bool {
        self.program("pg_isready").run().code == Some(0)
    }

    /// The address of a new, empty database.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("fbs{number}");
        let made = self.sql("postgres", &format!("CREATE DATABASE {name}"));
        made.assert_exit(0);
        self.url(LOGIN.1, &name)
    }

    /// The same by its socket, which is there in other networks as well.
    pub fn by_socket(&self, address: &str) -> String {
        format!("{address}?host={}", self.folder.path().display())
    }

    /// The address of a database of which nothing else is known.
    pub fn url(&self, password: &str, database: &str) -> String {
        let Self { port, .. } = self;
        format!(
            "postgres://{}:{password}@127.0.0.1:{port}/{database}",
            LOGIN.0
        )
    }

    /// The authority that signed the server's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Runs a statement in a database.
    pub fn sql(&self, database: &str, statement: &str) -> Finished {
        let psql = self.program("psql");
        psql.args(["--dbname", database, "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--command", statement])
            .run()
    }

    /// The same in the database of an address that [`Postgres::database`] gave.
    pub fn sql_at(&self, address: &str, statement: &str) -> Finished {
        let (_, database) = address.rsplit_once('/').expect("it has a path");
        self.sql(database, statement)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A client of it.
    fn program(&self, name: &str) -> Program {
        Program::new(self.programs.join(name))
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", LOGIN.0)
            .env("PGPASSWORD", LOGIN.1)
            .folder(Path::new("/"))
    }

    fn as_user(&self, name: &str) -> Program {
        Program::new("setpriv")
            .args(["--reuid", USER, "--regid", USER, "--init-groups", "--"])
            .arg(self.programs.join(name))
            .folder(Path::new("/"))
    }
}

/// Debian keeps them in a folder for each version, Fedora where all programs are.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let newest = versions.filter(|bin| bin.join("initdb").exists()).max();
    newest.unwrap_or_else(|| PathBuf::from("/usr/bin"))
}
