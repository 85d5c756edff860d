//! Finding packages and groups by what somebody types.

use super::index::{Catalogue, Group, Package};

/// What was found, the best first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found<'a> {
    /// Packages.
    pub packages: Vec<Package<'a>>,
    /// Groups and environments.
    pub groups: Vec<&'a Group>,
}

/// How many ways there are to fit.
const RANKS: usize = 4;

impl Catalogue {
    /// At most `limit` packages and as many groups that fit: first what goes by this name, then names that begin with
    /// it, names that hold it, and at last those whose name or summary has every word of it, or begins a word with it.
    /// Among those that fit as well, in the order of the names. A capital letter of ASCII is as good as a small one.
    /// Behind an `@` only groups are meant.
    #[must_use]
    pub fn find(&self, query: &str, limit: usize) -> Found<'_> {
        let query = query.trim().to_ascii_lowercase();
        let (query, with_packages) = match query.strip_prefix('@') {
            Some(group) => (group.strip_prefix('^').unwrap_or(group), false),
            None => (query.as_str(), true),
        };
        if query.is_empty() {
            return Found::default();
        }
        let words: Vec<&str> = query.split_whitespace().collect();
        let mut packages: [Vec<Package<'_>>; RANKS] = Default::default();
        for package in self.packages().filter(|_| with_packages) {
            let rank = rank(query, &words, &[package.name], package.summary);
            let fitting = rank.map(|rank| &mut packages[rank]);
            if let Some(fitting) = fitting.filter(|fitting| fitting.len() < limit) {
                fitting.push(package);
            }
        }
        let mut groups: Vec<(usize, &Group)> = self
            .groups()
            .iter()
            .filter_map(|group| {
                let names = [group.id.as_str(), group.name.as_str()];
                Some((rank(query, &words, &names, &group.description)?, group))
            })
            .collect();
        groups.sort_by_key(|(rank, group)| (*rank, group.is_environment, group.id.as_str()));
        Found {
            packages: packages.into_iter().flatten().take(limit).collect(),
            groups: groups
                .into_iter()
                .map(|(_, group)| group)
                .take(limit)
                .collect(),
        }
    }
}

/// How well something fits that goes by some names: 0 is best.
fn rank(query: &str, words: &[&str], names: &[&str], text: &str) -> Option<usize> {
    let best = names.iter().filter_map(|name| match position(name, query) {
        Some(0) if name.len() == query.len() => Some(0),
        Some(0) => Some(1),
        Some(_) => Some(2),
        None => None,
    });
    best.min().or_else(|| {
        let has = |word: &&str| {
            names.iter().any(|name| position(name, word).is_some()) || begins_a_word(text, word)
        };
        words.iter().all(has).then_some(3)
    })
}

/// Where a text holds some letters, which are small ones.
fn position(text: &str, letters: &str) -> Option<usize> {
    let (text, letters) = (text.as_bytes(), letters.as_bytes());
    let mut windows = text.windows(letters.len());
    windows.position(|window| window.eq_ignore_ascii_case(letters))
}

/// Whether a word of a text begins with these letters.
fn begins_a_word(text: &str, letters: &str) -> bool {
    let (text, letters) = (text.as_bytes(), letters.as_bytes());
    let is_begin = |at: usize| {
        let before = at.checked_sub(1).map(|before| text[before]);
        !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
    };
    let mut windows = text.windows(letters.len()).enumerate();
    windows.any(|(at, window)| window.eq_ignore_ascii_case(letters) && is_begin(at))
}
