//! Cutting a byte stream into lines while it flows.

/// Longest piece handed on as one line, in bytes.
pub(super) const MAX_LINE: usize = 16 * 1024;

/// Collects bytes and gives out whole lines.
///
/// `\n`, `\r\n` and a bare `\r` (progress bars) end a line; a line without an end is cut at
/// [`MAX_LINE`], so that a program which prints no newline cannot fill the memory.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    partial: Vec<u8>,
    after_cr: bool,
}

impl LineBuffer {
    /// Takes the next bytes; calls `emit` for each line that they complete.
    pub(super) fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(&str)) {
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' => self.flush(&mut emit),
                // A redrawn progress bar gives no empty lines.
                b'\r' if self.partial.is_empty() => {}
                b'\r' => self.flush(&mut emit),
                _ => {
                    self.partial.push(byte);
                    if self.partial.len() >= MAX_LINE {
                        self.flush(&mut emit);
                    }
                }
            }
        }
    }

    /// Gives out what is left at the end of the stream.
    pub(super) fn finish(mut self, mut emit: impl FnMut(&str)) {
        if !self.partial.is_empty() {
            self.flush(&mut emit);
        }
    }

    fn flush(&mut self, emit: &mut impl FnMut(&str)) {
        emit(&String::from_utf8_lossy(&self.partial));
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut got = Vec::new();
        let mut buffer = LineBuffer::default();
        for chunk in chunks {
            buffer.push(chunk, |line| got.push(line.to_owned()));
        }
        buffer.finish(|line| got.push(line.to_owned()));
        got
    }

    #[test]
    fn cuts_at_every_kind_of_line_end() {
        assert_eq!(
            lines(&[b"one\ntwo\r\nthree\rfour"]),
            ["one", "two", "three", "four"]
        );
        assert_eq!(lines(&[b"a\r", b"\nb\n\nc\n"]), ["a", "b", "", "c"]);
        assert_eq!(lines(&[b"\r 1%\r 2%\r\n"]), [" 1%", " 2%"]);
        assert_eq!(lines(&[b""]), [""; 0]);
    }

    #[test]
    fn joins_a_line_that_comes_in_pieces_and_keeps_utf8_whole() {
        assert_eq!(lines(&["gr\u{fc}".as_bytes(), b"n\n"]), ["gr\u{fc}n"]);
        let bytes = "\u{fc}\n".as_bytes();
        assert_eq!(lines(&[&bytes[..1], &bytes[1..]]), ["\u{fc}"]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let endless = vec![b'x'; 3 * MAX_LINE + 1];
        assert_eq!(lines(&[&endless]).len(), 4);
    }
}
