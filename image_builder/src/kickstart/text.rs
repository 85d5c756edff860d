//! A text in lines.

/// The lines of a text with their ends; put together they are the text again.
///
/// They end where Python's `str.splitlines` ends them, for pykickstart and every tool that is made
/// with it reads a kickstart so. With fewer ends a line could hide a directive from us that such a
/// tool would follow later.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = rest.split_at(end_of_line(rest));
        rest = after;
        Some(line)
    })
}

/// Where the first line ends, its end included.
fn end_of_line(text: &str) -> usize {
    let bytes = text.as_bytes();
    // Nearly all bytes are plain ASCII; only what may be an end is looked at as a character.
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => return at + 2,
            b'\n' | b'\r' | 0x0b | 0x0c | 0x1c..=0x1e => return at + 1,
            // U+0085
            0xc2 if bytes.get(at + 1) == Some(&0x85) => return at + 2,
            // U+2028, U+2029
            0xe2 if matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])) => {
                return at + 3;
            }
            _ => at += 1,
        }
    }
    at
}

/// Whether a text is a web page: what a server sends in place of a kickstart that it does not have.
pub(super) fn is_html(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(16).collect();
    let start = start.to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<?xml"]
        .iter()
        .any(|mark| start.starts_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_in_python() {
        // As "...".splitlines(True) gives them in Python 3.11.
        for (text, wanted) in [
            ("", vec![]),
            ("a", vec!["a"]),
            ("a\n", vec!["a\n"]),
            ("a\r\nb\rc\n\n", vec!["a\r\n", "b\r", "c\n", "\n"]),
            (
                "a\u{b}b\u{c}c\u{1c}d\u{1e}",
                vec!["a\u{b}", "b\u{c}", "c\u{1c}", "d\u{1e}"],
            ),
            (
                "a\u{85}b\u{2028}c\u{2029}d\u{2027}é",
                vec!["a\u{85}", "b\u{2028}", "c\u{2029}", "d\u{2027}é"],
            ),
        ] {
            let lines: Vec<_> = lines(text).collect();
            assert_eq!(lines, wanted);
            assert_eq!(lines.concat(), text);
        }
    }

    #[test]
    fn web_pages() {
        for text in ["<html>", "\n <!DOCTYPE HTML PUBLIC", "<?xml version"] {
            assert!(is_html(text), "{text}");
        }
        for text in ["", "# <html>", "lang C"] {
            assert!(!is_html(text), "{text}");
        }
    }
}
