//! Addresses may carry a password; nothing that prints one shows it.

use std::borrow::Cow;

/// The address with the password of its `user:password@` part replaced by `***`.
pub(crate) fn hidden(address: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = address.split_once("://") else {
        return Cow::Borrowed(address);
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
        ] {
            assert_eq!(hidden(address), shown);
        }
    }
}
