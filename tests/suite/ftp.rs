//! FTP servers: vsftpd with anonymous uploads into `pub`, as the service of 2012 had it, and one of
//! pyftpdlib with a quota.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use crate::binaries;
use crate::certificates::Certificates;
use crate::command::Program;
use crate::daemon::{Daemon, free_port};
use crate::python;

/// How vsftpd is to be otherwise.
#[derive(Debug, Default)]
pub struct Options<'a> {
    /// Bytes in a second; 0 is as many as can be.
    pub rate: u64,
    /// Only over TLS.
    pub tls: Option<&'a Certificates>,
    /// TLS from the first byte, on the port that is assigned to it, of 127.0.0.1.
    pub implicit: bool,
    /// Further lines of its configuration.
    pub more: &'a str,
}

/// A vsftpd.
#[derive(Debug)]
pub struct Vsftpd {
    /// Its port.
    pub port: u16,
    folder: PathBuf,
    daemon: Option<Daemon>,
}

impl Vsftpd {
    /// Starts one whose files are below `folder`.
    pub fn start(folder: &Path, options: &Options<'_>) -> Self {
        let port = if options.implicit { 990 } else { free_port() };
        let server = Self {
            port,
            folder: folder.to_owned(),
            daemon: None,
        };
        fs::create_dir_all(server.root()).expect("the folder is ours");
        let tls = options.tls.map_or(String::new(), |tls| {
            format!(
                "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=YES\n\
                 force_anon_data_ssl=YES\nrequire_ssl_reuse=YES\nssl_ciphers=HIGH\n\
                 rsa_cert_file={}\nrsa_private_key_file={}\nimplicit_ssl={}\n",
                tls.certificate.display(),
                tls.key.display(),
                if options.implicit { "YES" } else { "NO" }
            )
        });
        let config = format!(
            "listen=YES\nbackground=NO\nlisten_address=127.0.0.1\nlisten_port={port}\n\
             anonymous_enable=YES\nno_anon_password=YES\nlocal_enable=YES\nwrite_enable=YES\n\
             anon_root={}\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\n\
             anon_other_write_enable=YES\nanon_umask=022\nanon_max_rate={}\n\
             secure_chroot_dir={}\nlog_ftp_protocol=YES\nxferlog_enable=YES\n\
             xferlog_std_format=NO\nvsftpd_log_file={}\nseccomp_sandbox=NO\n{tls}{}",
            server.root().display(),
            options.rate,
            server.make("empty").display(),
            server.protocol_file().display(),
            options.more,
        );
        fs::write(folder.join("vsftpd.conf"), config).expect("the folder is ours");
        let mut server = server;
        server.restart();
        server
    }

    /// Its anonymous users' folder `pub`, which is made.
    pub fn make_pub(&self) -> PathBuf {
        let path = self.root().join("pub");
        fs::create_dir_all(&path).expect("the folder is ours");
        let ftp = nix::unistd::User::from_name("ftp").expect("users are known");
        let ftp = ftp.expect("the package vsftpd makes the user ftp");
        chown(&path, Some(ftp.uid.as_raw()), Some(ftp.gid.as_raw())).expect("we are root");
        path
    }

    /// Where anonymous users are.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Every command and answer.
    pub fn protocol(&self) -> String {
        fs::read_to_string(self.protocol_file()).unwrap_or_default()
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        self.daemon.as_ref().expect("it runs").cut();
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.daemon = None;
    }

    /// Starts it again.
    pub fn restart(&mut self) {
        let vsftpd = Program::new("vsftpd").arg(self.folder.join("vsftpd.conf"));
        let log = self.folder.join("vsftpd.out");
        self.daemon = Some(Daemon::start(vsftpd, self.port, log));
    }

    fn make(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::create_dir_all(&path).expect("the folder is ours");
        path
    }

    fn protocol_file(&self) -> PathBuf {
        self.folder.join("vsftpd.log")
    }
}

/// A server on which nobody may have more than `bytes` bytes in a file: `qa` with the password
/// `secret` has its files in `folder`.
pub fn with_quota(folder: &Path, bytes: u64, port: u16) -> Daemon {
    let server = Program::new(python::interpreter())
        .arg(binaries::workspace().join("tests/suite/quota-ftpd"))
        .arg(folder)
        .arg(port.to_string())
        .arg(bytes.to_string());
    Daemon::start(server, port, folder.with_extension("log"))
}
