//! Passwords in addresses never reach a screen, a log, a report or a queue.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

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
        let mut value = serde_json::json!({"a": ["http://u:pw@h/", 1], "b": null});
        json(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"a": ["http://u:***@h/", 1], "b": null})
        );
    }
}
