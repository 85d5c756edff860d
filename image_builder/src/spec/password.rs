//! Addresses may carry a password; nothing that prints one shows it.

use std::borrow::Cow;

use crate::redact;

/// The address with the password of its `user:password@` part replaced by `***`, also where its scheme is
/// mistyped or left out, and in each of several addresses.
pub(crate) fn hidden(address: &str) -> Cow<'_, str> {
    let first = of_one(address);
    // Those behind the first.
    match redact::passwords(&first) {
        Cow::Owned(hidden) => Cow::Owned(hidden),
        Cow::Borrowed(_) => first,
    }
}

fn of_one(address: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = address.split_once("://") else {
        return mistyped(address);
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password may hold an unescaped "/" or "#": then the "@" lies behind the supposed end.
    let end = match rest[..authority_end].rfind('@') {
        Some(at) => at,
        None if rest[..authority_end].contains(':') => match rest.rfind('@') {
            Some(at) => at,
            None => return Cow::Borrowed(address),
        },
        None => return Cow::Borrowed(address),
    };
    let (user_info, host) = rest.split_at(end);
    match user_info.split_once(':') {
        Some((user, _)) => Cow::Owned(format!("{scheme}://{user}:***{host}")),
        None => Cow::Borrowed(address),
    }
}

/// `ftp:/user:password@host` and `user:password@host`: no address, and no less a password.
fn mistyped(text: &str) -> Cow<'_, str> {
    let Some(end) = text.rfind('@') else {
        return Cow::Borrowed(text);
    };
    let user_begins = text[..end].find(":/").map_or(0, |scheme| {
        let rest = &text[scheme + 1..];
        scheme + 1 + (rest.len() - rest.trim_start_matches('/').len())
    });
    match text.get(user_begins..end).and_then(|it| it.find(':')) {
        Some(colon) => {
            let (shown, host) = (&text[..user_begins + colon], &text[end..]);
            Cow::Owned(format!("{shown}:***{host}"))
        }
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::hidden;

    #[test]
    fn passwords_are_hidden() {
        for (address, shown) in [
            ("ftp://qa:s3cret@host/pub", "ftp://qa:***@host/pub"),
            ("sftp://qa:a/b#c@host/pub", "sftp://qa:***@host/pub"),
            ("sftp://qa:a@b@host/pub", "sftp://qa:***@host/pub"),
            ("ftp://qa@host:21/pub", "ftp://qa@host:21/pub"),
            ("http://host:80/a;b?c=d&e=f", "http://host:80/a;b?c=d&e=f"),
            ("host.example.org", "host.example.org"),
            ("/srv/images", "/srv/images"),
            ("ftp:/qa:s3cret@host", "ftp:/qa:***@host"),
            ("43_url=ftp:/qa:s3:cret@host/x", "43_url=ftp:/qa:***@host/x"),
            ("proxy=qa:s3cret@host", "proxy=qa:***@host"),
            ("qa@example.org", "qa@example.org"),
            ("ftp:/host/a@b", "ftp:/host/a@b"),
            (
                "staging=ftp://a:one@h;sftp://b:two@h",
                "staging=ftp://a:***@h;sftp://b:***@h",
            ),
        ] {
            assert_eq!(hidden(address), shown);
        }
    }
}
