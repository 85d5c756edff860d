//! Calls, and how they are written: as Koji's own client writes them, byte for byte.
//!
//! The writer is our own and not the crate's: named arguments must come in the order of Koji's
//! client with `__starstar` last, and the crate writes control characters that no XML may hold.
//! See `encode_args` and `xmlrpcplus` in <https://pagure.io/koji/blob/master/f/koji>.

use std::fmt::Write as _;

use xmlrpc::Value;

/// A call of a hub's method.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// The method.
    pub(super) method: &'static str,
    params: Vec<Value>,
    named: Vec<(&'static str, Value)>,
}

impl Call {
    pub(super) fn new(method: &'static str) -> Self {
        Self {
            method,
            params: Vec::new(),
            named: Vec::new(),
        }
    }

    /// Adds an argument by position.
    pub(super) fn arg(mut self, value: impl Into<Value>) -> Self {
        self.params.push(value.into());
        self
    }

    /// Adds an argument by name.
    pub(super) fn named(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.named.push((name, value.into()));
        self
    }

    /// The call as the body of a request.
    ///
    /// # Errors
    ///
    /// What of it XML cannot hold.
    pub(super) fn to_xml(&self) -> Result<String, String> {
        request(self.method, |out| {
            self.params
                .iter()
                .try_for_each(|value| param(out, |out| write_value(out, value)))?;
            match self.named.as_slice() {
                [] => Ok(()),
                named => param(out, |out| write_named(out, named)),
            }
        })
    }

    /// Many calls as the body of one request, `multiCall`.
    ///
    /// # Errors
    ///
    /// As [`to_xml`](Self::to_xml).
    pub(super) fn to_multi_call_xml(calls: &[Self]) -> Result<String, String> {
        request("multiCall", |out| {
            param(out, |out| {
                array(out, calls, |out, call| {
                    out.push_str("<value><struct>\n");
                    member(out, "methodName", |out| write_string(out, call.method))?;
                    member(out, "params", |out| call.write_params_array(out))?;
                    out.push_str("</struct></value>\n");
                    Ok(())
                })
            })
        })
    }

    fn write_params_array(&self, out: &mut String) -> Result<(), String> {
        out.push_str("<value><array><data>\n");
        for value in &self.params {
            write_value(out, value)?;
        }
        if !self.named.is_empty() {
            write_named(out, &self.named)?;
        }
        out.push_str("</data></array></value>\n");
        Ok(())
    }
}

type Written = Result<(), String>;

fn request(method: &str, params: impl FnOnce(&mut String) -> Written) -> Result<String, String> {
    let mut out = format!(
        "<?xml version='1.0'?>\n<methodCall>\n<methodName>{method}</methodName>\n<params>\n"
    );
    params(&mut out)?;
    out.push_str("</params>\n</methodCall>\n");
    Ok(out)
}

fn param(out: &mut String, value: impl FnOnce(&mut String) -> Written) -> Written {
    out.push_str("<param>\n");
    value(out)?;
    out.push_str("</param>\n");
    Ok(())
}

fn member(out: &mut String, name: &str, value: impl FnOnce(&mut String) -> Written) -> Written {
    out.push_str("<member>\n<name>");
    escape(out, name)?;
    out.push_str("</name>\n");
    value(out)?;
    out.push_str("</member>\n");
    Ok(())
}

fn array<T>(
    out: &mut String,
    elements: &[T],
    mut element: impl FnMut(&mut String, &T) -> Written,
) -> Written {
    out.push_str("<value><array><data>\n");
    elements.iter().try_for_each(|one| element(out, one))?;
    out.push_str("</data></array></value>\n");
    Ok(())
}

fn write_named(out: &mut String, named: &[(&'static str, Value)]) -> Written {
    out.push_str("<value><struct>\n");
    for (name, value) in named {
        member(out, name, |out| write_value(out, value))?;
    }
    member(out, "__starstar", |out| {
        write_value(out, &Value::Bool(true))
    })?;
    out.push_str("</struct></value>\n");
    Ok(())
}

fn write_value(out: &mut String, value: &Value) -> Written {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Int(number) => writeln!(out, "<value><int>{number}</int></value>"),
        Value::Int64(number) => match i32::try_from(*number) {
            Ok(number) => writeln!(out, "<value><int>{number}</int></value>"),
            Err(_) => writeln!(out, "<value><i8>{number}</i8></value>"),
        },
        Value::Bool(flag) => {
            writeln!(out, "<value><boolean>{}</boolean></value>", u8::from(*flag))
        }
        Value::String(text) => return write_string(out, text),
        // No newline behind it, as Koji's client has it.
        Value::Nil => write!(out, "<value><nil/></value>"),
        Value::Array(elements) => return array(out, elements, write_value),
        Value::Struct(members) => {
            out.push_str("<value><struct>\n");
            for (name, value) in members {
                member(out, name, |out| write_value(out, value))?;
            }
            writeln!(out, "</struct></value>")
        }
        Value::Double(_) | Value::DateTime(_) | Value::Base64(_) => {
            return Err("no call of this client takes fractions, dates or binary data".to_owned());
        }
    };
    Ok(())
}

fn write_string(out: &mut String, text: &str) -> Written {
    out.push_str("<value><string>");
    escape(out, text)?;
    out.push_str("</string></value>\n");
    Ok(())
}

fn escape(out: &mut String, text: &str) -> Written {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                return Err(format!(
                    "\"{}\" holds a control character",
                    text.escape_default()
                ));
            }
            c => out.push(c),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_texts_and_nil() {
        for (value, xml) in [
            (Value::Int(-1), "<value><int>-1</int></value>\n"),
            (Value::Int64(7), "<value><int>7</int></value>\n"),
            (
                Value::Int64(3_000_000_000),
                "<value><i8>3000000000</i8></value>\n",
            ),
            (Value::Nil, "<value><nil/></value>"),
            (
                Value::from("<a> & b"),
                "<value><string>&lt;a&gt; &amp; b</string></value>\n",
            ),
            (
                Value::Array(vec![Value::Bool(false)]),
                "<value><array><data>\n<value><boolean>0</boolean></value>\n</data></array></value>\n",
            ),
        ] {
            let mut out = String::new();
            write_value(&mut out, &value).unwrap();
            assert_eq!(out, xml);
        }
    }

    #[test]
    fn control_characters_are_refused() {
        for text in ["a\0", "\u{8}", "\r", "\u{85}", "\u{ffff}"] {
            let error = Call::new("getBuild").arg(text).to_xml().unwrap_err();
            assert!(error.contains("control character"), "{error}");
        }
    }
}
