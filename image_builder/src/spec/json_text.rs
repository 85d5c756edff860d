//! Specs in JSON: an object of objects.

use super::entry::Document;
use super::mistake::Mistake;
use super::tables::{self, Pairs};
use super::value::ValueError;

/// Takes a JSON text apart.
pub(crate) fn read(text: &str, origin: &str) -> Document {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_json::from_str::<Pairs>(text) {
        Ok(sections) => tables::document(sections, origin, lines(text).into_iter()),
        Err(error) => {
            let message = error.to_string();
            let what = message.split(" at line ").next().unwrap_or_default();
            let found = ValueError::new(
                format!("no JSON spec: {what}"),
                "expected {\"DEFAULT\": {\"type\": \"boot\", \"release\": 43}}",
            );
            let mistake = Mistake::new(origin, found).at(Some(error.line().max(1)));
            Document {
                mistakes: vec![mistake],
                broken: true,
                ..Document::default()
            }
        }
    }
}

/// The lines of the keys of the outer object and of the objects in it, in their order. The text
/// is known to be JSON, so that strings and brackets are all there is to see.
fn lines(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut line = 1;
    // The open brackets; in an object, whether a key is next.
    let mut open: Vec<(u8, bool)> = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\n' => line += 1,
            b'{' => open.push((b'{', true)),
            b'[' => open.push((b'[', false)),
            b'}' | b']' => drop(open.pop()),
            b',' => {
                if let Some((b'{', key_is_next)) = open.last_mut() {
                    *key_is_next = true;
                }
            }
            b':' => {
                if let Some((_, key_is_next)) = open.last_mut() {
                    *key_is_next = false;
                }
            }
            b'"' => {
                let objects_only = open.iter().all(|(bracket, _)| *bracket == b'{');
                if open.len() <= 2 && objects_only && open.last().is_some_and(|(_, key)| *key) {
                    found.push(line);
                }
                while let Some(inner) = bytes.next() {
                    match inner {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn keys_have_their_lines() {
        let text = "{\n \"a\": {\n  \"b\": \"x\\\"{,:\",\n  \"c\": [\"d\",\n {\"e\": 1}], \"f\": {\"g\":\n2}\n },\n\"h\": {}}";
        assert_eq!(lines(text), [2, 3, 4, 5, 8]);
    }
}
