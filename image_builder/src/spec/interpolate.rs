//! `%(key)s` in values, as Python's `ConfigParser` expands it.
//!
//! `%(key)s` stands for another value of the same section or of `[DEFAULT]`, `%%` for one `%`.
//! Any other `%` stands for itself, where Python would refuse the file: URLs are full of them.

use super::value::{ValueError, closest};

/// How deep values may refer to each other, as in Python.
const DEEPEST: usize = 10;
/// How long an expanded value may get, in bytes: ten levels of doubling need a bound.
const LONGEST: usize = 64 * 1024;

/// Expands a value. `look_up` gives the value of a key in lower case; `keys` lists them for hints.
pub(crate) fn expand<'a>(
    value: &'a str,
    look_up: &dyn Fn(&str) -> Option<&'a str>,
    keys: &[&str],
) -> Result<String, ValueError> {
    let mut out = String::new();
    expand_into(&mut out, value, look_up, keys, 0)?;
    Ok(out)
}

fn expand_into<'a>(
    out: &mut String,
    value: &'a str,
    look_up: &dyn Fn(&str) -> Option<&'a str>,
    keys: &[&str],
    depth: usize,
) -> Result<(), ValueError> {
    let mut rest = value;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((name, tail)) = reference(rest) {
            let Some(found) = look_up(&name.to_lowercase()) else {
                let hint = match closest(name, keys.iter().copied()) {
                    Some(key) => format!("did you mean \"%({key})s\"?"),
                    None => format!("write %%({name})s for the text itself"),
                };
                return Err(ValueError::new(
                    format!("\"%({name})s\" names no key given here"),
                    hint,
                ));
            };
            if depth == DEEPEST {
                return Err(ValueError::new(
                    format!(
                        "\"%({name})s\" refers to itself, or through more than {DEEPEST} values"
                    ),
                    "write the value out",
                ));
            }
            expand_into(out, found, look_up, keys, depth + 1)?;
            rest = tail;
        } else {
            out.push('%');
            rest = rest.strip_prefix("%%").unwrap_or(&rest[1..]);
        }
        if out.len() > LONGEST {
            return Err(ValueError::new(
                "the value gets longer than 64 KiB",
                "write the value out",
            ));
        }
    }
    out.push_str(rest);
    Ok(())
}

/// Name and remainder if the text begins with `%(name)s`.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (name, tail) = text.strip_prefix("%(")?.split_once(')')?;
    let legal = |c: char| c.is_alphanumeric() || "_.-".contains(c);
    let tail = tail.strip_prefix('s')?;
    (!name.is_empty() && name.chars().all(legal)).then_some((name, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(value: &str) -> Result<String, String> {
        let look_up = |key: &str| match key {
            "release" => Some("17"),
            "base" => Some("http://host/%(release)s"),
            "self" => Some("%(self)s"),
            "two" => Some("%(self2)s%(self2)s"),
            "self2" => Some("%(two)s%(two)s"),
            _ => None,
        };
        expand(value, &look_up, &["release", "base"]).map_err(|error| error.to_string())
    }

    #[test]
    fn expansion() {
        for (value, result) in [
            ("%(base)s/os", "http://host/17/os"),
            ("%(RELEASE)s", "17"),
            ("50%", "50%"),
            ("a%20b%", "a%20b%"),
            ("100%%", "100%"),
            ("%%(release)s", "%(release)s"),
            (
                "%(release)d %(release) %()s %(a b)s",
                "%(release)d %(release) %()s %(a b)s",
            ),
        ] {
            assert_eq!(expanded(value).as_deref(), Ok(result), "{value}");
        }
    }

    #[test]
    fn wrong_references() {
        assert_eq!(
            expanded("%(relase)s").unwrap_err(),
            "\"%(relase)s\" names no key given here; did you mean \"%(release)s\"?"
        );
        assert_eq!(
            expanded("%(x1)s").unwrap_err(),
            "\"%(x1)s\" names no key given here; write %%(x1)s for the text itself"
        );
        assert!(
            expanded("%(self)s")
                .unwrap_err()
                .contains("refers to itself")
        );
        assert!(
            expanded("%(two)s")
                .unwrap_err()
                .contains("refers to itself")
        );
    }
}
