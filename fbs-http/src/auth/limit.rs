//! How often somebody may ask.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::problem::Problem;

/// Requests a second unless somebody says otherwise. A page with what it loads are ten.
const RATE: NonZeroU32 = NonZeroU32::new(50).expect("50 is not 0");

/// So many seconds' requests may come at once.
const BURST: u32 = 4;

/// How often somebody may ask: each by themselves.
pub(crate) struct Limit {
    limiter: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
}

impl std::fmt::Debug for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limit").finish_non_exhaustive()
    }
}

impl Limit {
    /// So many requests a second, or as many as are usual.
    pub(crate) fn new(rate: Option<NonZeroU32>) -> Self {
        let rate = rate.unwrap_or(RATE);
        let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(BURST - 1));
        Self {
            limiter: RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request of somebody.
    ///
    /// # Errors
    ///
    /// How long they have to wait.
    pub(crate) fn check(&self, who: &str) -> Result<(), Duration> {
        let checked = self.limiter.check_key(&who.to_owned());
        checked.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Forgets who has not asked for a while.
    pub(crate) fn forget(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// What somebody is told who asked too often.
pub(super) fn too_many(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let mut response = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "more requests than one may send in a second",
    )
    .with_hint(format!("wait for {seconds} s"))
    .into_response();
    if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_requests_of_their_own() {
        let limit = Limit::new(NonZeroU32::new(5));
        let asked = |who| (0..100).take_while(|_| limit.check(who).is_ok()).count();
        assert!((20..25).contains(&asked("anna")));
        assert!((20..25).contains(&asked("berta")));
        let wait = limit.check("anna").unwrap_err();
        assert!(wait <= Duration::from_millis(250), "{wait:?}");
        limit.forget();
        assert!(limit.check("anna").is_err());
    }
}
