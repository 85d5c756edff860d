//! How values are shown.

use image_builder::quantity::ByteSize;
use jiff::{SignedDuration, Timestamp};

/// `2026-11-22 06:32:19`, in UTC.
pub(super) fn time(time: &Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `1:05:09` or `14 s`.
pub(super) fn between(from: &Timestamp, to: &Timestamp) -> String {
    seconds(to.duration_since(*from))
}

/// `2:00:00 h`, of seconds.
pub(super) fn limit(limit: &u64) -> String {
    let limit = i64::try_from(*limit).unwrap_or(i64::MAX);
    seconds(SignedDuration::from_secs(limit))
}

fn seconds(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) => format!("{:.1} s", time.as_secs_f64().max(0.0)),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02} min"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02} h"),
    }
}

/// `113.1 MiB`
pub(super) fn size(bytes: &u64) -> String {
    ByteSize(*bytes).to_string()
}

/// The colour of a state's label.
pub(super) fn colour(state: &str) -> &'static str {
    match state {
        "succeeded" | "present" => "pf-m-green",
        "failed" | "gone" => "pf-m-red",
        "running" | "delivering" => "pf-m-blue",
        "cancelled" | "draining" => "pf-m-orange",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        for (millis, text) in [
            (1500, "1.5 s"),
            (65_000, "1:05 min"),
            (3_909_000, "1:05:09 h"),
            (-5, "0.0 s"),
        ] {
            assert_eq!(seconds(SignedDuration::from_millis(millis)), text);
        }
        assert_eq!(time(&Timestamp::UNIX_EPOCH), "1970-01-01 00:00:00");
    }
}
