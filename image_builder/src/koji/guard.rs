//! What is checked of a hub's answer before the parser sees it, and the few things in it that the
//! parser cannot read.
//!
//! The `xmlrpc` crate overflows the stack on deeply nested answers (a few thousand levels on a
//! worker thread), takes whatever follows the first value, refuses characters that a hub may send
//! in a free text, and empties strings that are all blanks.

use std::borrow::Cow;

use xmlrpc::Value;

use super::codec::CodecError;

/// Put before blanks that the parser would drop, whatever they are wrapped in; a character of
/// Unicode's private use area that no hub sends.
const BLANKS: char = '\u{10fffd}';

/// The text of an answer, fit for the parser; what it reads needs [`restore`].
///
/// # Errors
///
/// When it is not UTF-8, is cut off, holds a DTD or attributes, or is nested deeper than `depth`
/// elements.
pub(super) fn checked(body: &[u8], depth: usize) -> Result<Cow<'_, str>, CodecError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|error| {
        CodecError::malformed(format!("byte {} is not UTF-8", error.valid_up_to()))
    })?;
    if !is_whole(body) {
        return Err(CodecError::malformed(
            "it does not end in </methodResponse>",
        ));
    }
    let text = match text.contains(is_unreadable) {
        true => Cow::Owned(text.replace(is_unreadable, "\u{fffd}")),
        false => Cow::Borrowed(text),
    };
    let gaps = scan(&text, depth)?;
    if gaps.is_empty() {
        return Ok(text);
    }
    let mut filled = String::with_capacity(text.len() + 8 * gaps.len());
    let mut done = 0;
    for at in gaps {
        filled.push_str(&text[done..at]);
        filled.push(BLANKS);
        done = at;
    }
    filled.push_str(&text[done..]);
    Ok(Cow::Owned(filled))
}

/// Whether an answer has its end.
pub(super) fn is_whole(body: &[u8]) -> bool {
    body.trim_ascii_end().ends_with(b"</methodResponse>")
}

/// Characters that XML 1.0 does not allow: <https://www.w3.org/TR/xml/#charsets>. Python writes
/// them as they are.
fn is_unreadable(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Goes over the tags: counts how deep they are nested, and finds where texts begin that the
/// parser would misread.
fn scan(text: &str, limit: usize) -> Result<Vec<usize>, CodecError> {
    let mut gaps = Vec::new();
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(found) = text[at..].find('<') {
        at += found;
        let rest = &text[at..];
        let end = |mark: &str| match rest.find(mark) {
            Some(end) => Ok(at + end + mark.len()),
            None => Err(CodecError::malformed("it ends within a tag")),
        };
        if rest.starts_with("<!--") {
            at = end("-->")?;
        } else if rest.starts_with("<![CDATA[") {
            at = end("]]>")?;
        } else if rest.starts_with("<!") {
            return Err(CodecError::malformed("it holds a document type"));
        } else if rest.starts_with("<?") {
            at = end("?>")?;
        } else {
            let past = end(">")?;
            let tag = &text[at + 1..past - 1];
            at = past;
            if tag.contains(['=', '"', '\'', '<']) {
                return Err(CodecError::malformed("it holds a tag with attributes"));
            }
            if tag.starts_with('/') {
                depth = depth.saturating_sub(1);
            } else if !tag.ends_with('/') {
                depth += 1;
                if depth > limit {
                    return Err(CodecError::TooDeep { limit });
                }
                if is_gap(&text[past..], tag.trim_end()) {
                    gaps.push(past);
                }
            }
        }
    }
    Ok(gaps)
}

/// Whether the text of the element `tag`, the first in `rest`, is all blanks (which the parser
/// drops) or an empty name (which it refuses).
fn is_gap(rest: &str, tag: &str) -> bool {
    let text = rest.trim_ascii_start();
    match tag {
        "string" => text.len() < rest.len() && text.starts_with("</string>"),
        "name" => text.starts_with("</name>"),
        _ => false,
    }
}

/// Takes the marks of [`checked`] out of a value again.
pub(super) fn restore(value: &mut Value) {
    match value {
        Value::String(text) => restore_text(text),
        Value::Array(elements) => elements.iter_mut().for_each(restore),
        Value::Struct(members) => {
            let marked = |name: &String| name.starts_with(BLANKS);
            let names: Vec<String> = members
                .keys()
                .filter(|name| marked(name))
                .cloned()
                .collect();
            for mut name in names {
                if let Some(value) = members.remove(&name) {
                    restore_text(&mut name);
                    members.insert(name, value);
                }
            }
            members.values_mut().for_each(restore);
        }
        _ => {}
    }
}

fn restore_text(text: &mut String) {
    if let Some(rest) = text.strip_prefix(BLANKS)
        && rest.trim_ascii().is_empty()
    {
        *text = rest.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "</methodResponse>";

    fn check(text: &str, depth: usize) -> Result<String, String> {
        checked(format!("{text}{END}").as_bytes(), depth)
            .map(|text| text.strip_suffix(END).unwrap().to_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn depth_is_counted_by_open_elements() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(check(&nested(150), 150).is_ok());
        assert_eq!(
            check(&nested(151), 150).unwrap_err(),
            "its elements are nested more than 150 deep"
        );
        assert!(check(&"<a></a>".repeat(1000), 1).is_ok());
        assert!(check(&"<nil/>".repeat(1000), 1).is_ok());
        assert!(check(&"<!-- <a> --><![CDATA[<a>]]><?a <a> ?>".repeat(100), 1).is_ok());
    }

    #[test]
    fn what_hides_depth_is_refused() {
        for text in [
            "<a x=\"/>\">",
            "<a x='/>'>",
            "<!DOCTYPE a [<!ENTITY b \"<a>\">]>",
            "<a",
            "<!-- ",
        ] {
            assert!(check(text, 150).is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_has_an_end_and_is_text() {
        assert!(checked(b"<methodResponse><params>", 150).is_err());
        assert!(checked(b"<a>\xff</a></methodResponse>", 150).is_err());
        assert!(checked(b"", 150).is_err());
    }

    #[test]
    fn gaps_are_filled() {
        for (text, filled) in [
            ("<string> \n</string>", "<string>\u{10fffd} \n</string>"),
            ("<string></string>", "<string></string>"),
            ("<string> a </string>", "<string> a </string>"),
            ("<name></name>", "<name>\u{10fffd}</name>"),
            ("<name>a\u{8}</name>", "<name>a\u{fffd}</name>"),
            ("<value>\n<int>", "<value>\n<int>"),
        ] {
            assert_eq!(check(text, 150).unwrap(), filled);
        }
    }
}
