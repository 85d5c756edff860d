//! A notice as a mail: submitted, finished, failed, cancelled, and that images go.

mod content;
mod letter;
mod log;
mod render;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::Address;
use lettre::address::{AddressError, Envelope};
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use url::Host;

use super::tls::Trust;
use super::{Notice, NoticeKind, Notification, NotificationError};
use crate::error::StageError;
use crate::error::chain;
use crate::http;
use crate::secret::Secret;
use letter::Letter;

/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// So many mails are remembered that not everybody has got yet: those that were given up are among them.
const UNFINISHED: usize = 64;

/// How a connection to a mail server is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all: for a server on the same host. No login is sent that way.
    None,
    /// TLS begins with the command STARTTLS, and must begin.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

impl Security {
    /// The port that is usual for it.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Tls => 465,
        }
    }
}

/// A mail server and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether and how TLS is used.
    pub security: Security,
    /// Which certificates it may have.
    pub trust: Trust,
    /// User and password, where it wants them.
    pub login: Option<(String, Secret)>,
    /// Who the mails are from: `Fedora Build Service <fbs@example.org>`.
    pub from: String,
}

/// Sends mails to the spec's `email`.
#[derive(Debug)]
pub struct Smtp {
    server: MailServer,
    from: Mailbox,
    unfinished: Mutex<VecDeque<(String, Settled)>>,
}

/// The recipients of one mail who need no other attempt, with the reason of those who do not get it.
type Settled = BTreeMap<String, Option<NotificationError>>;

impl Smtp {
    /// One that sends by `server`.
    ///
    /// # Errors
    ///
    /// [`NotificationError::Unusable`]: a sender that is no address, certificates that are none, a
    /// login that everybody on the way could read.
    pub fn new(server: MailServer) -> Result<Self, NotificationError> {
        let unusable = |what: &str, reason: String| NotificationError::Unusable {
            what: what.to_owned(),
            reason,
        };
        let from = mailbox(&server.from)
            .map_err(|reason| unusable(&server.from, format!("no mail address: {reason}")))?;
        if server.login.is_some() && server.security == Security::None {
            let reason = "a password is not sent over a connection that everybody on the way can \
                          read: use starttls or tls";
            return Err(unusable("the login", reason.to_owned()));
        }
        http::install_tls_provider();
        let smtp = Self {
            server,
            from,
            unfinished: Mutex::default(),
        };
        smtp.tls()?;
        Ok(smtp)
    }

    fn tls(&self) -> Result<TlsParameters, NotificationError> {
        let MailServer { host, trust, .. } = &self.server;
        let build = || {
            let mut builder = TlsParameters::builder(host.clone())
                .dangerous_accept_invalid_certs(trust.anybody)
                .dangerous_accept_invalid_hostnames(trust.anybody);
            if let Some(pem) = &trust.authorities {
                builder = builder.add_root_certificate(Certificate::from_pem(pem)?);
            }
            builder.build_rustls()
        };
        build().map_err(|error| NotificationError::Unusable {
            what: format!("the certificates for {host}"),
            reason: chain(&error),
        })
    }

    /// `smtp.example.org:587`
    fn address(&self) -> String {
        format!("{}:{}", self.server.host, self.server.port)
    }

    /// Connects, and logs in where that is wanted.
    async fn connect(&self) -> Result<AsyncSmtpConnection, NotificationError> {
        let us = client_id();
        let (at_once, later) = match self.server.security {
            Security::None => (None, None),
            Security::Tls => (Some(self.tls()?), None),
            Security::StartTls => (None, Some(self.tls()?)),
        };
        let server = (self.server.host.as_str(), self.server.port);
        let connected =
            AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT), &us, at_once, None).await;
        let mut connection = connected.map_err(|error| self.failure(&error))?;
        if let Some(tls) = later {
            let upgraded = connection.starttls(tls, &us).await;
            upgraded.map_err(|error| self.failure(&error))?;
        }
        if let Some((user, password)) = &self.server.login {
            let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            if let Err(error) = connection.auth(&mechanisms, &credentials).await {
                connection.abort().await;
                return Err(match self.failure(&error) {
                    NotificationError::Refused { server, reason } => {
                        NotificationError::Login { server, reason }
                    }
                    other => other,
                });
            }
        }
        Ok(connection)
    }

    /// What to make of the library's error.
    fn failure(&self, error: &Error) -> NotificationError {
        let server = self.address();
        let reason = chain(error);
        if reason.contains("certificate") {
            NotificationError::Untrusted { server, reason }
        } else if error.is_transient() {
            NotificationError::Busy { server, reason }
        } else if error.is_permanent() || error.is_client() {
            NotificationError::Refused { server, reason }
        } else {
            NotificationError::Unreachable { server, reason }
        }
    }

    fn unfinished(&self) -> MutexGuard<'_, VecDeque<(String, Settled)>> {
        self.unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Who of a mail's recipients is settled by earlier attempts.
    fn settled(&self, id: &str) -> Settled {
        let unfinished = self.unfinished();
        let found = unfinished.iter().find(|(one, _)| one == id);
        found
            .map(|(_, settled)| settled.clone())
            .unwrap_or_default()
    }

    /// Remembers it at once: an attempt that takes too long is dropped in its middle.
    fn settle(&self, id: &str, settled: &Settled) {
        let mut unfinished = self.unfinished();
        unfinished.retain(|(one, _)| one != id);
        unfinished.push_back((id.to_owned(), settled.clone()));
        if unfinished.len() > UNFINISHED {
            unfinished.pop_front();
        }
    }

    /// A letter's way to one.
    fn envelope(&self, to: &str) -> Result<Envelope, NotificationError> {
        mailbox(to)
            .and_then(|to| {
                let from = Some(self.from.email.clone());
                Envelope::new(from, vec![to.email]).map_err(|error| error.to_string())
            })
            .map_err(|reason| NotificationError::Unusable {
                what: to.to_owned(),
                reason,
            })
    }

    /// Sends a letter to one.
    async fn deliver(
        &self,
        connection: Option<AsyncSmtpConnection>,
        to: &str,
        letter: &[u8],
    ) -> Result<AsyncSmtpConnection, NotificationError> {
        let envelope = self.envelope(to)?;
        let mut connection = match connection {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let sent = connection.send(&envelope, letter).await;
        sent.map_err(|error| self.failure(&error))?;
        Ok(connection)
    }
}

/// An address as every server takes it: a domain that is not ASCII in punycode. Few servers take more than ASCII
/// (SMTPUTF8), and one address that is not makes the headers invalid for all who get the mail.
fn mailbox(text: &str) -> Result<Mailbox, String> {
    let written: Mailbox = text
        .parse()
        .map_err(|error: AddressError| error.to_string())?;
    let (user, domain) = (written.email.user(), written.email.domain());
    if !user.is_ascii() {
        return Err("what stands before the \"@\" is not ASCII".to_owned());
    }
    if domain.is_ascii() {
        return Ok(written);
    }
    let domain = Host::parse(domain).map_err(|error| error.to_string())?;
    let address = Address::new(user, domain.to_string()).map_err(|error| error.to_string())?;
    Ok(Mailbox::new(written.name, address))
}

/// How we introduce ourselves.
fn client_id() -> ClientId {
    let name = nix::unistd::gethostname().ok();
    let name = name.and_then(|name| name.into_string().ok());
    let is_name = |name: &String| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
    };
    name.filter(is_name)
        .map_or_else(ClientId::default, ClientId::Domain)
}

#[async_trait]
impl Notification for Smtp {
    fn name(&self) -> String {
        format!("mail by {}", self.address())
    }

    /// A mail when a job was accepted, one when it has ended, and one before its images go, to those whom the spec
    /// names.
    fn wants(&self, notice: &Notice) -> bool {
        let news = match &notice.kind {
            // That it has begun is worth a mail where it says where to watch it.
            NoticeKind::Started { watch, .. } => watch.is_some(),
            // One mail is enough, if that could be sent in time.
            NoticeKind::Expired { warned, .. } => warned.is_none(),
            _ => true,
        };
        news && !notice.recipients.is_empty()
    }

    async fn check(&self) -> Result<(), NotificationError> {
        let mut connection = self.connect().await?;
        connection.abort().await;
        Ok(())
    }

    /// Each recipient gets the same mail in a transaction of its own: one that the server does not
    /// know keeps it from nobody else. Called again, it goes to those whom the server put off, or who
    /// were not reached: nobody gets it twice.
    async fn send(&self, notice: &Notice) -> Result<(), NotificationError> {
        let letter = Letter::new(notice, &self.from).await;
        let letter = letter
            .bytes(&self.from)
            .map_err(|reason| NotificationError::Unusable {
                what: "the mail".to_owned(),
                reason,
            })?;
        let id = notice.id();
        let mut settled = self.settled(&id);
        let mut connection = None;
        let mut put_off = Vec::new();
        for to in &notice.recipients {
            if settled.contains_key(to) {
                continue;
            }
            let refused = match self.deliver(connection.take(), to, &letter).await {
                Ok(open) => {
                    connection = Some(open);
                    None
                }
                Err(error) if error.is_transient() => {
                    put_off.push((to, error));
                    continue;
                }
                Err(error) => Some(error),
            };
            settled.insert(to.clone(), refused);
            self.settle(&id, &settled);
        }
        if let Some(mut connection) = connection {
            connection.abort().await;
        }
        let again = !put_off.is_empty();
        if again && settled.is_empty() {
            return Err(put_off.swap_remove(0).1);
        }
        if !again {
            self.unfinished().retain(|(one, _)| *one != id);
        }
        let refused = settled
            .iter()
            .filter_map(|(to, error)| Some((to, error.as_ref()?)));
        let lacking = refused.chain(put_off.iter().map(|(to, error)| (*to, error)));
        let reasons: Vec<String> = lacking
            .map(|(to, error)| format!("{to}: {error}"))
            .collect();
        let (server, reason) = (self.address(), reasons.join("; "));
        let somebody = settled.values().any(Option::is_none);
        match (again, reasons.is_empty()) {
            (true, _) if somebody => Err(NotificationError::Partly { server, reason }),
            (true, _) => Err(NotificationError::Busy { server, reason }),
            (false, false) => Err(NotificationError::Refused { server, reason }),
            (false, true) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::retention::Reason;

    fn server() -> MailServer {
        MailServer {
            host: "h".into(),
            port: 587,
            security: Security::StartTls,
            trust: Trust::default(),
            login: Some(("me".into(), Secret::new("pw"))),
            from: "Fedora Build Service <fbs@example.org>".into(),
        }
    }

    #[test]
    fn a_password_is_not_sent_in_the_open() {
        assert_eq!(Smtp::new(server()).unwrap().name(), "mail by h:587");
        let open = MailServer {
            security: Security::None,
            ..server()
        };
        let error = Smtp::new(open).unwrap_err().to_string();
        assert!(error.contains("starttls"), "{error}");
        assert!(!format!("{:?}", Smtp::new(server()).unwrap()).contains("pw"));
    }

    fn of_images(kind: NoticeKind) -> Notice {
        crate::notification::tests::notice(kind)
    }

    fn expiring(reason: Reason) -> Notice {
        of_images(NoticeKind::Expiring {
            files: vec!["Fedora-43-boot\u{1b}[31m.iso".into()],
            bytes: 900 << 20,
            reason,
            ends: Some("2026-12-05T11:02:19Z".parse().unwrap()),
            page: Some("https://images.example.test/jobs/a-1".into()),
        })
    }

    fn expired(reason: Reason, warned: Option<Timestamp>) -> Notice {
        of_images(NoticeKind::Expired {
            files: vec!["Fedora-43-boot.iso".into()],
            bytes: 900 << 20,
            reason,
            warned,
            page: None,
        })
    }

    #[test]
    fn of_images_that_go_there_is_one_mail() {
        let smtp = Smtp::new(server()).unwrap();
        assert!(smtp.wants(&expiring(Reason::Age)));
        assert!(smtp.wants(&expired(Reason::Space, None)));
        assert!(!smtp.wants(&expired(Reason::Age, Some(Timestamp::UNIX_EPOCH))));
        let nobody = Notice {
            recipients: Vec::new(),
            ..expiring(Reason::Age)
        };
        assert!(!smtp.wants(&nobody));
    }

    #[tokio::test]
    async fn a_mail_about_an_image_says_when_it_goes_why_and_how_to_keep_it() {
        let from: Mailbox = server().from.parse().unwrap();
        let bytes = async |notice: &Notice| {
            let letter = Letter::new(notice, &from).await;
            let mail = String::from_utf8(letter.bytes(&from).unwrap()).unwrap();
            // As RFC 2045 folds long lines.
            mail.replace("=\r\n", "").replace("\r\n ", " ")
        };
        let mail = bytes(&expiring(Reason::Age)).await;
        for words in [
            "Subject: [fbs] will be removed: boot image of Fedora 43 (x86_64)",
            "In-Reply-To: <20261121T110219-fvkph6.queued@example.org>",
            "X-FBS-Event: expiring",
            "will be removed soon after 2026-12-05 11:02 UTC",
            "900.0 MiB",
            "POST /api/v1/jobs/20261121T110219-fvkph6/pin",
            "<a href",
            "https://images.example.test/jobs/a-1</a>",
        ] {
            assert!(mail.contains(words), "{words}: {mail}");
        }
        assert!(!mail.contains('\u{1b}') && !mail.contains("=1B"), "{mail}");
        let mail = bytes(&expiring(Reason::Space)).await;
        for words in [
            "little space left",
            "when the space is needed, or soon after",
        ] {
            assert!(mail.contains(words), "{words}: {mail}");
        }
        let mail = bytes(&expired(Reason::Space, None)).await;
        for words in [
            "Subject: [fbs] was removed: ",
            "because the space was needed",
            "no time to tell you before",
            "log, checksums and screenshots stay",
        ] {
            assert!(mail.contains(words), "{words}: {mail}");
        }
    }

    #[tokio::test]
    async fn a_domain_that_is_not_ascii_goes_over_the_wire_in_punycode() {
        let from = "Zoë <fbs@exämple.org>".to_owned();
        let smtp = Smtp::new(MailServer { from, ..server() }).unwrap();
        let notice = Notice {
            recipients: vec!["Ok@exämple.org".into(), "ok2@x.org".into()],
            ..expiring(Reason::Age)
        };
        let letter = Letter::new(&notice, &smtp.from).await;
        let mail = String::from_utf8(letter.bytes(&smtp.from).unwrap()).unwrap();
        let (headers, _) = mail.split_once("\r\n\r\n").unwrap();
        assert!(headers.is_ascii(), "{headers}");
        for words in [
            "To: Ok@xn--exmple-cua.org, ok2@x.org",
            "<fbs@xn--exmple-cua.org>",
        ] {
            assert!(headers.contains(words), "{words}: {headers}");
        }
        let envelope = smtp.envelope("Ok@exämple.org").unwrap();
        assert_eq!(envelope.to(), ["Ok@xn--exmple-cua.org".parse().unwrap()]);
        let from = envelope.from().unwrap();
        assert_eq!(from, &"fbs@xn--exmple-cua.org".parse().unwrap());
        let error = smtp.envelope("jürgen@x.org").unwrap_err();
        assert!(!error.is_transient(), "{error}");
    }

    #[test]
    fn a_sender_is_one_address() {
        for wrong in ["nobody", "a@b\r\nBcc: c@d", "<a@b", "jürgen@x.org"] {
            let from = wrong.to_owned();
            assert!(
                Smtp::new(MailServer { from, ..server() }).is_err(),
                "{wrong}"
            );
        }
    }
}
