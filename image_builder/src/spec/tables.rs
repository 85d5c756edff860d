//! Sections and keys of TOML, JSON and other structured formats, without line numbers.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::entry::{Document, Entry, Head};
use super::keys::Section;
use super::mistake::Mistake;
use super::value::ValueError;

/// A map that keeps its order and its duplicates.
pub(crate) struct Pairs(pub(crate) Vec<(String, Value)>);

/// What a name stands for.
pub(crate) enum Value {
    Text(String),
    List(Vec<Value>),
    Table(Pairs),
    /// JSON's null: not given.
    Nothing,
    /// What no key can hold.
    Unfit(&'static str),
}

/// Lays tables out as a document. `lines` gives the line of each section and key in the order in
/// which they stand.
pub(crate) fn document(
    tables: Pairs,
    origin: &str,
    mut lines: impl Iterator<Item = usize>,
) -> Document {
    let mut document = Document::default();
    for (section, table) in tables.0 {
        let line = lines.next();
        let Value::Table(pairs) = table else {
            let error = match (Section::find(&section), &table) {
                (Some(_), Value::Nothing) => ValueError::new("the section is null", "leave it out"),
                (Some(_), _) => ValueError::new(
                    "the section is no table",
                    "expected one table of keys and values",
                ),
                (None, _) => ValueError::new(
                    "the key stands above the first section",
                    "write it into the table DEFAULT",
                ),
            };
            document
                .mistakes
                .push(Mistake::new(origin, error).at(line).of_key(&section));
            continue;
        };
        for (key, value) in pairs.0 {
            let line = lines.next();
            match value.text(true) {
                Ok(None) => {}
                Ok(Some(text)) => document.entries.push(Entry {
                    section: section.clone(),
                    key,
                    value: text,
                    list: matches!(value, Value::List(_)),
                    line,
                    set_by: None,
                }),
                Err(what) => {
                    let error = ValueError::new(
                        format!("the value is {what}"),
                        "expected a text in quotes, a whole number, true, false or a list",
                    );
                    let mistake = Mistake::new(origin, error).at(line);
                    document
                        .mistakes
                        .push(mistake.in_section(Some(&section)).of_key(&key));
                }
            }
        }
        document.heads.push(Head {
            name: section,
            line,
        });
    }
    document
}

impl Value {
    /// The text of the value, items of a list each on a line; `None` if it is not given.
    fn text(&self, lists: bool) -> Result<Option<String>, &'static str> {
        match self {
            Self::Text(text) => Ok(Some(text.clone())),
            Self::Nothing => Ok(None),
            Self::Unfit(what) => Err(what),
            Self::Table(_) => Err("a table"),
            Self::List(_) if !lists => Err("a list of lists"),
            Self::List(items) => {
                let texts: Result<Vec<_>, _> = items.iter().map(|item| item.text(false)).collect();
                Ok(Some(
                    texts?.into_iter().flatten().collect::<Vec<_>>().join("\n"),
                ))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Table(pairs) => Ok(pairs),
            _ => Err(de::Error::custom("not an object of sections")),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfValue;

        impl<'de> Visitor<'de> for OfValue {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a section or a value of a spec")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Text(value.to_string()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Text(value.to_string()))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Text(value.to_string()))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Value, E> {
                Ok(Value::Unfit("a number with a fraction"))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(value.to_owned()))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Nothing)
            }

            fn visit_none<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Nothing)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
                Value::deserialize(inner)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Value::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Value::Table(Pairs(pairs)))
            }
        }

        deserializer.deserialize_any(OfValue)
    }
}
