//! One struct of a hub's answer, and its members by type.

use std::collections::BTreeMap;

use xmlrpc::Value;

/// A struct; a member that is missing counts as nil.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a>(&'a BTreeMap<String, Value>);

impl<'a> Row<'a> {
    /// The value as a struct. `what` names it if it is none.
    pub(super) fn new(value: &'a Value, what: &str) -> Result<Self, String> {
        match value {
            Value::Struct(members) => Ok(Self(members)),
            other => Err(format!("{what} is {}, not a struct", kind(other))),
        }
    }

    fn get(self, key: &str) -> &'a Value {
        self.0.get(key).unwrap_or(&Value::Nil)
    }

    /// A text that must be there.
    pub(super) fn text(self, key: &str) -> Result<String, String> {
        self.optional_text(key)?
            .ok_or_else(|| format!("\"{key}\" is missing"))
    }

    /// A text that may be missing or nil.
    pub(super) fn optional_text(self, key: &str) -> Result<Option<String>, String> {
        match self.get(key) {
            Value::Nil => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            other => Err(format!("\"{key}\" is {}, not a string", kind(other))),
        }
    }

    /// A number that must be there.
    pub(super) fn number(self, key: &str) -> Result<u64, String> {
        self.optional_number(key)?
            .ok_or_else(|| format!("\"{key}\" is missing"))
    }

    /// A number that may be missing or nil.
    pub(super) fn optional_number(self, key: &str) -> Result<Option<u64>, String> {
        let number = match self.get(key) {
            Value::Nil => return Ok(None),
            Value::Int(number) => i64::from(*number),
            Value::Int64(number) => *number,
            other => return Err(format!("\"{key}\" is {}, not a number", kind(other))),
        };
        u64::try_from(number)
            .map(Some)
            .map_err(|_| format!("\"{key}\" is {number}, a negative number"))
    }

    /// A boolean; false if it is missing or nil, as older hubs leave it out.
    pub(super) fn flag(self, key: &str) -> Result<bool, String> {
        match self.get(key) {
            Value::Nil => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            other => Err(format!("\"{key}\" is {}, not a boolean", kind(other))),
        }
    }
}

/// Each element of an array, read by `read`.
pub(super) fn rows<T>(
    value: &Value,
    what: &str,
    read: impl Fn(&Value) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    match value {
        Value::Array(elements) => elements.iter().map(read).collect(),
        other => Err(format!("{what} are {}, not an array", kind(other))),
    }
}

/// What a value is, for a message.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Int(_) | Value::Int64(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::String(_) => "a string",
        Value::Double(_) => "a fraction",
        Value::DateTime(_) => "a date",
        Value::Base64(_) => "binary data",
        Value::Struct(_) => "a struct",
        Value::Array(_) => "an array",
        Value::Nil => "nil",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Value {
        Value::Struct(BTreeMap::from([
            ("size".to_owned(), Value::Int64(3_000_000_000)),
            ("negative".to_owned(), Value::Int(-1)),
            ("name".to_owned(), Value::String("bash".to_owned())),
            ("nil".to_owned(), Value::Nil),
        ]))
    }

    #[test]
    fn members_by_type() {
        let value = sample();
        let row = Row::new(&value, "the build").unwrap();
        assert_eq!(row.number("size"), Ok(3_000_000_000));
        assert_eq!(row.text("name"), Ok("bash".to_owned()));
        assert_eq!(row.optional_text("nil"), Ok(None));
        assert_eq!(row.flag("draft"), Ok(false));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let value = sample();
        let row = Row::new(&value, "the build").unwrap();
        assert_eq!(
            row.number("negative").unwrap_err(),
            "\"negative\" is -1, a negative number"
        );
        assert_eq!(
            row.text("size").unwrap_err(),
            "\"size\" is a number, not a string"
        );
        assert_eq!(row.number("id").unwrap_err(), "\"id\" is missing");
        assert_eq!(
            Row::new(&Value::Nil, "the build").unwrap_err(),
            "the build is nil, not a struct"
        );
    }
}
