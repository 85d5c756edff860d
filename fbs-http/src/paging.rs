//! Long lists, page by page.

use crate::problem::Problem;

/// As many as are asked for; `usual` if nobody says, and never more than `largest`.
///
/// # Errors
///
/// 400: none, or more than that.
pub(crate) fn limit(asked: Option<u32>, usual: u32, largest: u32) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(usual);
    match (1..=largest).contains(&limit) {
        true => Ok(limit),
        false => Err(Problem::bad_request(format!("`limit` is 1 to {largest}"))),
    }
}

/// The last of a page of at most `limit`, if there may be more behind it.
pub(crate) fn last<T>(page: &[T], limit: u32) -> Option<&T> {
    let is_full = page.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    page.last().filter(|_| is_full)
}
