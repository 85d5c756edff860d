//! An OpenSSH server that takes one key.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::command::Program;
use crate::daemon::{Daemon, free_port};

/// An sshd, and what its client needs.
#[derive(Debug)]
pub struct Sshd {
    /// Its port.
    pub port: u16,
    /// The key that root may log in with.
    pub key: PathBuf,
    /// A key that it does not know.
    pub other_key: PathBuf,
    /// A list of known hosts with it.
    pub known_hosts: PathBuf,
    daemon: Daemon,
}

impl Sshd {
    /// Starts one whose files are in `folder`.
    pub fn start(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("the folder is ours");
        // sshd refuses to start without it; systemd makes it elsewhere.
        fs::create_dir_all("/run/sshd").expect("we are root");
        fs::set_permissions("/run/sshd", fs::Permissions::from_mode(0o755)).expect("we are root");
        let key = |name: &str| {
            let path = folder.join(name);
            Program::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&path)
                .run()
                .assert_exit(0);
            path
        };
        let (host_key, own_key, other_key) = (key("host"), key("key"), key("other"));
        let port = free_port();
        let config = folder.join("sshd_config");
        let text = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\n\
             StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin prohibit-password\n\
             PasswordAuthentication no\nSubsystem sftp internal-sftp\nLogLevel VERBOSE\n",
            host_key.display(),
            own_key.with_extension("pub").display(),
        );
        fs::write(&config, text).expect("the folder is ours");
        let public = fs::read_to_string(host_key.with_extension("pub")).expect("it was made");
        let known_hosts = folder.join("known_hosts");
        fs::write(&known_hosts, format!("[127.0.0.1]:{port} {public}"))
            .expect("the folder is ours");
        let sshd = Program::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(&config);
        Self {
            daemon: Daemon::start(sshd, port, folder.join("sshd.log")),
            port,
            key: own_key,
            other_key,
            known_hosts,
        }
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        self.daemon.cut();
    }
}
