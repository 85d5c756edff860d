//! Specs in TOML, see <https://toml.io/en/v1.0.0>.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::entry::Document;
use super::mistake::Mistake;
use super::tables::{self, Pairs, Value};
use super::value::ValueError;

/// Takes a TOML text apart.
pub(crate) fn read(text: &str, origin: &str) -> Document {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line_of = |offset: usize| {
        1 + text
            .bytes()
            .take(offset)
            .filter(|byte| *byte == b'\n')
            .count()
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mistakes = errors.iter().map(|error| {
            let found = ValueError::new(
                format!("no TOML: {}", first_line(error.message())),
                "see https://toml.io",
            );
            Mistake::new(origin, found).at(error.span().map(|span| line_of(span.start)))
        });
        return Document {
            mistakes: mistakes.collect(),
            broken: true,
            ..Document::default()
        };
    }
    let mut lines = Vec::new();
    let sections = in_text_order(table.get_ref())
        .into_iter()
        .map(|(name, value)| {
            lines.push(line_of(name.span().start));
            let keys = match value.get_ref() {
                DeValue::Table(keys) => keys,
                _ => return (name.get_ref().to_string(), value_of(value.get_ref())),
            };
            let pairs = in_text_order(keys).into_iter().map(|(key, value)| {
                lines.push(line_of(key.span().start));
                (key.get_ref().to_string(), value_of(value.get_ref()))
            });
            (
                name.get_ref().to_string(),
                Value::Table(Pairs(pairs.collect())),
            )
        });
    let sections = Pairs(sections.collect());
    tables::document(sections, origin, lines.into_iter())
}

type Pair<'a, 'i> = (
    &'a Spanned<std::borrow::Cow<'i, str>>,
    &'a Spanned<DeValue<'i>>,
);

/// The pairs of a table in the order of the text.
fn in_text_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Pair<'a, 'i>> {
    let mut pairs: Vec<_> = table.iter().collect();
    pairs.sort_by_key(|(key, _)| key.span().start);
    pairs
}

fn value_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Value::Text(number.as_str().to_owned()),
        DeValue::Integer(_) => Value::Unfit("a number that is not decimal"),
        DeValue::Float(_) => Value::Unfit("a number with a fraction"),
        DeValue::Boolean(flag) => Value::Text(flag.to_string()),
        DeValue::Datetime(_) => Value::Unfit("a date"),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| value_of(item.get_ref())).collect())
        }
        DeValue::Table(_) => Value::Unfit("a table"),
    }
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}
