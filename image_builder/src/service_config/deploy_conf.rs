//! `deploy.conf`, the configuration of 2012. Its `[SMTP]` section is read:
//!
//! ```ini
//! [SMTP]
//! #single quotes needed
//! server='smtp.example.org'
//! port='587'
//! login='buildservice@example.org'
//! password='...'
//! ```
//!
//! As in 2012 the connection uses STARTTLS, and the login is the sender. All else in the file is
//! not for this.

use std::path::Path;

use super::{MailSecurity, SmtpSection};
use crate::secret::Secret;
use crate::spec::ini;

/// Where it is looked for when no other file is named.
pub(super) const DEPLOY_CONF: &str = "/etc/fbs/deploy.conf";

/// The mail server of a `deploy.conf`, if it has one.
pub(super) fn read(path: &Path) -> Result<Option<SmtpSection>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    parse(&text)
}

fn parse(text: &str) -> Result<Option<SmtpSection>, String> {
    let document = ini::read(text, "deploy.conf");
    if !document.heads.iter().any(|head| head.name == "SMTP") {
        return Ok(None);
    }
    if let Some(mistake) = document.mistakes.first() {
        return Err(mistake.to_string());
    }
    let wanted = |key: &str| {
        let mut entries = document.entries.iter();
        let found = entries
            .find(|entry| entry.section == "SMTP" && entry.key.eq_ignore_ascii_case(key))
            .map(|entry| entry.value.clone())
            .filter(|value| !value.is_empty());
        found.ok_or_else(|| format!("[SMTP] {key} is missing"))
    };
    let port = wanted("port")?;
    let login = wanted("login")?;
    if !login.contains('@') {
        return Err(format!(
            "[SMTP] login: {login:?} is no mail address, and it is the sender's; an `[smtp]` \
             section in fbs.toml can name both"
        ));
    }
    Ok(Some(SmtpSection {
        server: wanted("server")?,
        port: Some(
            port.parse()
                .map_err(|_| format!("[SMTP] port: {port:?} is no number from 1 to 65535"))?,
        ),
        security: MailSecurity::StartTls,
        from: format!("Fedora Build Service <{login}>"),
        user: Some(login),
        literal: Some(Secret::new(wanted("password")?)),
        ..SmtpSection::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOY: &str = "[broker]\ni686=\"amqp://guest@10.0.0.9//\"\n\n[releases]\nreleases=16,17\n\n\
        [SMTP]\n#replace these with appropriate credentials\n#single quotes needed\n\
        server='smtp.example.org'\nport='587'\nlogin='bot@example.org'\npassword='f00;b=a#r\\'";

    #[test]
    fn the_file_of_2012_is_read() {
        let smtp = parse(DEPLOY).unwrap().unwrap();
        assert_eq!(
            (smtp.server.as_str(), smtp.port),
            ("smtp.example.org", Some(587))
        );
        assert_eq!(smtp.user.as_deref(), Some("bot@example.org"));
        assert_eq!(smtp.from, "Fedora Build Service <bot@example.org>");
        assert_eq!(smtp.literal.unwrap().reveal(), "f00;b=a#r\\");
        assert_eq!(smtp.security, MailSecurity::StartTls);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is_shown() {
        assert_eq!(parse("[broker]\nx=1\n").unwrap(), None);
        for (from, to, words) in [
            ("port='587'", "port='many'", "[SMTP] port: \"many\""),
            (
                "server='smtp.example.org'\n",
                "",
                "[SMTP] server is missing",
            ),
            ("bot@example.org", "bot", "\"bot\" is no mail address"),
        ] {
            let error = parse(&DEPLOY.replace(from, to)).unwrap_err();
            assert!(error.contains(words), "{error}");
            assert!(!error.contains("f00"), "{error}");
        }
    }
}
