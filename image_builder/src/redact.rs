//! Passwords in addresses never reach a log, a report, a message or somebody else's screen. Only the spec itself has them,
//! in the queue and in the records, for the worker that builds from it.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::spec::password::hidden;

/// `user:password@` behind `://`, as RFC 3986 has it: no blank and no slash in the password.
static PASSWORD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(://[^\s/:@'"]*:)[^\s/'"]+@"#).ok());

/// `user:password@` behind whatever there is of a scheme, or a user or password alone.
static ARGUMENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(:/*(?:[^\s/:@'"]*:)?)[^\s/:'"][^\s'"]*@"#).ok());

/// `text` with every password in an address replaced by `***`.
#[must_use]
pub fn passwords(text: &str) -> Cow<'_, str> {
    match &*PASSWORD {
        // Most lines have no address at all.
        Some(password) if text.contains("://") => password.replace_all(text, "$1***@"),
        _ => Cow::Borrowed(text),
    }
}

/// Words of a command line as a message repeats them, with everything hidden that may be a password: what
/// stands between a colon and an `@`, also where it is no address.
#[must_use]
pub fn arguments(text: &str) -> Cow<'_, str> {
    match &*ARGUMENT {
        Some(argument) => argument.replace_all(text, "$1***@"),
        None => Cow::Borrowed(text),
    }
}

/// A build spec as INI with every password in its addresses replaced by `***`, for who may see it and has not written it.
/// What a worker builds from keeps them.
#[must_use]
pub fn spec(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        // A password with a slash in it is one in a spec, and none where an address may end anywhere.
        let value = line.find('=').map_or(0, |at| at + 1);
        let (key, value) = line.split_at(value);
        shown.push_str(key);
        for item in passwords(value).split_inclusive(';') {
            shown.push_str(&hidden(item));
        }
    }
    shown
}

/// Whether a text has the `***` that stands for a password: nobody's password is that.
#[must_use]
pub fn is_shown(text: &str) -> bool {
    let mut addresses = text.split("://").skip(1);
    addresses.any(|rest| {
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '@'));
        let user_info = end.and_then(|end| rest.get(..=end));
        user_info.is_some_and(|user_info| user_info.ends_with(":***@"))
    })
}

/// Serialises a value with every password in it hidden: `#[serde(serialize_with = "...")]` for
/// fields whose own type has to keep them.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut value = serde_json::to_value(value).map_err(S::Error::custom)?;
    json(&mut value);
    value.serialize(serializer)
}

/// Replaces every password in every text of a JSON value.
pub fn json(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(hidden) = passwords(text) {
                *text = hidden;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(json),
        Value::Object(fields) => fields.values_mut().for_each(json),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passwords_are_hidden() {
        for (text, shown) in [
            (
                "-s http://me:pw@r/os -m ftp://a:b@c",
                "-s http://me:***@r/os -m ftp://a:***@c",
            ),
            ("'https://me:p@w@r/'", "'https://me:***@r/'"),
            ("http://me@r:80/a@b:c", "http://me@r:80/a@b:c"),
            ("http://r:80/x@y", "http://r:80/x@y"),
            ("12:30 mail me@here", "12:30 mail me@here"),
        ] {
            assert_eq!(passwords(text), shown);
        }
        for (text, shown) in [
            (
                "invalid value 'ftp://u:SECRET@h' for '--proxy <URL>': wrong",
                "invalid value 'ftp://u:***@h' for '--proxy <URL>': wrong",
            ),
            ("'ftp:/u:SE:C/RET@h'", "'ftp:/u:***@h'"),
            ("'u:SECRET@h'", "'u:***@h'"),
            ("'--expect' <REGEX>: a b", "'--expect' <REGEX>: a b"),
        ] {
            assert_eq!(arguments(text), shown);
        }
        for (text, shown) in [
            (
                "[DEFAULT]\nstaging=ftp://a:b@c/;sftp://qa:x/y#z@h/p;\nemail=a@b;\n",
                "[DEFAULT]\nstaging=ftp://a:***@c/;sftp://qa:***@h/p;\nemail=a@b;\n",
            ),
            ("proxy=http://me:p;w@h:8080/", "proxy=http://me:***@h:8080/"),
            (
                "43_url=http://h:80/a;http://h/b=c@d",
                "43_url=http://h:80/a;http://h/b=c@d",
            ),
        ] {
            assert_eq!(spec(text), shown);
            assert!(!is_shown(text));
            assert_eq!(is_shown(shown), shown.contains("***"));
        }
        assert!(!is_shown("http://h/a:***@b *** ://x ftp://u:***"));
        let mut value = serde_json::json!({"a": ["http://u:pw@h/", 1], "b": null});
        json(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"a": ["http://u:***@h/", 1], "b": null})
        );
    }
}
