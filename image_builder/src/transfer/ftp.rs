//! Staging on an FTP server: anonymous in its folder `pub` as in 2012, or with a login; plain, or
//! over TLS ([RFC 4217](https://www.rfc-editor.org/rfc/rfc4217)).
//!
//! `ftps://host/` asks for TLS on the connection (explicit, port 21); `ftps://host:990/` speaks TLS
//! from its first byte (implicit), as port 990 is assigned for that.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use rustls::ClientConfig;
use sha2::{Digest, Sha256};
use suppaftp::tokio::{AsyncRustlsConnector, AsyncRustlsFtpStream};
use suppaftp::tokio_rustls::TlsConnector;
use suppaftp::types::{FileType, Mode};
use suppaftp::{FtpError, Status, list};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use url::Url;

use super::remote::{CONNECT, STALL, Server, Session};
use super::retry::Fault;
use super::source::Source;
use super::{Progress, StagingSettings, TransferError, tls};
use crate::percent;
use crate::secret::Secret;
use crate::spec::on_one_line;

/// The port of implicit TLS.
const IMPLICIT: u16 = 990;

/// Read back at once, in bytes.
const CHUNK: usize = 256 * 1024;

/// A server, and how to log in to it.
#[derive(Debug)]
pub(super) struct FtpServer {
    host: String,
    port: u16,
    password: Secret,
    tls: Option<Arc<ClientConfig>>,
    account: Arc<Account>,
}

/// Whose folder it is: what errors speak of.
#[derive(Debug)]
struct Account {
    user: String,
    folder: String,
    url: String,
}

impl FtpServer {
    /// # Errors
    ///
    /// [`TransferError::Settings`]
    pub(super) fn new(url: &Url, settings: &StagingSettings) -> Result<Self, TransferError> {
        let shown = super::shown(url);
        let unfit = |what: &str| TransferError::Settings {
            place: shown.clone(),
            problem: format!("{what} holds what FTP cannot say"),
            hint: "write it without line ends and other control characters".to_owned(),
        };
        let decoded = |text: &str, what: &str| percent::decoded(text).ok_or_else(|| unfit(what));
        let user = match (url.username(), &settings.user) {
            ("", Some(user)) => user.clone(),
            ("", None) => "anonymous".to_owned(),
            (user, _) => decoded(user, "the user")?,
        };
        let password = match (url.password(), settings.password()?) {
            (Some(password), _) => decoded(password, "the password")?,
            (None, Some(password)) => password,
            // What an anonymous user is asked for is a mail address.
            (None, None) => "fbs@".to_owned(),
        };
        // Behind the slash the path counts from where the login leads: RFC 1738, section 3.2.2.
        let path = url.path().strip_prefix('/').unwrap_or_default();
        let tls = match url.scheme() {
            "ftps" => Some(Arc::new(tls::config(settings)?)),
            _ => None,
        };
        let host = url.host_str().unwrap_or_default();
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(21),
            password: Secret::new(password),
            tls,
            account: Arc::new(Account {
                user,
                folder: decoded(path.trim_end_matches('/'), "the folder")?,
                url: shown,
            }),
        })
    }

    async fn connect(&self) -> Result<AsyncRustlsFtpStream, Fault> {
        let address = (self.host.as_str(), self.port);
        let Some(config) = &self.tls else {
            let connected = AsyncRustlsFtpStream::connect(address).await;
            return connected.map_err(|error| self.account.fault(error, "connecting"));
        };
        let connector = AsyncRustlsConnector::from(TlsConnector::from(Arc::clone(config)));
        let secured = match self.port {
            IMPLICIT => self.connect_implicit(connector).await,
            _ => match AsyncRustlsFtpStream::connect(address).await {
                Ok(stream) => stream.into_secure(connector, &self.host).await,
                Err(error) => Err(error),
            },
        };
        secured.map_err(|error| self.account.fault(error, "TLS"))
    }

    /// TLS from the first byte. The library leaves it to the caller to protect the data as well.
    async fn connect_implicit(
        &self,
        connector: AsyncRustlsConnector,
    ) -> Result<AsyncRustlsFtpStream, FtpError> {
        let address = (self.host.as_str(), self.port);
        let mut stream =
            AsyncRustlsFtpStream::connect_secure_implicit(address, connector, &self.host).await?;
        for command in ["PBSZ 0", "PROT P"] {
            stream.custom_command(command, &[Status::CommandOk]).await?;
        }
        Ok(stream)
    }

    async fn log_in(&self) -> Result<AsyncRustlsFtpStream, Fault> {
        let mut stream = self.connect().await?;
        // Data goes where the commands go, whatever address the server names.
        stream.set_passive_nat_workaround(true);
        stream.set_mode(Mode::ExtendedPassive);
        let account = &self.account;
        let login = stream
            .login(account.user.as_str(), self.password.reveal())
            .await;
        login.map_err(|error| account.fault(error, &format!("the login of {}", account.user)))?;
        let binary = stream.transfer_type(FileType::Binary).await;
        binary.map_err(|error| account.fault(error, "TYPE I"))?;
        Ok(stream)
    }
}

impl Account {
    /// What an error of the protocol means, while `what` was asked for.
    fn fault(&self, error: FtpError, what: &str) -> Fault {
        match error {
            FtpError::UnexpectedResponse(response) => {
                let words = String::from_utf8_lossy(&response.body);
                let words = on_one_line(words.trim());
                self.reply(response.status, &words, what)
            }
            FtpError::SecureError(problem) if problem.contains("certificate") => {
                Fault::Final(TransferError::Refused {
                    place: self.url.clone(),
                    problem: format!("its certificate does not verify: {problem}"),
                    hint: "name its authority with `ca_file` in [[staging]] of the service's \
                           configuration, or trust any certificate with \
                           `verify_certificate = false`"
                        .to_owned(),
                })
            }
            FtpError::ConnectionError(error) => Fault::Broken(error.to_string()),
            error => Fault::Broken(error.to_string()),
        }
    }

    /// [RFC 959](https://www.rfc-editor.org/rfc/rfc959), section 4.2.
    fn reply(&self, status: Status, words: &str, what: &str) -> Fault {
        let problem = format!("{what}: {words}");
        match status {
            Status::NotAvailable
            | Status::CannotOpenDataConnection
            | Status::TransferAborted
            | Status::HostUnavailable => Fault::Broken(words.to_owned()),
            Status::RequestedActionNotTaken | Status::ExceededStorage => {
                Fault::Final(TransferError::Full {
                    place: self.url.clone(),
                    problem,
                })
            }
            status if status.code() / 100 == 4 => Fault::Said(problem),
            _ => Fault::Final(TransferError::Refused {
                place: self.url.clone(),
                problem,
                hint: self.hint(),
            }),
        }
    }

    fn hint(&self) -> String {
        match self.user.as_str() {
            "anonymous" => {
                "the server has to let anonymous users upload, make folders and rename; of vsftpd \
                 these are anon_upload_enable, anon_mkdir_write_enable and anon_other_write_enable"
            }
            _ => {
                "look at the user, the password and the folder's mode; a password comes from \
                 `password_file` in [[staging]] of the service's configuration"
            }
        }
        .to_owned()
    }
}

#[async_trait]
impl Server for FtpServer {
    async fn open(&self) -> Result<Box<dyn Session>, Fault> {
        match timeout(CONNECT, self.log_in()).await {
            Ok(stream) => Ok(Box::new(FtpSession {
                stream: stream?,
                account: Arc::clone(&self.account),
            })),
            Err(_) => Err(Fault::Broken(format!(
                "no answer within {} s",
                CONNECT.as_secs()
            ))),
        }
    }

    fn folder(&self) -> &str {
        &self.account.folder
    }

    /// What stands in an address is meant; `pub` alone is the server's own.
    fn makes_folder(&self) -> bool {
        self.account.folder != "pub"
    }

    fn url(&self) -> &str {
        &self.account.url
    }

    fn hint(&self) -> String {
        self.account.hint()
    }
}

struct FtpSession {
    stream: AsyncRustlsFtpStream,
    account: Arc<Account>,
}

/// How an operation ended that may take as long as [`STALL`].
async fn in_time<T>(operation: impl Future<Output = Result<T, FtpError>>) -> Result<T, FtpError> {
    match timeout(STALL, operation).await {
        Ok(done) => done,
        Err(_) => Err(stalled()),
    }
}

fn stalled() -> FtpError {
    FtpError::ConnectionError(io::Error::new(
        io::ErrorKind::TimedOut,
        format!("nothing moved for {} s", STALL.as_secs()),
    ))
}

fn is_missing(error: &FtpError) -> bool {
    matches!(error, FtpError::UnexpectedResponse(response)
        if matches!(response.status, Status::FileUnavailable | Status::BadFilename | Status::RequestFileActionIgnored))
}

/// A server that does not know `EPSV`.
fn is_unknown(error: &FtpError) -> bool {
    matches!(error, FtpError::UnexpectedResponse(response)
        if matches!(response.status, Status::BadCommand | Status::BadArguments | Status::NotImplemented | Status::NotImplementedParameter))
}

type DataStream = suppaftp::tokio::TransferStream<suppaftp::tokio::AsyncRustlsStream>;

impl FtpSession {
    fn fault(&self, error: FtpError, what: &str) -> Fault {
        self.account.fault(error, what)
    }

    async fn start_write(&mut self, path: &str, start: u64) -> Result<DataStream, FtpError> {
        if start > 0 {
            let offset = usize::try_from(start).unwrap_or(usize::MAX);
            in_time(self.stream.resume_transfer(offset)).await?;
        }
        in_time(self.stream.put_with_stream(path)).await
    }

    async fn start_read(&mut self, path: &str, start: u64) -> Result<DataStream, FtpError> {
        if start > 0 {
            let offset = usize::try_from(start).unwrap_or(usize::MAX);
            in_time(self.stream.resume_transfer(offset)).await?;
        }
        in_time(self.stream.retr_as_stream(path)).await
    }

    /// The size as a listing of the folder tells it: a server may tell it of no file that it lets
    /// nobody read.
    async fn listed_size(&mut self, path: &str) -> Result<Option<u64>, Fault> {
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        let listing = in_time(self.stream.list(Some(folder))).await;
        let lines = match listing {
            Ok(lines) => lines,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(self.fault(error, "LIST")),
        };
        let files = lines.iter().filter_map(|line| {
            line.parse::<list::File>()
                .ok()
                .filter(|file| file.name() == name)
        });
        Ok(files.map(|file| file.size() as u64).next())
    }
}

#[async_trait]
impl Session for FtpSession {
    async fn make_folder(&mut self, path: &str) -> Result<bool, Fault> {
        match in_time(self.stream.mkdir(path)).await {
            Ok(()) => Ok(true),
            // Its words for "is there already" are the server's own.
            Err(error) if is_missing(&error) && self.is_folder(path).await? => Ok(false),
            Err(error) => Err(self.fault(error, &format!("making the folder {path}"))),
        }
    }

    async fn is_folder(&mut self, path: &str) -> Result<bool, Fault> {
        let here = in_time(self.stream.pwd()).await;
        let here = here.map_err(|error| self.fault(error, "PWD"))?;
        match in_time(self.stream.cwd(path)).await {
            Ok(()) => {
                let back = in_time(self.stream.cwd(&here)).await;
                back.map_err(|error| self.fault(error, "CWD"))?;
                Ok(true)
            }
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(self.fault(error, &format!("the folder {path}"))),
        }
    }

    async fn size(&mut self, path: &str) -> Result<Option<u64>, Fault> {
        match in_time(self.stream.size(path)).await {
            Ok(size) => Ok(Some(size as u64)),
            Err(error) if is_missing(&error) || is_unknown(&error) => self.listed_size(path).await,
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
        let mut started = self.start_write(path, start).await;
        if started.as_ref().is_err_and(is_unknown) {
            self.stream.set_mode(Mode::Passive);
            started = self.start_write(path, start).await;
        }
        let data = started.map_err(|error| self.fault(error, &what))?;
        let (data, sent) = source
            .pump(data, STALL, progress)
            .await
            .map_err(Fault::Final)?;
        if let Err(error) = &sent
            && error.kind() == io::ErrorKind::TimedOut
        {
            return Err(self.fault(stalled(), &what));
        }
        // Where the server closed the data, its reply says why.
        match (in_time(data.finish()).await, sent) {
            (Ok(()), Ok(())) => Ok(()),
            (Err(error @ FtpError::UnexpectedResponse(_)), _) => Err(self.fault(error, &what)),
            (_, Err(error)) => Err(Fault::Broken(error.to_string())),
            (Err(error), Ok(())) => Err(self.fault(error, &what)),
        }
    }

    async fn read(
        &mut self,
        path: &str,
        start: &mut u64,
        hash: &mut Sha256,
    ) -> Result<bool, Fault> {
        let what = format!("reading {path} back");
        let mut started = self.start_read(path, *start).await;
        if started.as_ref().is_err_and(is_unknown) {
            self.stream.set_mode(Mode::Passive);
            started = self.start_read(path, *start).await;
        }
        let mut data = match started {
            Ok(data) => data,
            Err(error) if is_missing(&error) => return Ok(false),
            Err(error) => return Err(self.fault(error, &what)),
        };
        let mut chunk = vec![0; CHUNK];
        loop {
            match timeout(STALL, data.read(&mut chunk)).await {
                Ok(Ok(0)) => break,
                Ok(Ok(count)) => {
                    hash.update(&chunk[..count]);
                    *start += count as u64;
                }
                Ok(Err(error)) => return Err(Fault::Broken(error.to_string())),
                Err(_) => return Err(self.fault(stalled(), &what)),
            }
        }
        let finished = in_time(data.finish()).await;
        finished.map_err(|error| self.fault(error, &what))?;
        Ok(true)
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<(), Fault> {
        let renamed = in_time(self.stream.rename(from, to)).await;
        renamed.map_err(|error| self.fault(error, &format!("renaming {from}")))
    }

    async fn remove_file(&mut self, path: &str) -> Result<(), Fault> {
        let removed = in_time(self.stream.rm(path)).await;
        removed.map_err(|error| self.fault(error, &format!("removing {path}")))
    }

    async fn remove_folder(&mut self, path: &str) -> Result<(), Fault> {
        let removed = in_time(self.stream.rmdir(path)).await;
        removed.map_err(|error| self.fault(error, &format!("removing {path}")))
    }

    /// FTP has no such question.
    async fn free(&mut self, _: &str) -> Option<u64> {
        None
    }

    async fn close(mut self: Box<Self>) {
        let _ = timeout(CONNECT, self.stream.quit()).await;
    }
}
