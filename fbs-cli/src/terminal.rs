//! What others have written, without what steers a terminal: control characters, those of C1 (U+0080 to U+009F, which
//! some terminals obey) included.

use std::borrow::Cow;
use std::io::{self, Write};

/// Takes the place of a character that is not shown.
const HIDDEN: char = '?';

/// Text of several lines.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    replaced(text, |char| match char {
        '\n' | '\t' => char,
        _ if char.is_control() => HIDDEN,
        _ => char,
    })
}

/// Text that stays on its line.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    replaced(text, |char| match char {
        '\n' | '\t' => ' ',
        _ if char.is_control() => HIDDEN,
        _ => char,
    })
}

fn replaced(text: &str, shown: impl Fn(char) -> char) -> Cow<'_, str> {
    match text.chars().any(|char| shown(char) != char) {
        true => Cow::Owned(text.chars().map(shown).collect()),
        false => Cow::Borrowed(text),
    }
}

/// Keeps what programs printed from steering the terminal.
#[derive(Debug)]
pub(crate) struct Harmless<W> {
    out: W,
    /// The first byte of what may be a character of C1 was written last, and waits for the second.
    begun: bool,
}

/// How characters from U+0080 to U+00BF begin.
const FIRST: u8 = 0xc2;

impl<W> Harmless<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, begun: false }
    }
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut shown = Vec::with_capacity(bytes.len() + 1);
        for &byte in bytes {
            let begun = std::mem::replace(&mut self.begun, byte == FIRST);
            match byte {
                0x80..=0x9f if begun => shown.push(HIDDEN as u8),
                _ => {
                    if begun {
                        shown.push(FIRST);
                    }
                    match byte {
                        FIRST => {}
                        b'\n' | b'\t' => shown.push(byte),
                        0..0x20 | 0x7f => shown.push(HIDDEN as u8),
                        _ => shown.push(byte),
                    }
                }
            }
        }
        self.out.write_all(&shown)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A journal: what is written in one go is an event, and becomes one line, whatever words of others are in it.
#[derive(Debug)]
pub(crate) struct Journal<W>(pub(crate) W);

impl<W: Write> Write for Journal<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = one_line(text.trim_end_matches('\n'));
        self.0.write_all(format!("{line}\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const HOSTILE: &str = "ü\t\x1b[2J\x07\u{9b}31m\u{a0}£\x7f\n";

    #[test]
    fn nothing_of_a_text_steers_the_terminal() {
        assert_eq!(harmless(HOSTILE), "ü\t?[2J??31m\u{a0}£?\n");
        assert_eq!(one_line(HOSTILE), "ü ?[2J??31m\u{a0}£? ");
        assert!(matches!(harmless("plain\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn nothing_of_a_log_steers_the_terminal_however_it_is_cut() {
        for length in [1, 2, 3, 100] {
            let mut out = Harmless::new(Vec::new());
            for piece in HOSTILE.as_bytes().chunks(length) {
                out.write_all(piece).unwrap();
            }
            assert_eq!(
                String::from_utf8(out.out).unwrap(),
                "ü\t?[2J??31m\u{a0}£?\n"
            );
        }
    }

    #[test]
    fn nobody_else_s_words_make_a_line_of_the_journal() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::fmt()
            .with_writer({
                let written = written.clone();
                move || Journal(Sink(written.clone()))
            })
            .without_time()
            .with_target(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let forged = "no room\n WARN job x was given to others\x1b[2J";
            tracing::warn!("job 1 goes back to its queue: {forged}");
            tracing::info!("more");
        });
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].contains("no room  WARN job x"), "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
    }

    /// Keeps what is written.
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
