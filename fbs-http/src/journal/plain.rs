//! Words of others, before they are kept or written down.

/// As many characters of somebody else's words are kept.
pub(crate) const LONGEST: usize = 200;

/// A text as one line of at most so many characters: what a terminal or a reader of lines would take for more than text
/// is written as in Rust, `\n` and `\u{1b}`.
pub(crate) fn plain(text: &str, longest: usize) -> String {
    let mut plain = String::with_capacity(text.len().min(longest));
    let mut left = longest;
    for c in text.chars() {
        let harmless = matches!(c, '\'' | '"' | '\\');
        let escaped = c.escape_debug();
        let width = if harmless { 1 } else { escaped.len() };
        let Some(rest) = left.checked_sub(width) else {
            plain.push('…');
            break;
        };
        left = rest;
        match harmless {
            true => plain.push(c),
            false => plain.extend(escaped),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_one_line_and_not_long() {
        for (text, shown) in [
            ("as it's \"said\": ü €", "as it's \"said\": ü €"),
            ("a\n INFO audit: b\r", "a\\n INFO audit: b\\r"),
            ("\u{1b}[31m\u{9b}\u{202e}", "\\u{1b}[31m\\u{9b}\\u{202e}"),
            ("\u{2028}\0", "\\u{2028}\\0"),
            ("äbcdefghij", "äbcdefghij"),
            ("äbcdefghijk", "äbcdefghij…"),
        ] {
            assert_eq!(
                plain(text, if text.starts_with('ä') { 10 } else { 99 }),
                shown
            );
        }
    }
}
