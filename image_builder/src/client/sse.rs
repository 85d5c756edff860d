//! Reading [server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) data: String,
}

/// Takes a stream apart, whatever pieces it comes in.
#[derive(Debug, Default)]
pub(super) struct Parser {
    bytes: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Parser {
    /// Bytes that came.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How much waits for the end of its line.
    pub(super) fn pending(&self) -> usize {
        self.bytes.len() + self.event.data.len()
    }

    /// The next whole event.
    pub(super) fn next(&mut self) -> Option<Event> {
        while let Some(end) = self.bytes.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if std::mem::take(&mut self.has_data) {
                    return Some(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.event.name),
                "id" => self.event.id = Some(value.to_owned()),
                "data" => {
                    if std::mem::replace(&mut self.has_data, true) {
                        self.event.data.push('\n');
                    }
                    self.event.data.push_str(value);
                }
                // A comment, or what only a browser heeds.
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_in_whatever_pieces() {
        let stream = ": welcome\nretry: 2000\n\nevent: log\nid: 1:7\ndata: a\ndata:b: c\r\n\r\nevent:end\ndata:\n\nevent: lost\ndata: x\n";
        for size in [1, 2, 7, 1000] {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                parser.feed(piece);
                events.extend(std::iter::from_fn(|| parser.next()));
            }
            let log = Event {
                name: "log".to_owned(),
                id: Some("1:7".to_owned()),
                data: "a\nb: c".to_owned(),
            };
            let end = Event {
                name: "end".to_owned(),
                ..Event::default()
            };
            assert_eq!(events, [log, end], "{size}");
        }
    }
}
