//! Addresses may carry a password; nothing that prints one shows it.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::Value;

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

/// Serialises `value` with the password of every address in it replaced by `***`: what is printed,
/// delivered or logged is for others to read.
pub(crate) fn serialize_hidden<T: Serialize, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let value = serde_json::to_value(value).map_err(serde::ser::Error::custom)?;
    hidden_in(value).serialize(serializer)
}

/// `value` with the password of every address in it replaced by `***`.
pub(crate) fn hidden_in(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(hidden(&text).into_owned()),
        Value::Array(list) => Value::Array(list.into_iter().map(hidden_in).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, value)| (key, hidden_in(value)))
                .collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn passwords_are_hidden_wherever_an_address_stands() {
        let shown =
            hidden_in(json!({"proxy": "http://u:pw@p", "args": ["--proxy=http://u:pw@p", 1]}));
        assert_eq!(
            shown,
            json!({"proxy": "http://u:***@p", "args": ["--proxy=http://u:***@p", 1]})
        );
    }

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
