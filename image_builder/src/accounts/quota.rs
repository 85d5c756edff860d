//! How much somebody may have.

use serde::Deserialize;

use crate::quantity::ByteSize;

/// How much each account may have. What is absent is not limited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Jobs that wait or are built.
    pub open: Option<u64>,
    /// Jobs that were submitted within 24 hours.
    pub day: Option<u64>,
    /// What is kept of their images.
    pub disk: Option<ByteSize>,
}

/// The jobs of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Those that wait or are built.
    pub open: u64,
    /// Those that were submitted since a time.
    pub recent: u64,
}

/// How much somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Their jobs, of the last 24 hours.
    pub work: Work,
    /// The bytes of their images.
    pub disk: u64,
}

impl Quota {
    /// Why somebody who has so much may not have one more image, if they may not.
    #[must_use]
    pub fn over(&self, usage: &Usage) -> Option<String> {
        let Usage { work, disk } = usage;
        if let Some(most) = self.open.filter(|&most| work.open >= most) {
            return Some(format!(
                "{} of your jobs wait or are built, and at most {most} may be at a time",
                work.open
            ));
        }
        if let Some(most) = self.day.filter(|&most| work.recent >= most) {
            return Some(format!(
                "you have submitted {} jobs within 24 hours, and may submit {most}",
                work.recent
            ));
        }
        let most = self.disk.filter(|most| *disk >= most.0)?;
        Some(format!(
            "your images take {} here, and may take {most}",
            ByteSize(*disk)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_full_is_said_with_its_figures() {
        let quota = Quota {
            open: Some(2),
            day: Some(5),
            disk: Some(ByteSize(1 << 30)),
        };
        let usage = |open, recent, disk| Usage {
            work: Work { open, recent },
            disk,
        };
        assert_eq!(quota.over(&usage(1, 4, (1 << 30) - 1)), None);
        for (used, words) in [
            (usage(2, 2, 0), ["2 of your jobs", "at most 2"]),
            (usage(0, 6, 0), ["submitted 6 jobs", "may submit 5"]),
            (usage(0, 0, 3 << 30), ["take 3.0 GiB", "may take 1.0 GiB"]),
        ] {
            let said = quota.over(&used).unwrap();
            assert!(words.iter().all(|word| said.contains(word)), "{said}");
        }
        assert_eq!(Quota::default().over(&usage(1000, 1000, u64::MAX)), None);
        let none = Quota {
            open: Some(0),
            ..Quota::default()
        };
        assert!(none.over(&Usage::default()).is_some());
    }
}
