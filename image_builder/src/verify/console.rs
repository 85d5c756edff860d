//! From the bytes of a serial console to lines of plain text.

/// Longest piece taken as one line, in bytes.
const MAX_LINE: usize = 16 * 1024;

/// Collects console bytes, strips terminal control (ECMA-48) and gives out whole lines.
///
/// `\n`, `\r\n` and a bare `\r` end a line, and so does moving the cursor to another place: a boot
/// menu that is drawn on a full screen then comes out as lines. What has no end yet, a login
/// prompt for one, is [`partial`](Self::partial).
#[derive(Debug, Default)]
pub(super) struct LineAssembler {
    state: State,
    partial: Vec<u8>,
    after_cr: bool,
}

/// Where in a control sequence the stream is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte (`ESC ( B`): one byte more.
    Intermediate,
    /// After `ESC [`, until a final byte.
    Control,
    /// In a string (OSC, DCS, ...), until BEL or `ESC \`.
    Str,
}

impl LineAssembler {
    /// Takes the next bytes; calls `emit` for each line that they complete.
    pub(super) fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(String)) {
        for &byte in bytes {
            self.byte(byte, &mut emit);
        }
    }

    /// The line that has no end yet; `None` when it is empty.
    pub(super) fn partial(&self) -> Option<String> {
        (!self.partial.is_empty()).then(|| String::from_utf8_lossy(&self.partial).into_owned())
    }

    /// Gives out what is left at the end of the stream.
    pub(super) fn finish(&mut self, emit: impl FnOnce(String)) {
        if let Some(line) = self.partial() {
            self.partial.clear();
            emit(line);
        }
    }

    fn byte(&mut self, byte: u8, emit: &mut impl FnMut(String)) {
        self.state = match (self.state, byte) {
            // A line end is one everywhere: a sequence that was cut off must not eat the log.
            (_, b'\n' | b'\r') => {
                self.line_end(byte, emit);
                State::Text
            }
            (_, 0x1b) => State::Escape,
            (State::Text, _) => {
                self.text(byte, emit);
                State::Text
            }
            (State::Escape, b'[') => State::Control,
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::Str,
            (State::Escape, 0x20..=0x2f) => State::Intermediate,
            (State::Control, b'H' | b'f' | b'E' | b'F') => {
                self.flush(emit);
                State::Text
            }
            (State::Control, 0x40..=0x7e)
            | (State::Escape | State::Intermediate, _)
            | (State::Str, 0x07) => State::Text,
            (State::Control, _) => State::Control,
            (State::Str, _) => State::Str,
        };
    }

    fn line_end(&mut self, byte: u8, emit: &mut impl FnMut(String)) {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' if !after_cr => {
                emit(String::from_utf8_lossy(&self.partial).into_owned());
                self.partial.clear();
            }
            _ => self.flush(emit),
        }
    }

    fn text(&mut self, byte: u8, emit: &mut impl FnMut(String)) {
        match byte {
            0x08 => {
                self.partial.pop();
            }
            b'\t' => self.partial.push(byte),
            0..0x20 | 0x7f => {}
            _ => self.partial.push(byte),
        }
        self.after_cr = false;
        if self.partial.len() >= MAX_LINE {
            self.flush(emit);
        }
    }

    fn flush(&mut self, emit: &mut impl FnMut(String)) {
        if let Some(line) = self.partial() {
            emit(line);
        }
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assemble(chunks: &[&[u8]]) -> (Vec<String>, Option<String>) {
        let mut lines = Vec::new();
        let mut assembler = LineAssembler::default();
        for chunk in chunks {
            assembler.push(chunk, |line| lines.push(line));
        }
        (lines, assembler.partial())
    }

    #[test]
    fn a_prompt_without_a_line_end_is_the_partial_line() {
        let (lines, partial) = assemble(&[b"Fedora 43\r\n\r\nlocalhost lo", b"gin: "]);
        assert_eq!(lines, ["Fedora 43"]);
        assert_eq!(partial.as_deref(), Some("localhost login: "));
    }

    #[test]
    fn colours_titles_and_character_sets_are_stripped() {
        let table: &[(&[u8], &str)] = &[
            (
                b"[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mmulti-user.target\x1b[0m",
                "[  OK  ] Reached target multi-user.target",
            ),
            (b"\x1b]0;title\x07text", "text"),
            (b"\x1b]3008;start=1\x1b\\text", "text"),
            (b"\x1bP+q\x1b\\text\x1b[6n", "text"),
            (b"\x1b(Btext\x1b=\x1b>", "text"),
            (b"ab\x08c\x00\x0fd\x7f", "acd"),
            ("gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
        ];
        for (bytes, expected) in table {
            assert_eq!(assemble(&[bytes]).1.as_deref(), Some(*expected));
        }
        // Cut anywhere, the result is the same.
        let whole = table[0].0;
        for cut in 0..whole.len() {
            let (_, partial) = assemble(&[&whole[..cut], &whole[cut..]]);
            assert_eq!(partial.as_deref(), Some(table[0].1));
        }
    }

    #[test]
    fn a_menu_drawn_with_the_cursor_comes_out_as_lines() {
        let (lines, partial) =
            assemble(&[b"\x1b[2J\x1b[01;01HGNU GRUB\x1b[3;5H*Install\x1b[4;5HTest"]);
        assert_eq!(lines, ["GNU GRUB", "*Install"]);
        assert_eq!(partial.as_deref(), Some("Test"));
    }

    #[test]
    fn an_unfinished_sequence_ends_with_its_line() {
        let (lines, _) = assemble(&[b"\x1b]0;never closed\nKernel panic\n"]);
        assert_eq!(lines, ["", "Kernel panic"]);
    }

    #[test]
    fn an_endless_line_is_cut_and_the_rest_given_at_the_end() {
        let mut lines = Vec::new();
        let mut assembler = LineAssembler::default();
        assembler.push(&vec![b'x'; 2 * MAX_LINE + 1], |line| lines.push(line.len()));
        assembler.finish(|line| lines.push(line.len()));
        assert_eq!(lines, [MAX_LINE, MAX_LINE, 1]);
        assert_eq!(assembler.partial(), None);
    }
}
