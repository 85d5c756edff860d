//! From the bytes of an answer to a value or a fault.
//!
//! The parser is the `xmlrpc` crate's. It gives it out only as the answer to a request, so one is
//! made that is never sent.

use std::error::Error;

use xmlrpc::{Request, Transport, Value};

use super::error::line;
use super::guard;

/// Why the bytes are no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
    /// Deeper than any answer should be.
    #[error("its elements are nested more than {limit} deep")]
    TooDeep { limit: usize },
    /// No XML, or no XML-RPC.
    #[error("{0}")]
    Malformed(String),
}

/// What a hub says when it refuses a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: i32,
    pub(super) text: String,
}

impl CodecError {
    pub(super) fn malformed(problem: impl Into<String>) -> Self {
        Self::Malformed(problem.into())
    }
}

/// The value or the fault in the body of an answer. Blocks: the parser takes its time, about a
/// second for 16 MB.
pub(super) fn decode(body: &[u8], depth: usize) -> Result<Result<Value, Fault>, CodecError> {
    let text = guard::checked(body, depth)?;
    match Request::new("").call(Received(text.as_bytes())) {
        Ok(mut value) => {
            guard::restore(&mut value);
            Ok(Ok(value))
        }
        Err(error) => match error.fault() {
            Some(fault) => Ok(Err(Fault {
                code: fault.fault_code,
                text: fault.fault_string.clone(),
            })),
            None => Err(CodecError::Malformed(reason(&error))),
        },
    }
}

/// The line of a fault's text that says what happened: the first, or, where a hub is set to send
/// tracebacks, the first that is not of the traceback.
pub(super) fn fault_line(text: &str) -> &str {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    match lines.next() {
        Some(first) if first.starts_with("Traceback ") => lines
            .find(|line| !line.starts_with(' '))
            .unwrap_or(first)
            .trim(),
        Some(first) => first.trim(),
        None => "no reason given",
    }
}

/// Why the parser gave up, in one line.
fn reason(error: &xmlrpc::Error) -> String {
    let source = error.source();
    let words = source.map_or_else(|| error.to_string(), ToString::to_string);
    line(&words)
}

/// Bytes that came another way.
struct Received<'a>(&'a [u8]);

impl<'a> Transport for Received<'a> {
    type Stream = &'a [u8];

    fn transmit(self, _: &Request<'_>) -> Result<&'a [u8], Box<dyn Error + Send + Sync>> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPTH: usize = 150;

    fn value(xml: &str) -> Result<Value, CodecError> {
        let body = format!(
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value>{xml}</value>\n\
             </param>\n</params>\n</methodResponse>\n"
        );
        decode(body.as_bytes(), DEPTH).map(Result::unwrap)
    }

    #[test]
    fn texts_that_the_crate_alone_misreads() {
        for (xml, text) in [
            ("<string>  \n </string>", "  \n "),
            ("<string> a </string>", " a "),
            ("<string></string>", ""),
            ("<string>a\u{8}b\0</string>", "a\u{fffd}b\u{fffd}"),
            ("<string>&lt;é&amp;</string>", "<é&"),
        ] {
            assert_eq!(value(xml), Ok(Value::from(text)), "{xml}");
        }
        let members = "<struct><member><name></name><value><int>1</int></value></member></struct>";
        let members = value(members).unwrap();
        assert_eq!(members[""], Value::Int(1));
    }

    #[test]
    fn nesting_within_the_limit_is_read() {
        let nested = |levels: usize| {
            format!(
                "{}<nil/>{}",
                "<array><data><value>".repeat(levels),
                "</value></data></array>".repeat(levels)
            )
        };
        assert!(value(&nested(48)).is_ok());
        for levels in [49, 20_000] {
            assert_eq!(
                value(&nested(levels)),
                Err(CodecError::TooDeep { limit: DEPTH })
            );
        }
    }

    #[test]
    fn what_is_no_answer() {
        for body in [
            "",
            "methodResponse",
            "</methodResponse>",
            "<methodResponse></methodResponse>",
            "<methodResponse><params></params></methodResponse>",
            "<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
            "<methodResponse><params><param><value><int>1</in",
        ] {
            let error = decode(body.as_bytes(), DEPTH).unwrap_err();
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_line_of_a_fault() {
        for (text, line) in [
            ("No such build: 'x'", "No such build: 'x'"),
            ("\nfirst\nsecond", "first"),
            (
                "Traceback (most recent call last):\n  File \"x\", line 1\n    y\na.B: why\nmore\n",
                "a.B: why",
            ),
            (
                "Traceback (most recent call last):\n",
                "Traceback (most recent call last):",
            ),
            ("", "no reason given"),
        ] {
            assert_eq!(fault_line(text), line);
        }
    }
}
