//! The mail itself: headers, text and HTML, pictures, the log.

use std::time::SystemTime;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};

use super::content::{self, Block};
use super::log;
use super::render;
use crate::notification::{Notice, NoticeKind, Screenshot};
use crate::redact;
use crate::report::BuildReport;

/// A mail before it is made into bytes.
#[derive(Debug)]
pub(super) struct Letter<'a> {
    notice: &'a Notice,
    domain: String,
    blocks: Vec<Block>,
    log: Option<(String, Vec<u8>)>,
}

impl<'a> Letter<'a> {
    /// Reads what goes with it: the log's end, and for a build that failed the log itself.
    pub(super) async fn new(notice: &'a Notice, from: &Mailbox) -> Self {
        let mut note = None;
        let mut extract = None;
        if let Some(ending) = notice.ending()
            && let Some(path) = &ending.log
            && !matches!(notice.kind, NoticeKind::Finished(_))
        {
            let (path, place) = (path.clone(), whole_log(&ending.report));
            // Compressing takes a moment.
            let read = tokio::task::spawn_blocking(move || log::extract(&path, &place)).await;
            match read.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
                Ok(read) => {
                    extract = Some((format!("{}.gz", ending.report.log), read));
                    note = Some(Block::Text(
                        "The log is attached, compressed by gzip.".into(),
                    ));
                }
                // The rest of the mail is worth more than its attachment.
                Err(error) => {
                    note = Some(Block::Text(format!("The log cannot be read: {error}")));
                }
            }
        }
        let tail = extract.as_ref().map_or(&[][..], |(_, log)| &log.tail);
        let mut blocks = content::blocks(notice, tail);
        blocks.extend(note);
        Self {
            notice,
            domain: from.email.domain().to_owned(),
            blocks,
            log: extract.map(|(name, log)| (name, log.gz)),
        }
    }

    /// The mail as it goes over the wire.
    pub(super) fn bytes(self, from: &Mailbox) -> Result<Vec<u8>, String> {
        let notice = self.notice;
        let subject = format!("[fbs] {}", log::clean(&content::subject(notice)));
        let mut builder = Message::builder()
            .from(from.clone())
            .date(SystemTime::from(notice.time))
            .subject(&subject)
            .message_id(Some(self.message_id()));
        for to in &notice.recipients {
            // An address that is none is refused when it is sent to.
            if let Ok(to) = super::mailbox(to) {
                builder = builder.to(to);
            }
        }
        if !matches!(notice.kind, NoticeKind::Queued { .. }) {
            let first = self.thread_id();
            builder = builder.in_reply_to(first.clone()).references(first);
        }
        for (name, value) in [
            // RFC 3834: nobody answers automatically.
            ("Auto-Submitted", "auto-generated"),
            // Exchange asks for its own.
            ("X-Auto-Response-Suppress", "All"),
            ("Precedence", "bulk"),
            ("X-FBS-Job", &log::clean(&notice.job)),
            ("X-FBS-Event", notice.kind.name()),
            ("List-Id", &format!("image builds <fbs.{}>", self.domain)),
        ] {
            let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|e| e.to_string())?;
            builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
        }
        let message = match self.log.clone() {
            None => builder.multipart(self.words(&subject)?),
            Some((name, gz)) => {
                let gzip = ContentType::parse("application/gzip").map_err(|e| e.to_string())?;
                let attachment = Attachment::new(log::clean(&name)).body(gz, gzip);
                let mixed = MultiPart::mixed().multipart(self.words(&subject)?);
                builder.multipart(mixed.singlepart(attachment))
            }
        };
        message
            .map(|message| message.formatted())
            .map_err(|error| error.to_string())
    }

    /// Text, and HTML with its pictures.
    fn words(&self, subject: &str) -> Result<MultiPart, String> {
        let text = printable(&render::text(&self.blocks));
        let html = printable(&render::html(subject, &self.blocks, |n| self.content_id(n)));
        let html = SinglePart::html(html);
        let alternative = MultiPart::alternative().singlepart(SinglePart::plain(text));
        let pictures = self
            .notice
            .ending()
            .map_or(&[][..], |ending| &ending.screenshots);
        if pictures.is_empty() {
            return Ok(alternative.singlepart(html));
        }
        let png = ContentType::parse("image/png").map_err(|error| error.to_string())?;
        let mut related = MultiPart::related().singlepart(html);
        for (n, Screenshot { name, png: bytes }) in pictures.iter().enumerate() {
            let inline = Attachment::new_inline_with_name(self.content_id(n), log::clean(name));
            related = related.singlepart(inline.body(bytes.clone(), png.clone()));
        }
        Ok(alternative.multipart(related))
    }

    /// The id of a job's first mail, to which all others are replies.
    fn thread_id(&self) -> String {
        format!("<{}.queued@{}>", self.job(), self.domain)
    }

    /// The same each time that this mail is sent, so that a second copy is known as one.
    fn message_id(&self) -> String {
        match &self.notice.kind {
            NoticeKind::Queued { .. } => self.thread_id(),
            kind => {
                let time = self.notice.time.as_second();
                format!("<{}.{}.{time}@{}>", self.job(), kind.name(), self.domain)
            }
        }
    }

    fn content_id(&self, number: usize) -> String {
        format!("{}.screenshot{number}@{}", self.job(), self.domain)
    }

    /// The job's id as a part of other ids.
    fn job(&self) -> String {
        let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        self.notice.job.chars().filter(fits).collect()
    }
}

/// Where the whole log can be read.
fn whole_log(report: &BuildReport) -> String {
    let mut places = report.deliveries.iter();
    let place = places.find_map(|delivery| delivery.link.clone().or(delivery.folder.clone()));
    match place {
        Some(place) => format!("{}/{}", place.trim_end_matches('/'), report.log),
        None => format!("on {}", report.host),
    }
}

/// Text that a mail can hold: no control characters, no passwords.
fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    redact::passwords(text).chars().map(shown).collect()
}
