//! XML-RPC as a hub sees it: calls are read, answers are written, both by hand.
//!
//! It shares no code with the client it tests. Values are JSON values: integers beyond 32 bits are
//! `i8`, other integers `int`, fractions `double`, null is nil.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// A call as it came in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// The method.
    pub(crate) method: String,
    /// Its arguments by position.
    pub(crate) params: Vec<Value>,
    /// Its arguments by name.
    pub(crate) named: Map<String, Value>,
}

impl Call {
    /// Takes the named arguments out of the last one, where Koji's clients put them.
    pub(crate) fn new(method: String, mut params: Vec<Value>) -> Self {
        let mut named = Map::new();
        if let Some(Value::Object(last)) = params.last_mut()
            && last.remove("__starstar").is_some()
        {
            named = std::mem::take(last);
            params.pop();
        }
        Self {
            method,
            params,
            named,
        }
    }

    /// The argument number `at`, or the one called `name`.
    pub(crate) fn argument(&self, at: usize, name: &str) -> Option<&Value> {
        self.params.get(at).or_else(|| self.named.get(name))
    }
}

/// Reads the body of a request.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(crate) fn parse_call(xml: &str) -> Result<Call, String> {
    let mut reader = Reader::new(xml)?;
    reader.open("methodCall")?;
    let method = reader.element("methodName")?;
    reader.open("params")?;
    let mut params = Vec::new();
    while reader.try_open("param") {
        params.push(reader.value()?);
        reader.close("param")?;
    }
    Ok(Call::new(method, params))
}

/// The body of an answer.
pub(crate) fn answer(value: &Value) -> String {
    let mut out = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n".to_owned();
    write_value(&mut out, value);
    out.push_str("</param>\n</params>\n</methodResponse>\n");
    out
}

/// The body of an answer that refuses.
pub(crate) fn fault(code: i32, text: &str) -> String {
    let mut out = "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n".to_owned();
    write_value(&mut out, &json!({"faultCode": code, "faultString": text}));
    out.push_str("</fault>\n</methodResponse>\n");
    out
}

fn write_value(out: &mut String, value: &Value) {
    // Writing to a String cannot fail.
    let _ = match value {
        // No newline behind it: so does Koji.
        Value::Null => write!(out, "<value><nil/></value>"),
        Value::Bool(flag) => {
            writeln!(out, "<value><boolean>{}</boolean></value>", u8::from(*flag))
        }
        Value::Number(number) => match number.as_i64() {
            Some(whole) if i32::try_from(whole).is_ok() => {
                writeln!(out, "<value><int>{whole}</int></value>")
            }
            Some(whole) => writeln!(out, "<value><i8>{whole}</i8></value>"),
            None => writeln!(out, "<value><double>{number}</double></value>"),
        },
        Value::String(text) => {
            writeln!(out, "<value><string>{}</string></value>", escaped(text))
        }
        Value::Array(elements) => {
            out.push_str("<value><array><data>\n");
            elements.iter().for_each(|value| write_value(out, value));
            writeln!(out, "</data></array></value>")
        }
        Value::Object(members) => {
            out.push_str("<value><struct>\n");
            for (name, value) in members {
                let _ = write!(out, "<member>\n<name>{}</name>\n", escaped(name));
                write_value(out, value);
                out.push_str("</member>\n");
            }
            writeln!(out, "</struct></value>")
        }
    };
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The tags and texts of a document, one after the other.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn new(xml: &'a str) -> Result<Self, String> {
        if xml.trim().is_empty() {
            return Err("Empty request".to_owned());
        }
        let rest = match xml.trim_start().strip_prefix("<?") {
            Some(rest) => rest.split_once("?>").map_or("", |(_, rest)| rest),
            None => xml,
        };
        Ok(Self { rest })
    }

    fn try_open(&mut self, tag: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix('<');
        match rest.and_then(|rest| rest.strip_prefix(tag)?.strip_prefix('>')) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn open(&mut self, tag: &str) -> Result<(), String> {
        match self.try_open(tag) {
            true => Ok(()),
            false => Err(format!("no element found: <{tag}>")),
        }
    }

    fn close(&mut self, tag: &str) -> Result<(), String> {
        self.open(&format!("/{tag}"))
    }

    /// The text up to the next tag.
    fn text(&mut self) -> Result<String, String> {
        let end = self.rest.find('<').ok_or("no element found")?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&amp;", "&"))
    }

    fn element(&mut self, tag: &str) -> Result<String, String> {
        self.open(tag)?;
        let text = self.text()?;
        self.close(tag)?;
        Ok(text)
    }

    fn value(&mut self) -> Result<Value, String> {
        self.open("value")?;
        let value = if self.try_open("struct") {
            let mut members = Map::new();
            while self.try_open("member") {
                let name = self.element("name")?;
                members.insert(name, self.value()?);
                self.close("member")?;
            }
            self.close("struct")?;
            Value::Object(members)
        } else if self.try_open("array") {
            self.open("data")?;
            let mut elements = Vec::new();
            while !self.try_open("/data") {
                elements.push(self.value()?);
            }
            self.close("array")?;
            Value::Array(elements)
        } else if self.try_open("nil/") {
            Value::Null
        } else {
            self.scalar()?
        };
        self.close("value")?;
        Ok(value)
    }

    fn scalar(&mut self) -> Result<Value, String> {
        for tag in ["int", "i4", "i8"] {
            if self.try_open(tag) {
                let text = self.text()?;
                self.close(tag)?;
                let number: i64 = text.parse().map_err(|_| format!("no integer: {text}"))?;
                return Ok(number.into());
            }
        }
        if self.try_open("boolean") {
            let text = self.text()?;
            self.close("boolean")?;
            return Ok((text == "1").into());
        }
        if self.try_open("double") {
            let text = self.text()?;
            self.close("double")?;
            let number: f64 = text.parse().map_err(|_| format!("no double: {text}"))?;
            return Ok(number.into());
        }
        let tagged = self.try_open("string");
        let text = self.text()?;
        if tagged {
            self.close("string")?;
        }
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::captures::captures;

    #[test]
    fn answers_are_written_as_koji_writes_them() {
        for name in [
            "28-listRPMs-many",
            "27-listRPMs-huge-i8",
            "45-getLatestBuilds",
            "46-listTaggedRPMS",
            "52-multiCall-listRPMs",
        ] {
            let capture = captures().into_iter().find(|one| one.name == name).unwrap();
            let written = answer(capture.decoded.as_ref().unwrap());
            assert_eq!(written.as_bytes(), capture.response, "{name}");
        }
    }

    #[test]
    fn every_captured_call_is_read() {
        for capture in captures() {
            let text = String::from_utf8(capture.request).unwrap();
            let call = parse_call(&text);
            let broken = text.is_empty() || capture.name.contains("malformed");
            assert_eq!(call.is_err(), broken, "{}: {call:?}", capture.name);
        }
        let xml = "<methodCall><methodName>a</methodName><params><param><value>x &lt;\
                   </value></param></params></methodCall>";
        assert_eq!(parse_call(xml).unwrap().params, ["x <"]);
    }
}
