//! The arguments of a command or a section's header, as Python's `argparse` reads them: pykickstart
//! does with it. `--name=value` or `--name value`; a name may be cut short while it is clear.

use std::str::FromStr;

use crate::spec::ValueError;
use crate::spec::value::{closest, quoted};

/// What a command takes.
#[derive(Debug)]
pub(super) struct Options {
    /// Options without a value.
    pub(super) flags: &'static [&'static str],
    /// Options with a value.
    pub(super) values: &'static [&'static str],
    /// How many words it takes beside them.
    pub(super) words: usize,
}

/// What a command was given. Messages never repeat a value: it may be a password.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    options: Vec<(&'static str, Option<&'a str>)>,
    words: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    /// Sorts words into options and others.
    ///
    /// # Errors
    ///
    /// The first word that the command does not take.
    pub(super) fn read(words: &'a [String], known: &Options) -> Result<Self, ValueError> {
        let mut read = Self {
            options: Vec::new(),
            words: Vec::new(),
        };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if word == "--" {
                read.words.extend(words.by_ref());
                break;
            }
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            if !is_option(word, name, known) {
                read.words.push(word);
                continue;
            }
            let name = find(name, known)?;
            let value = match (known.values.contains(&name), value) {
                (true, Some(value)) => Some(value),
                (true, None) => Some(next_value(name, &mut words, known)?),
                (false, None) => None,
                (false, Some(_)) => {
                    return Err(ValueError::new(
                        format!("{name} takes no value"),
                        format!("write {name} alone"),
                    ));
                }
            };
            read.options.push((name, value));
        }
        if read.words.len() > known.words {
            let hint = match known.words {
                0 => "it takes options only".to_owned(),
                1 => "it takes one; put quotes around one with blanks".to_owned(),
                most => format!("it takes at most {most}"),
            };
            return Err(ValueError::new("there are too many arguments", hint));
        }
        Ok(read)
    }

    /// The first word that is no option.
    pub(super) fn word(&self) -> Option<&'a str> {
        self.words.first().copied()
    }

    /// The words that are no options.
    pub(super) fn words(&self) -> &[&'a str] {
        &self.words
    }

    /// Whether any of the options is given.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.last(names).is_some()
    }

    /// Which of the options was given last.
    pub(super) fn last(&self, names: &[&str]) -> Option<&'static str> {
        let given = self.options.iter().rev();
        given
            .map(|(name, _)| *name)
            .find(|name| names.contains(name))
    }

    /// The value that one of the options was given last.
    pub(super) fn value(&self, names: &[&str]) -> Option<&'a str> {
        let given = self.options.iter().rev();
        given
            .filter(|(name, _)| names.contains(name))
            .find_map(|(_, value)| *value)
    }

    /// [`value`](Self::value), as a text of its own.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value(&[name]).map(str::to_owned)
    }

    /// A value that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<String, ValueError> {
        self.text(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| ValueError::new(format!("{name} is missing"), "it must be given"))
    }

    /// The items of a value, separated by commas.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        self.value(&[name]).map(items)
    }

    /// The items of all values of an option.
    pub(super) fn lists(&self, name: &str) -> Vec<String> {
        let given = self.options.iter().filter(|(given, _)| *given == name);
        given
            .filter_map(|(_, value)| *value)
            .flat_map(items)
            .collect()
    }

    /// A value that is a number.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, ValueError> {
        let Some(value) = self.value(&[name]) else {
            return Ok(None);
        };
        value.trim().parse().map(Some).map_err(|_| {
            ValueError::new(
                format!("{name}: {} is not a number that fits", quoted(value)),
                "expected a whole number",
            )
        })
    }

    /// A value that is yes or no.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ValueError> {
        let Some(value) = self.value(&[name]) else {
            return Ok(None);
        };
        match value.to_ascii_lowercase().as_str() {
            "on" | "yes" | "true" | "1" => Ok(Some(true)),
            "off" | "no" | "false" | "0" => Ok(Some(false)),
            _ => Err(ValueError::new(
                format!("{name}: {} is neither yes nor no", quoted(value)),
                "expected on, yes, true, 1 or off, no, false, 0",
            )),
        }
    }

    /// The options that are given beside `names`, each once.
    pub(super) fn beside(&self, names: &[&str]) -> Vec<String> {
        let mut others: Vec<String> = Vec::new();
        for (name, _) in &self.options {
            if !names.contains(name) && !others.iter().any(|other| other == name) {
                others.push((*name).to_owned());
            }
        }
        others
    }
}

/// Whether a word is meant as an option rather than as a value that begins with a dash.
fn is_option(word: &str, name: &str, known: &Options) -> bool {
    let Some(behind) = word.strip_prefix('-') else {
        return false;
    };
    if behind.is_empty() {
        return false;
    }
    find(name, known).is_ok() || (!word.contains(' ') && word.parse::<f64>().is_err())
}

fn next_value<'a>(
    name: &str,
    words: &mut (impl Iterator<Item = &'a str> + Clone),
    known: &Options,
) -> Result<&'a str, ValueError> {
    let next = words.clone().next().filter(|word| {
        let name = word.split_once('=').map_or(*word, |(name, _)| name);
        *word != "--" && !is_option(word, name, known)
    });
    match next {
        Some(_) => Ok(words.next().unwrap_or_default()),
        None => Err(ValueError::new(
            format!("{name} has no value"),
            format!("write {name}=VALUE"),
        )),
    }
}

/// The option of this name, or the only one that begins so.
fn find(name: &str, known: &Options) -> Result<&'static str, ValueError> {
    let all = || known.flags.iter().chain(known.values).copied();
    if let Some(name) = all().find(|known| *known == name) {
        return Ok(name);
    }
    let begun: Vec<_> = match name.len() > 2 && name.starts_with("--") {
        true => all().filter(|known| known.starts_with(name)).collect(),
        false => Vec::new(),
    };
    match begun[..] {
        [name] => Ok(name),
        [] => {
            let hint = match closest(name, all()) {
                Some(known) => format!("did you mean \"{known}\"?"),
                None if known.flags.is_empty() && known.values.is_empty() => {
                    "it takes no options".to_owned()
                }
                None => format!("it takes {}", all().collect::<Vec<_>>().join(", ")),
            };
            Err(ValueError::new(
                format!("unknown option {}", quoted(name)),
                hint,
            ))
        }
        _ => Err(ValueError::new(
            format!("{} may be {}", quoted(name), begun.join(" or ")),
            "write the whole name",
        )),
    }
}

fn items(value: &str) -> Vec<String> {
    let items = value.split(',').map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Options = Options {
        flags: &["--lock", "--iscrypted"],
        values: &["--name", "--groups", "--gid", "--log", "--logfile"],
        words: 1,
    };

    fn words(line: &str) -> Vec<String> {
        super::super::words::split(line, super::super::words::Comments::Dropped).unwrap()
    }

    #[test]
    fn both_ways_to_give_a_value() {
        let words = words("--name=a=b --groups 'x, y,,z' --lock --gid -7 word --na c --log=");
        let read = Arguments::read(&words, &KNOWN).unwrap();
        assert_eq!(read.value(&["--name"]), Some("c"));
        assert_eq!(read.list("--groups").unwrap(), ["x", "y", "z"]);
        assert!(read.has(&["--lock"]) && !read.has(&["--iscrypted"]));
        assert_eq!(read.number::<i32>("--gid"), Ok(Some(-7)));
        assert_eq!(read.word(), Some("word"));
        assert_eq!(read.value(&["--log", "--logfile"]), Some(""));
        assert_eq!(
            read.beside(&["--name", "--groups", "--gid"]),
            ["--lock", "--log"]
        );
    }

    #[test]
    fn a_value_may_look_like_an_option() {
        let words = words("--name '-a b' -- --lock");
        let read = Arguments::read(&words, &KNOWN).unwrap();
        assert_eq!(read.value(&["--name"]), Some("-a b"));
        assert_eq!(read.word(), Some("--lock"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, message) in [
            (
                "--nmae=x",
                "unknown option \"--nmae\"; did you mean \"--name\"?",
            ),
            (
                "--zzz",
                "unknown option \"--zzz\"; it takes --lock, --iscrypted, --name, --groups, --gid, --log, --logfile",
            ),
            (
                "--l=x",
                "\"--l\" may be --lock or --log or --logfile; write the whole name",
            ),
            ("--name", "--name has no value; write --name=VALUE"),
            ("--name --lock", "--name has no value; write --name=VALUE"),
            ("--lock=1", "--lock takes no value; write --lock alone"),
            (
                "a b",
                "there are too many arguments; it takes one; put quotes around one with blanks",
            ),
        ] {
            let error = Arguments::read(&words(line), &KNOWN).unwrap_err();
            assert_eq!(error.to_string(), message, "{line}");
        }
    }
}
