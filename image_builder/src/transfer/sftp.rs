//! Staging over SSH, as the `scp` of 2012: SFTP
//! ([version 3](https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02)) through the
//! `ssh` of OpenSSH, so that keys, agent, known hosts and `~/.ssh/config` hold as they do for the
//! user's own `sftp`.

use std::time::Duration;

use async_trait::async_trait;
use russh_sftp::client::error::Error;
use russh_sftp::client::fs::File;
use russh_sftp::client::{Config, SftpSession};
use russh_sftp::protocol::{OpenFlags, StatusCode};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio::time::timeout;
use url::Url;

use super::remote::{CONNECT, STALL, Server, Session};
use super::retry::Fault;
use super::source::Source;
use super::{Progress, StagingSettings, TransferError};
use crate::percent;
use crate::process::{Complaints, Invocation, Piped};
use crate::spec::on_one_line;

/// Requests on their way at once, and the size of each in bytes: below what OpenSSH takes, and twice
/// as much on its way as its own `sftp` has.
const REQUESTS: usize = 32;
const PACKET: u32 = 128 * 1024;

/// Read back at once, in bytes.
const CHUNK: usize = 256 * 1024;

/// How long a server that refused a file may take to say how much space it has.
const FREE_SPACE: Duration = Duration::from_secs(2);

/// A server, and how `ssh` is called for it.
#[derive(Debug)]
pub(super) struct SshServer {
    ssh: Invocation,
    folder: String,
    url: String,
}

impl SshServer {
    /// # Errors
    ///
    /// [`TransferError::Settings`]
    pub(super) fn new(url: &Url, settings: &StagingSettings) -> Result<Self, TransferError> {
        let shown = super::shown(url);
        let wrong = |problem: &str, hint: &str| TransferError::Settings {
            place: shown.clone(),
            problem: problem.to_owned(),
            hint: hint.to_owned(),
        };
        if url.password().is_some() || settings.password_env.is_some() {
            return Err(wrong(
                "ssh takes no password from a program",
                "leave it out, and log in with a key: `ssh-copy-id` takes it there",
            ));
        }
        let decoded = |text: &str| {
            percent::decoded(text)
                .ok_or_else(|| wrong("the address holds control characters", "leave them out"))
        };
        let path = decoded(url.path().trim_end_matches('/'))?;
        let folder = match path.strip_prefix("/~") {
            // As curl has it: the folder of the login.
            Some("") => String::new(),
            Some(below) if below.starts_with('/') => below[1..].to_owned(),
            _ => path,
        };
        let user = match (url.username(), &settings.user) {
            ("", user) => user.clone(),
            (user, _) => Some(decoded(user)?),
        };
        Ok(Self {
            ssh: ssh(url, user.as_deref(), settings),
            folder,
            url: shown,
        })
    }

    /// What `ssh` said when it ended instead of connecting.
    async fn fault(&self, complaints: &Complaints, otherwise: String) -> Fault {
        let lines = complaints.lines().await;
        let words = lines.iter().rev().find(|line| !line.trim().is_empty());
        let words = words.map_or(otherwise, |line| on_one_line(line.trim()));
        let said = |text: &str| lines.iter().any(|line| line.contains(text));
        let refused = |hint: &str| {
            Fault::Final(TransferError::Refused {
                place: self.url.clone(),
                problem: words.clone(),
                hint: hint.to_owned(),
            })
        };
        if said("Host key verification failed") || said("HOST IDENTIFICATION HAS CHANGED") {
            refused(
                "compare the host's key, and put it into known_hosts: `ssh-keyscan HOST`; another \
                 file is named with `known_hosts_file` in [[staging]] of the service's \
                 configuration",
            )
        } else if said("Permission denied") || said("Too many authentication failures") {
            refused(
                "the server knows none of the keys: `ssh-copy-id` takes one there; another one is \
                 named with `identity_file` in [[staging]] of the service's configuration",
            )
        } else if said("subsystem request failed") {
            refused("the server has to offer SFTP: `Subsystem sftp` in its sshd_config")
        } else if said("Bad configuration option") || said("unknown option") {
            refused("look into ~/.ssh/config")
        } else {
            Fault::Broken(words)
        }
    }
}

/// `ssh` as far as the subsystem `sftp` of the host.
fn ssh(url: &Url, user: Option<&str>, settings: &StagingSettings) -> Invocation {
    let mut ssh = Invocation::new("ssh")
        // Nobody is there to answer a question.
        .args(["-o", "BatchMode=yes"])
        .args(["-o", &format!("ConnectTimeout={}", CONNECT.as_secs())])
        .args([
            "-o",
            "ServerAliveInterval=15",
            "-o",
            "ServerAliveCountMax=3",
        ])
        .args(["-o", "ClearAllForwardings=yes", "-T"]);
    if let Some(port) = url.port() {
        ssh = ssh.args(["-p".to_owned(), port.to_string()]);
    }
    if let Some(user) = user {
        ssh = ssh.args(["-l", user]);
    }
    if let Some(key) = &settings.identity_file {
        ssh = ssh.args(["-o", "IdentitiesOnly=yes"]).arg("-i").path(key);
    }
    if let Some(known) = &settings.known_hosts_file {
        ssh = ssh.args([
            "-o".to_owned(),
            format!("UserKnownHostsFile={}", known.display()),
        ]);
    }
    let host = url.host_str().unwrap_or_default();
    ssh.args(["-s", "--", host.trim_matches(['[', ']']), "sftp"])
}

#[async_trait]
impl Server for SshServer {
    async fn open(&self) -> Result<Box<dyn Session>, Fault> {
        let ssh = Piped::start(&self.ssh).map_err(|error| {
            Fault::Final(TransferError::Settings {
                place: self.url.clone(),
                problem: error.to_string(),
                hint: "install OpenSSH's client".to_owned(),
            })
        })?;
        let complaints = ssh.complaints();
        let config = Config {
            max_concurrent_reads: REQUESTS,
            max_concurrent_writes: REQUESTS,
            max_write_packet_len: PACKET,
            request_timeout_secs: STALL.as_secs(),
            ..Config::default()
        };
        // ssh has its own limit for the connection; this one is for a server that says nothing.
        match timeout(CONNECT * 2, SftpSession::new_with_config(ssh, config)).await {
            Ok(Ok(session)) => Ok(Box::new(SshSession {
                session,
                url: self.url.clone(),
                hint: self.hint(),
            })),
            Ok(Err(error)) => Err(self.fault(&complaints, error.to_string()).await),
            Err(_) => Err(self.fault(&complaints, "no answer".to_owned()).await),
        }
    }

    fn folder(&self) -> &str {
        &self.folder
    }

    fn makes_folder(&self) -> bool {
        true
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn hint(&self) -> String {
        "look at the folder's owner and mode on the server".to_owned()
    }
}

struct SshSession {
    session: SftpSession,
    url: String,
    hint: String,
}

impl SshSession {
    fn fault(&self, error: Error, what: &str) -> Fault {
        let Error::Status(status) = error else {
            return Fault::Broken(error.to_string());
        };
        let problem = format!("{what}: {}", on_one_line(&status.error_message));
        match status.status_code {
            StatusCode::NoConnection | StatusCode::ConnectionLost => Fault::Broken(problem),
            StatusCode::PermissionDenied | StatusCode::NoSuchFile | StatusCode::OpUnsupported => {
                Fault::Final(TransferError::Refused {
                    place: self.url.clone(),
                    problem,
                    hint: self.hint.clone(),
                })
            }
            _ => Fault::Said(problem),
        }
    }

    /// An error of a file in use: the library keeps the server's words of it, not their number.
    async fn file_fault(&mut self, error: std::io::Error, path: &str, what: &str) -> Fault {
        const FULL: u64 = 1024 * 1024;
        let words = on_one_line(&error.to_string());
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        // Asked of a connection that still stands.
        match timeout(FREE_SPACE, self.free(folder)).await {
            Ok(Some(free)) if free < FULL => Fault::Final(TransferError::Full {
                place: self.url.clone(),
                problem: format!("{what}: {words}"),
            }),
            Ok(Some(_)) => Fault::Said(format!("{what}: {words}")),
            Ok(None) | Err(_) => Fault::Broken(words),
        }
    }

    async fn open(&self, path: &str, flags: OpenFlags, start: u64) -> Result<File, Error> {
        let mut file = self.session.open_with_flags(path, flags).await?;
        if start > 0 {
            file.seek(SeekFrom::Start(start)).await?;
        }
        Ok(file)
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Status(status) if status.status_code == StatusCode::NoSuchFile)
}

#[async_trait]
impl Session for SshSession {
    async fn make_folder(&mut self, path: &str) -> Result<bool, Fault> {
        match self.session.create_dir(path).await {
            Ok(()) => Ok(true),
            // "Failure" is all that the protocol says of a name that is taken.
            Err(Error::Status(_)) if self.is_folder(path).await? => Ok(false),
            Err(error) => Err(self.fault(error, &format!("making the folder {path}"))),
        }
    }

    async fn is_folder(&mut self, path: &str) -> Result<bool, Fault> {
        match self.session.metadata(path).await {
            Ok(found) => Ok(found.is_dir()),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(self.fault(error, &format!("the folder {path}"))),
        }
    }

    async fn size(&mut self, path: &str) -> Result<Option<u64>, Fault> {
        match self.session.metadata(path).await {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.fault(error, &format!("the size of {path}"))),
        }
    }

    async fn write(
        &mut self,
        path: &str,
        start: u64,
        source: &mut Source,
        progress: &Progress,
    ) -> Result<(), Fault> {
        let what = format!("writing {path}");
        let flags = match start {
            0 => OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE,
            _ => OpenFlags::WRITE,
        };
        let opened = self.open(path, flags, start).await;
        let file = opened.map_err(|error| self.fault(error, &what))?;
        let (file, sent) = source
            .pump(file, STALL, progress)
            .await
            .map_err(Fault::Final)?;
        if let Err(error) = sent {
            drop(file);
            return Err(self.file_fault(error, path, &what).await);
        }
        // All that is on its way is there then.
        match file.close().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.file_fault(error, path, &what).await),
        }
    }

    async fn read(
        &mut self,
        path: &str,
        start: &mut u64,
        hash: &mut Sha256,
    ) -> Result<bool, Fault> {
        let what = format!("reading {path} back");
        let mut file = match self.open(path, OpenFlags::READ, *start).await {
            Ok(file) => file,
            Err(Error::Status(status)) if status.status_code == StatusCode::PermissionDenied => {
                return Ok(false);
            }
            Err(error) => return Err(self.fault(error, &what)),
        };
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk).await {
                Ok(0) => return Ok(true),
                Ok(count) => {
                    hash.update(&chunk[..count]);
                    *start += count as u64;
                }
                Err(error) => {
                    drop(file);
                    return Err(self.file_fault(error, path, &what).await);
                }
            }
        }
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<(), Fault> {
        // OpenSSH renames over no other file in this version of the protocol.
        let renamed = self.session.rename(from, to).await;
        renamed.map_err(|error| self.fault(error, &format!("renaming {from}")))
    }

    async fn remove_file(&mut self, path: &str) -> Result<(), Fault> {
        let removed = self.session.remove_file(path).await;
        removed.map_err(|error| self.fault(error, &format!("removing {path}")))
    }

    async fn remove_folder(&mut self, path: &str) -> Result<(), Fault> {
        let removed = self.session.remove_dir(path).await;
        removed.map_err(|error| self.fault(error, &format!("removing {path}")))
    }

    async fn free(&mut self, path: &str) -> Option<u64> {
        let path = if path.is_empty() { "." } else { path };
        let told = self.session.fs_info(path).await.ok()??;
        Some(told.blocks_avail.saturating_mul(told.fragment_size))
    }

    async fn close(self: Box<Self>) {
        let _ = self.session.close().await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn server(url: &str, settings: &StagingSettings) -> SshServer {
        SshServer::new(&url.parse().unwrap(), settings).unwrap()
    }

    #[test]
    fn ssh_is_called_as_its_user_would() {
        let plain = server(
            "sftp://qa@h.example.org/srv/images/",
            &StagingSettings::default(),
        );
        assert_eq!(plain.folder, "/srv/images");
        assert_eq!(plain.url, "sftp://qa@h.example.org/srv/images");
        assert_eq!(
            plain.ssh.args[8..],
            [
                "-o",
                "ClearAllForwardings=yes",
                "-T",
                "-l",
                "qa",
                "-s",
                "--",
                "h.example.org",
                "sftp"
            ]
        );
        let settings = StagingSettings {
            identity_file: Some("/etc/fbs/key".into()),
            known_hosts_file: Some(Path::new("/etc/fbs/known").to_owned()),
            ..StagingSettings::default()
        };
        let own = server("sftp://h:2222/~/images", &settings);
        assert_eq!(own.folder, "images");
        let line = own.ssh.to_string();
        for part in [
            "-p 2222",
            "-i /etc/fbs/key",
            "UserKnownHostsFile=/etc/fbs/known",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn a_password_is_refused() {
        let url = "sftp://qa:secret@h/".parse().unwrap();
        let error = SshServer::new(&url, &StagingSettings::default()).unwrap_err();
        assert!(error.to_string().contains("no password"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
