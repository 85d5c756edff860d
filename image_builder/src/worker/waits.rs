//! Why a job waits.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Presence;
use crate::jobs::{Job, Line};
use crate::quantity::count;

/// Why a job waits that `before` others go before: who serves its line, and what keeps them from it. One line, for
/// people.
#[must_use]
pub fn why_waiting(job: &Job, before: usize, workers: &[Presence]) -> String {
    let ahead = match before {
        0 => "it is the next".to_owned(),
        _ => format!("{} before it", count(before, "job")),
    };
    let state = line_state(&job.request.line(), &job.refusals, workers);
    format!("{state}; {ahead}")
}

/// Who serves a line, and what they do: `2 workers serve x86_64/43, all busy`. `refusals` are those who could not
/// build the job in question.
#[must_use]
pub fn line_state(
    line: &Line,
    refusals: &BTreeMap<String, Timestamp>,
    workers: &[Presence],
) -> String {
    let serves = |worker: &&Presence| {
        worker.arch == line.arch && worker.releases.contains(&line.release) && !worker.draining
    };
    let serving: Vec<&Presence> = workers.iter().filter(serves).collect();
    if serving.is_empty() {
        return format!("no worker serves {line}");
    }
    let full =
        |worker: &&&Presence| worker.running.len() >= usize::try_from(worker.slots).unwrap_or(0);
    let busy = serving.iter().filter(full).count();
    let unable: Vec<&str> = serving
        .iter()
        .filter_map(|worker| worker.cannot.as_deref())
        .collect();
    let refused = serving
        .iter()
        .filter(|worker| refusals.contains_key(&worker.worker))
        .count();
    let serve = match serving.len() {
        1 => "serves",
        _ => "serve",
    };
    let state = match () {
        () if !unable.is_empty() => format!("{} cannot: {}", unable.len(), unable.join("; ")),
        () if refused > 0 => format!("{refused} handed it back: see below"),
        () if busy == serving.len() => "all busy".to_owned(),
        () => format!("{busy} busy"),
    };
    format!("{} {serve} {line}, {state}", count(serving.len(), "worker"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobId;

    fn presence(name: &str, running: usize) -> Presence {
        let now = Timestamp::UNIX_EPOCH;
        Presence {
            worker: name.to_owned(),
            session: name.to_owned(),
            host: "builder".to_owned(),
            arch: "x86_64".to_owned(),
            releases: vec!["43".to_owned()],
            slots: 1,
            running: vec![JobId::new(now); running],
            finished: 0,
            since: now,
            version: "1".to_owned(),
            draining: false,
            cannot: None,
            load: 0.0,
            free_bytes: None,
            time: now,
        }
    }

    #[test]
    fn what_keeps_workers_from_a_line_is_said() {
        let line = Line {
            arch: "x86_64".to_owned(),
            release: "43".to_owned(),
        };
        let other = Line {
            arch: "aarch64".to_owned(),
            ..line.clone()
        };
        let none = BTreeMap::new();
        let refused = BTreeMap::from([("anna".to_owned(), Timestamp::UNIX_EPOCH)]);
        let leaving = Presence {
            draining: true,
            ..presence("carl", 0)
        };
        let full = Presence {
            cannot: Some("no space".to_owned()),
            ..presence("dora", 0)
        };
        let (anna, bert) = (presence("anna", 1), presence("bert", 1));
        for (line, refusals, workers, words) in [
            (&line, &none, vec![], "no worker serves x86_64/43"),
            (&line, &none, vec![leaving], "no worker serves x86_64/43"),
            (
                &other,
                &none,
                vec![anna.clone()],
                "no worker serves aarch64/43",
            ),
            (
                &line,
                &none,
                vec![anna.clone()],
                "1 worker serves x86_64/43, all busy",
            ),
            (
                &line,
                &none,
                vec![anna.clone(), presence("c", 0)],
                "2 workers serve x86_64/43, 1 busy",
            ),
            (
                &line,
                &refused,
                vec![anna, bert],
                "2 workers serve x86_64/43, 1 handed it back: see below",
            ),
            (
                &line,
                &none,
                vec![full],
                "1 worker serves x86_64/43, 1 cannot: no space",
            ),
        ] {
            assert_eq!(line_state(line, refusals, &workers), words);
        }
    }
}
