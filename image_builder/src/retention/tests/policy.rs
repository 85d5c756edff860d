//! The policy, as a function.

use jiff::Timestamp;

use super::{at, hours};
use crate::job_id::JobId;
use crate::retention::{ImageRecord, Pin, Policy, Reason, Removal, Step};

/// 100 hours, a mail 20 hours before, 1000 bytes.
fn policy() -> Policy {
    Policy {
        max_age: Some(hours(100)),
        max_size: Some(1000),
        warning: hours(20),
    }
}

/// Of a job of this name, delivered at this hour.
fn image(job: &str, delivered: i64, bytes: u64) -> ImageRecord {
    ImageRecord::new(JobId::parse(job).unwrap(), "f", bytes, at(delivered))
}

fn pinned(image: ImageRecord) -> ImageRecord {
    let by = "anna".to_owned();
    let time = image.delivered;
    ImageRecord {
        pinned: Some(Pin { by, time }),
        ..image
    }
}

fn warned(image: ImageRecord, hour: i64) -> ImageRecord {
    ImageRecord {
        warned: Some(at(hour)),
        ..image
    }
}

fn removed(image: ImageRecord) -> ImageRecord {
    let (time, reason) = (image.delivered, Reason::Age);
    ImageRecord {
        removed: Some(Removal { time, reason }),
        ..image
    }
}

/// `remove a: age`, `warn b: space, 120`.
fn words(steps: &[Step]) -> Vec<String> {
    let hour = |time: Timestamp| time.duration_since(at(0)).as_hours();
    let word = |step: &Step| match step {
        Step::Remove { job, reason } => format!("remove {job}: {}", reason.name()),
        Step::Warn { job, reason, ends } => {
            let ends = ends.map(|end| format!(", {}", hour(end)));
            format!("warn {job}: {}{}", reason.name(), ends.unwrap_or_default())
        }
    };
    steps.iter().map(word).collect()
}

#[track_caller]
fn check(policy: Policy, images: &[ImageRecord], hour: i64, expected: &[&str]) {
    assert_eq!(
        words(&policy.steps(images, at(hour))),
        expected,
        "at {hour}: {images:#?}"
    );
}

#[test]
fn a_policy_is_said_in_a_line() {
    let forever = Policy {
        max_age: None,
        max_size: None,
        ..policy()
    };
    for (policy, words) in [
        (
            policy(),
            "for 100 hours, at most 1000 bytes; people are told 20 hours before",
        ),
        (
            Policy::default(),
            "for 14 days; people are told 2 days before",
        ),
        (forever, "for ever"),
    ] {
        assert_eq!(policy.to_string(), words);
    }
}

#[test]
fn an_image_goes_by_age_after_its_people_had_the_time_to_save_it() {
    let new = || image("a", 0, 10);
    for (found, hour, expected) in [
        (new(), 79, &[][..]),
        (new(), 80, &["warn a: age, 100"]),
        // The service was down: the mail goes late, and so does the image.
        (new(), 95, &["warn a: age, 115"]),
        (new(), 500, &["warn a: age, 520"]),
        (warned(new(), 80), 99, &[]),
        (warned(new(), 80), 100, &["remove a: age"]),
        (warned(new(), 500), 519, &[]),
        (warned(new(), 500), 520, &["remove a: age"]),
        // It was said long before that the space may be needed.
        (warned(new(), 5), 99, &[]),
        (warned(new(), 5), 100, &["remove a: age"]),
        (pinned(new()), 500, &[]),
        (pinned(warned(new(), 80)), 500, &[]),
        (removed(warned(new(), 80)), 500, &[]),
        (image("a", 0, 0), 500, &[]),
    ] {
        check(policy(), &[found], hour, expected);
    }
    let endless = Policy {
        max_age: None,
        ..policy()
    };
    check(endless, &[warned(new(), 80)], 100_000, &[]);
}

#[test]
fn when_it_is_crowded_the_oldest_go_first_and_the_next_are_warned() {
    let images = |sizes: &[u64]| -> Vec<ImageRecord> {
        let names = ["a", "b", "c", "d"];
        let images = names.iter().zip(0..).zip(sizes);
        images
            .map(|((name, hour), bytes)| image(name, hour, *bytes))
            .collect()
    };
    for (sizes, expected) in [
        (&[400, 400][..], &[][..]),
        // One byte more than 80 %.
        (&[400, 401], &["warn a: space, 100"]),
        (&[100, 100, 700], &["warn a: space, 100"]),
        (
            &[50, 60, 800],
            &["warn a: space, 100", "warn b: space, 101"],
        ),
        // Full, and not more than that.
        (
            &[150, 150, 700],
            &["warn a: space, 100", "warn b: space, 101"],
        ),
        (&[150, 151, 700], &["remove a: space", "warn b: space, 101"]),
        (&[600, 600, 600], &["remove a: space", "remove b: space"]),
        // It does not fit at all.
        (&[1001], &["remove a: space"]),
    ] {
        check(policy(), &images(sizes), 10, expected);
        // In whatever order they come.
        let mut turned = images(sizes);
        turned.reverse();
        check(policy(), &turned, 10, expected);
    }
    let endless = Policy {
        max_age: None,
        ..policy()
    };
    check(endless, &images(&[400, 500]), 10, &["warn a: space"]);
    let wide = Policy {
        max_size: None,
        ..policy()
    };
    check(wide, &images(&[u64::MAX / 2, 900]), 10, &[]);
}

#[test]
fn a_pin_takes_space_and_never_goes() {
    let others = || [image("b", 1, 300), image("c", 2, 300)];
    let with = |first: ImageRecord| [vec![first], others().to_vec()].concat();
    check(
        policy(),
        &with(image("a", 0, 500)),
        10,
        &["remove a: space"],
    );
    check(
        policy(),
        &with(pinned(image("a", 0, 500))),
        10,
        &["remove b: space"],
    );
    check(
        policy(),
        &with(pinned(image("a", 0, 5000))),
        10,
        &["remove b: space", "remove c: space"],
    );
    check(policy(), &[pinned(image("a", 0, 5000))], 10, &[]);
}

#[test]
fn nobody_is_warned_twice_and_what_goes_by_age_makes_space() {
    let near = || warned(image("a", 0, 450), 5);
    check(policy(), &[near(), image("b", 1, 450)], 10, &[]);
    check(
        policy(),
        &[near(), image("b", 50, 900)],
        100,
        &["remove a: age", "warn b: space, 150"],
    );
    check(
        policy(),
        &[near(), image("b", 50, 700)],
        100,
        &["remove a: age"],
    );
    // Both are reasons: what is said holds for both.
    check(
        policy(),
        &[image("a", 0, 850), image("b", 70, 1)],
        90,
        &["warn a: space, 110"],
    );
}

#[test]
fn what_people_are_shown_is_what_will_happen() {
    let ends = |image: &ImageRecord, hour| policy().ends(image, at(hour));
    let new = image("a", 0, 10);
    assert_eq!(ends(&new, 1), Some(at(100)));
    assert_eq!(ends(&new, 200), Some(at(220)));
    assert_eq!(ends(&warned(new.clone(), 90), 200), Some(at(110)));
    assert_eq!(ends(&pinned(new.clone()), 1), None);
    assert_eq!(ends(&removed(new.clone()), 1), None);
    assert!(!policy().is_due(&new, at(99)) && policy().is_due(&new, at(100)));
    // A time that is none of the calendar ends nothing.
    let long = Policy {
        max_age: Some(jiff::SignedDuration::MAX),
        ..policy()
    };
    assert_eq!(long.ends(&new, at(1)), Some(Timestamp::MAX));
    check(long, &[new], 1_000_000, &[]);
}
