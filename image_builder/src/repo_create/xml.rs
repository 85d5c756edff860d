//! Text in XML, appended to a buffer: <https://www.w3.org/TR/xml/>.

/// Where a text is to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between double quotes, where a line end would be read as a space.
    Attribute,
    /// Between tags.
    Element,
    /// Between tags, as prose: its quotes stay as they are.
    Prose,
}

/// A text had characters that no XML may have. They were replaced by U+FFFD.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forbidden;

/// Appends `text`.
pub(super) fn push(out: &mut Vec<u8>, text: &str, place: Place) -> Result<(), Forbidden> {
    // Nearly every text is of this kind, and this loop takes sixteen bytes at once.
    if text.bytes().fold(true, |all, byte| all & plain(byte)) {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let mut result = Ok(());
    let mut written = 0;
    for (at, character) in text.char_indices() {
        let instead = match character {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '\r' => "&#13;",
            '\'' if place != Place::Prose => "&apos;",
            '"' if place != Place::Prose => "&quot;",
            '\n' if place == Place::Attribute => "&#10;",
            '\t' if place == Place::Attribute => "&#9;",
            '\n' | '\t' => continue,
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => {
                result = Err(Forbidden);
                "\u{fffd}"
            }
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[written..at]);
        out.extend_from_slice(instead.as_bytes());
        written = at + character.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[written..]);
    result
}

/// Whether a byte needs no look at what it stands for. The two forbidden characters beyond ASCII
/// begin with the last one named here.
fn plain(byte: u8) -> bool {
    (byte >= b' ')
        & (byte != b'<')
        & (byte != b'>')
        & (byte != b'&')
        & (byte != b'\'')
        & (byte != b'"')
        & (byte != 0xef)
}

/// Appends `number`.
pub(super) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(text: &str, place: Place) -> (String, Result<(), Forbidden>) {
        let mut out = Vec::new();
        let result = push(&mut out, text, place);
        (String::from_utf8(out).unwrap(), result)
    }

    #[test]
    fn what_has_a_meaning_in_xml_is_escaped_where_it_has_it() {
        let text = "a<b> & 'c' \"d\"\r\n\te \u{e4}\u{ff08}\u{1f600}";
        for (place, expected) in [
            (
                Place::Attribute,
                "a&lt;b&gt; &amp; &apos;c&apos; &quot;d&quot;&#13;&#10;&#9;e \u{e4}\u{ff08}\u{1f600}",
            ),
            (
                Place::Element,
                "a&lt;b&gt; &amp; &apos;c&apos; &quot;d&quot;&#13;\n\te \u{e4}\u{ff08}\u{1f600}",
            ),
            (
                Place::Prose,
                "a&lt;b&gt; &amp; 'c' \"d\"&#13;\n\te \u{e4}\u{ff08}\u{1f600}",
            ),
        ] {
            assert_eq!(pushed(text, place), (expected.to_owned(), Ok(())));
        }
    }

    #[test]
    fn what_xml_may_not_have_is_replaced_and_told() {
        let (out, result) = pushed("a\0b\u{1b}c\u{fffe}d\u{ffff}e\u{7f}", Place::Element);
        assert_eq!(out, "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{7f}");
        assert_eq!(result, Err(Forbidden));
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 7, 10, 1_700_000_000, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}
