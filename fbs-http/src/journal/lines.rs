//! How an event becomes a line.

use std::fmt::{self, Debug};

use image_builder::service_config::LogFormat;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::plain;

/// As many characters of a value are written: enough for an error with its causes.
const LONGEST: usize = 2000;

/// Where the words of an event are that are no field.
const MESSAGE: &str = "message";

/// Writes an event as a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines(LogFormat);

impl Lines {
    pub(crate) fn new(format: LogFormat) -> Self {
        Self(format)
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (level, target) = (event.metadata().level(), event.metadata().target());
        match self.0 {
            // The journal has the time.
            LogFormat::Text => {
                write!(writer, "{level:>5} {target}:")?;
                for (name, value) in &fields.0 {
                    match (name.as_str(), value) {
                        (MESSAGE, Value::String(text)) => write!(writer, " {text}")?,
                        (name, Value::String(text)) => {
                            write!(writer, " {name}=\"{}\"", text.replace('"', "\\\""))?;
                        }
                        (name, value) => write!(writer, " {name}={value}")?,
                    }
                }
            }
            LogFormat::Json => {
                let head = [
                    ("time", Timestamp::now().to_string()),
                    ("level", level.as_str().to_ascii_lowercase()),
                    ("target", target.to_owned()),
                ];
                let head = head.map(|(name, value)| (name.to_owned(), Value::String(value)));
                let line: Map<String, Value> = head.into_iter().chain(fields.0).collect();
                write!(writer, "{}", Value::Object(line))?;
            }
        }
        writer.write_char('\n')
    }
}

/// What an event says, in order.
#[derive(Debug, Default)]
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        self.0.push((field.name().to_owned(), value));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::String(plain(value, LONGEST)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::super::written::Written;
    use super::*;

    fn written(format: LogFormat, say: impl FnOnce()) -> String {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Lines::new(format))
            .with_writer(written.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, say);
        written.text()
    }

    #[test]
    fn nobody_else_s_words_make_a_line_of_the_journal() {
        let forged = "nope\n INFO audit: account=\"root\" \u{1b}[2J";
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = written(format, || {
                tracing::warn!("{forged}");
                tracing::info!(target: "audit", account = forged, action = %forged);
            });
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(!text.contains('\u{1b}'), "{text:?}");
        }
        let long = "x".repeat(100_000);
        assert!(written(LogFormat::Text, || tracing::warn!("{long}")).len() < 3000);
    }

    #[test]
    fn a_line_says_level_target_words_and_fields() {
        let say = || {
            let account = Some("anna \"a\"");
            tracing::info!(target: "audit", account, none = None::<&str>, ms = 1.5, status = 200_u16, "words");
        };
        assert_eq!(
            written(LogFormat::Text, say),
            " INFO audit: words account=\"anna \\\"a\\\"\" ms=1.5 status=200\n"
        );
        let line: Value = serde_json::from_str(&written(LogFormat::Json, say)).unwrap();
        assert!(line["time"].as_str().unwrap().parse::<Timestamp>().is_ok());
        let expected = serde_json::json!({
            "time": line["time"], "level": "info", "target": "audit", "message": "words", "account": "anna \"a\"",
            "ms": 1.5, "status": 200,
        });
        assert_eq!(line, expected);
    }
}
