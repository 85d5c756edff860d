//! A line in words, as Python's `shlex` splits it: what pykickstart reads commands with
//! (<https://docs.python.org/3/library/shlex.html#parsing-rules>, POSIX mode).
//!
//! The `shlex` crate follows a shell instead: there `#` begins a comment only at the start of a
//! word, and a backslash at the end of a line continues it. In a kickstart neither is so.

use crate::spec::ValueError;

/// Whether `#` begins a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comments {
    /// Outside of quotes, also within a word.
    Dropped,
    /// It is a character as any other.
    Kept,
}

/// The words of a line.
///
/// # Errors
///
/// A quote without its end, or a backslash with nothing behind it.
pub(super) fn split(line: &str, comments: Comments) -> Result<Vec<String>, ValueError> {
    let mut words = Vec::new();
    // Some also for the empty word of a pair of quotes.
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if comments == Comments::Dropped => break,
            '\'' | '"' => quoted(c, &mut chars, word.get_or_insert_default())?,
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => {
                    return Err(ValueError::new(
                        "the line ends with a backslash",
                        "a kickstart's line is not continued on the next; write it on one",
                    ));
                }
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Reads on to the end of a quote.
fn quoted(
    quote: char,
    chars: &mut std::str::Chars<'_>,
    word: &mut String,
) -> Result<(), ValueError> {
    let open = || {
        ValueError::new(
            format!("a quote {quote} has no end"),
            "close it on the same line, or write a backslash in front of it",
        )
    };
    loop {
        match chars.next().ok_or_else(open)? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => match chars.next().ok_or_else(open)? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

/// A word as it has to be written so that [`split`] reads it back.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| !matches!(c, ' ' | '\t' | '\r' | '\n' | '#' | '\'' | '"' | '\\');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python_does() {
        // The right side was printed by shlex.split(line, comments=True) of Python 3.11.
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  \t\r\n", &[]),
            ("lang en_US.UTF-8\n", &["lang", "en_US.UTF-8"]),
            ("repo --name='a b' x", &["repo", "--name=a b", "x"]),
            ("a#b c", &["a"]),
            ("a # b", &["a"]),
            ("'a#b' \"#\"", &["a#b", "#"]),
            ("a\\ b \\#c", &["a b", "#c"]),
            (r#""a\"b\\c\d$x""#, &[r#"a"b\c\d$x"#]),
            (r"'a\b'", &[r"a\b"]),
            ("'' \"\"", &["", ""]),
            ("a''b", &["ab"]),
            ("a \\\n", &["a", "\n"]),
            ("a\u{a0}b\u{b}c", &["a\u{a0}b\u{b}c"]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line, Comments::Dropped).unwrap(), *words, "{line:?}");
        }
        assert_eq!(split("a#b #", Comments::Kept).unwrap(), ["a#b", "#"]);
    }

    #[test]
    fn what_has_no_end_is_refused() {
        for line in ["'a", "a \"b", "a\"\\\"", "\"\\", "a\\"] {
            assert!(split(line, Comments::Dropped).is_err(), "{line}");
        }
        assert!(split("# it's", Comments::Dropped).is_ok());
    }

    #[test]
    fn what_is_quoted_reads_back() {
        for word in ["", "a", "a b", "a#b", "it's", "a\"b\\", "$x", "a\\ b"] {
            let line = format!("x {}", quote(word));
            assert_eq!(split(&line, Comments::Dropped).unwrap(), ["x", word]);
        }
    }
}
