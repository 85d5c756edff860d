//! Percent-encoding of addresses ([RFC 3986](https://www.rfc-editor.org/rfc/rfc3986), section 2.1).

/// The text with `%XX` decoded; none with a line end in it, which would be a second command.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        match (first, behind) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_command() {
        assert_eq!(decoded("a%20b%C3%A4").as_deref(), Some("a bä"));
        for text in ["a%0d%0aDELE x", "%zz", "%ff"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
