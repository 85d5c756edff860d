//! What a request for a file is to get: conditions and ranges, as
//! [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2) has them.

use std::time::SystemTime;

use axum::http::{HeaderMap, HeaderName, Method, header};
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use jiff::{SignedDuration, Timestamp};

static DATES: DateTimeParser = DateTimeParser::new();

/// What tells one state of a file from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    /// As it stands in `ETag`, with its quotes: what has the same one is the same, byte for byte.
    pub(crate) tag: Option<String>,
    /// When it was written last, in whole seconds.
    modified: Option<Timestamp>,
}

impl Validators {
    pub(crate) fn of_tag(tag: &str) -> Self {
        Self {
            tag: Some(format!("\"{tag}\"")),
            modified: None,
        }
    }

    /// With the time that it was written at, for what is not written to any more: within a second nobody could tell.
    pub(crate) fn written(mut self, time: SystemTime) -> Self {
        let time = Timestamp::try_from(time).ok();
        self.modified = time.and_then(|time| Timestamp::from_second(time.as_second()).ok());
        self
    }

    /// As it stands in `Last-Modified`.
    pub(crate) fn last_modified(&self) -> Option<String> {
        let printer = DateTimePrinter::new();
        printer.timestamp_to_rfc9110_string(&self.modified?).ok()
    }
}

/// What is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of it.
    Whole,
    /// From one byte to another, with both.
    Part(u64, u64),
    /// The client has it.
    NotModified,
    /// It is not what the client takes it for.
    Another,
    /// It has no such part.
    NoSuchPart,
}

/// Judges a request for something of this length.
pub(crate) fn judge(
    method: &Method,
    headers: &HeaderMap,
    length: u64,
    validators: &Validators,
) -> Verdict {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let since = |name| Some((date(headers, &name)?, validators.modified?));
    let tags = |name| {
        let values = headers.get_all(name).iter();
        let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then(|| values.join(","))
    };
    let is_this = match tags(header::IF_MATCH) {
        Some(wanted) => names(&wanted, validators, false),
        None => since(header::IF_UNMODIFIED_SINCE).is_none_or(|(date, modified)| modified <= date),
    };
    if !is_this {
        return Verdict::Another;
    }
    let is_known = match tags(header::IF_NONE_MATCH) {
        Some(known) => names(&known, validators, true),
        None => since(header::IF_MODIFIED_SINCE).is_some_and(|(date, modified)| modified <= date),
    };
    if is_known && reads {
        return Verdict::NotModified;
    }
    let range = headers.get(header::RANGE);
    let range = range.and_then(|range| range.to_str().ok());
    match range {
        // HEAD knows no parts.
        Some(range) if *method == Method::GET && goes_on(headers, validators) => {
            part(range, length)
        }
        _ => Verdict::Whole,
    }
}

/// Whether a list of tags, or `*`, has the one that counts. Weak ones are the same only for who does not count bytes.
fn names(list: &str, validators: &Validators, weak: bool) -> bool {
    if list.trim() == "*" {
        return true;
    }
    // Between the quotes of a tag a comma is part of it.
    let mut rest = list;
    while let Some((before, behind)) = rest.split_once('"') {
        let Some((tag, behind)) = behind.split_once('"') else {
            return false;
        };
        let counts = weak || !before.trim_end().ends_with("W/");
        let own = validators.tag.as_deref();
        if counts && own.is_some_and(|own| own.trim_matches('"') == tag) {
            return true;
        }
        rest = behind;
    }
    false
}

/// Whether what a client has the beginning of is still the same: it does not say, or it is right.
fn goes_on(headers: &HeaderMap, validators: &Validators) -> bool {
    let Some(begun) = headers.get(header::IF_RANGE) else {
        return true;
    };
    if let Some(date) = date(headers, &header::IF_RANGE) {
        // What was written just now may be written again within the same second.
        let settled = |at| Timestamp::now().duration_since(at) > SignedDuration::from_secs(1);
        return validators
            .modified
            .is_some_and(|at| at == date && settled(at));
    }
    let begun = begun.to_str().unwrap_or_default();
    begun != "*" && names(begun, validators, false)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    let text = headers.get(name)?.to_str().ok()?;
    DATES.parse_timestamp(text).ok()
}

/// The part that `bytes=0-99`, `bytes=100-` or `bytes=-100` names. Several at once, and what is no range, are answered with the whole.
fn part(range: &str, length: u64) -> Verdict {
    match one_range(range, length) {
        None => Verdict::Whole,
        Some((first, last)) if first >= length || last < first => Verdict::NoSuchPart,
        Some((first, last)) => Verdict::Part(first, last),
    }
}

fn one_range(range: &str, length: u64) -> Option<(u64, u64)> {
    let (unit, range) = range.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // One that is larger than any file is as good as the largest.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = range.split_once('-')?;
    let end = length.saturating_sub(1);
    match (first.trim(), last.trim()) {
        ("", last) => Some((length.saturating_sub(number(last)?), end)),
        (first, "") => Some((number(first)?, end)),
        (first, last) => Some((number(first)?, number(last)?.min(end))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn judged(method: Method, headers: &[(HeaderName, &str)], validators: &Validators) -> Verdict {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.parse().unwrap()));
        judge(&method, &HeaderMap::from_iter(headers), 10, validators)
    }

    #[test]
    fn parts_are_as_rfc_9110_has_them() {
        for (range, expected) in [
            ("bytes=0-4", Verdict::Part(0, 4)),
            ("bytes=5-", Verdict::Part(5, 9)),
            ("bytes=-3", Verdict::Part(7, 9)),
            ("bytes=-30", Verdict::Part(0, 9)),
            ("bytes=8-100", Verdict::Part(8, 9)),
            ("BYTES=8-99999999999999999999999", Verdict::Part(8, 9)),
            ("bytes=10-", Verdict::NoSuchPart),
            ("bytes=99999999999999999999999-", Verdict::NoSuchPart),
            ("bytes=-0", Verdict::NoSuchPart),
            ("bytes=3-2", Verdict::NoSuchPart),
            ("bytes=0-1,3-4", Verdict::Whole),
            ("bytes=0-1, 99-", Verdict::Whole),
            ("lines=0-1", Verdict::Whole),
            ("bytes=a-b", Verdict::Whole),
            ("bytes=+1-2", Verdict::Whole),
            ("bytes=-", Verdict::Whole),
            ("bytes", Verdict::Whole),
        ] {
            assert_eq!(part(range, 10), expected, "{range}");
        }
        assert_eq!(part("bytes=0-", 0), Verdict::NoSuchPart);
    }

    #[test]
    fn conditions_are_as_rfc_9110_has_them() {
        let time = DATES.parse_timestamp(OLD).unwrap();
        let file = Validators::of_tag("a,b").written(time.into());
        assert_eq!(file.last_modified().as_deref(), Some(OLD));
        let growing = Validators::of_tag("a,b");
        let unknown = Validators::default();
        let later = "Sun, 06 Nov 1994 08:49:38 GMT";
        let earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
        let part = (header::RANGE, "bytes=2-3");
        for (headers, of, expected) in [
            (&[(header::IF_MATCH, "\"a,b\"")][..], &file, Verdict::Whole),
            (
                &[(header::IF_MATCH, "\"x\", \"a,b\"")],
                &file,
                Verdict::Whole,
            ),
            (&[(header::IF_MATCH, "*")], &unknown, Verdict::Whole),
            (&[(header::IF_MATCH, "\"x\"")], &file, Verdict::Another),
            (&[(header::IF_MATCH, "W/\"a,b\"")], &file, Verdict::Another),
            (&[(header::IF_MATCH, "\"a")], &file, Verdict::Another),
            (&[(header::IF_MATCH, "\"a,b\"")], &unknown, Verdict::Another),
            (&[(header::IF_UNMODIFIED_SINCE, OLD)], &file, Verdict::Whole),
            (
                &[(header::IF_UNMODIFIED_SINCE, earlier)],
                &file,
                Verdict::Another,
            ),
            (
                &[(header::IF_UNMODIFIED_SINCE, earlier)],
                &growing,
                Verdict::Whole,
            ),
            (
                &[
                    (header::IF_MATCH, "\"a,b\""),
                    (header::IF_UNMODIFIED_SINCE, earlier),
                ],
                &file,
                Verdict::Whole,
            ),
            (
                &[(header::IF_NONE_MATCH, "\"a,b\"")],
                &file,
                Verdict::NotModified,
            ),
            (
                &[(header::IF_NONE_MATCH, "W/\"a,b\"")],
                &file,
                Verdict::NotModified,
            ),
            (&[(header::IF_NONE_MATCH, "*")], &file, Verdict::NotModified),
            (
                &[(header::IF_NONE_MATCH, "\"a\", \"b\"")],
                &file,
                Verdict::Whole,
            ),
            (
                &[(header::IF_NONE_MATCH, "\"a,b\"")],
                &unknown,
                Verdict::Whole,
            ),
            (
                &[(header::IF_NONE_MATCH, "\"a,b\""), part.clone()],
                &file,
                Verdict::NotModified,
            ),
            (
                &[(header::IF_MODIFIED_SINCE, OLD)],
                &file,
                Verdict::NotModified,
            ),
            (
                &[(header::IF_MODIFIED_SINCE, later)],
                &file,
                Verdict::NotModified,
            ),
            (
                &[(header::IF_MODIFIED_SINCE, earlier)],
                &file,
                Verdict::Whole,
            ),
            (
                &[(header::IF_MODIFIED_SINCE, later)],
                &growing,
                Verdict::Whole,
            ),
            (
                &[(header::IF_MODIFIED_SINCE, "yesterday")],
                &file,
                Verdict::Whole,
            ),
            (
                &[
                    (header::IF_NONE_MATCH, "\"x\""),
                    (header::IF_MODIFIED_SINCE, later),
                ],
                &file,
                Verdict::Whole,
            ),
            (
                &[(header::RANGE, "bytes=2-3")],
                &unknown,
                Verdict::Part(2, 3),
            ),
            (
                &[(header::IF_RANGE, "\"a,b\""), part.clone()],
                &file,
                Verdict::Part(2, 3),
            ),
            (
                &[(header::IF_RANGE, "\"x\""), part.clone()],
                &file,
                Verdict::Whole,
            ),
            (
                &[(header::IF_RANGE, "W/\"a,b\""), part.clone()],
                &file,
                Verdict::Whole,
            ),
            (
                &[(header::IF_RANGE, "*"), part.clone()],
                &file,
                Verdict::Whole,
            ),
            (
                &[(header::IF_RANGE, OLD), part.clone()],
                &file,
                Verdict::Part(2, 3),
            ),
            (
                &[(header::IF_RANGE, later), part.clone()],
                &file,
                Verdict::Whole,
            ),
            (
                &[(header::IF_RANGE, OLD), part.clone()],
                &growing,
                Verdict::Whole,
            ),
            (
                &[(header::IF_RANGE, "\"a,b\""), part.clone()],
                &unknown,
                Verdict::Whole,
            ),
            (
                &[(header::IF_RANGE, "\"x\""), (header::RANGE, "bytes=99-")],
                &file,
                Verdict::Whole,
            ),
        ] {
            assert_eq!(judged(Method::GET, headers, of), expected, "{headers:?}");
            let of_head = match expected {
                Verdict::Part(..) => Verdict::Whole,
                expected => expected,
            };
            assert_eq!(judged(Method::HEAD, headers, of), of_head, "{headers:?}");
        }
    }

    #[test]
    fn what_was_written_just_now_may_be_written_again_in_that_second() {
        let now = Timestamp::now();
        let file = Validators::of_tag("a").written(now.into());
        let date = file.last_modified().unwrap();
        let headers = [(header::IF_RANGE, &*date), (header::RANGE, "bytes=2-3")];
        assert_eq!(judged(Method::GET, &headers, &file), Verdict::Whole);
    }
}
