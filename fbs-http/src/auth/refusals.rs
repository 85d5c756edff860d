//! What was refused, on record: so that it is seen, and nobody fills the disk with it.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use image_builder::accounts::{Action, AuditEntry};
use jiff::Timestamp;

/// So many refusals of one account for one reason are on record at once, and one more each minute.
const EACH: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");

/// The same, of an address of which nobody is known.
const EACH_ADDRESS: NonZeroU32 = NonZeroU32::MIN;

/// So many a minute of all whom nobody knows, wherever they come from.
const UNKNOWN: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");

/// How much of what was refused is on record.
pub(crate) struct Refusals {
    accounts: DefaultKeyedRateLimiter<String>,
    addresses: DefaultKeyedRateLimiter<String>,
    unknown: DefaultDirectRateLimiter,
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}

impl Default for Refusals {
    fn default() -> Self {
        let each_minute = Quota::per_minute(NonZeroU32::MIN);
        Self {
            accounts: RateLimiter::keyed(each_minute.allow_burst(EACH)),
            addresses: RateLimiter::keyed(each_minute.allow_burst(EACH_ADDRESS)),
            unknown: RateLimiter::direct(Quota::per_minute(UNKNOWN)),
        }
    }
}

impl Refusals {
    /// Whether something is to be on record: all that was done, and the first of what was refused.
    pub(crate) fn counts(&self, entry: &AuditEntry) -> bool {
        let refused = matches!(
            entry.action,
            Action::Refused | Action::LogInRefused | Action::QuotaRefused
        );
        if !refused {
            return true;
        }
        if !entry.account.is_empty() {
            let key = format!("{} {}", entry.action, entry.account);
            return self.accounts.check_key(&key).is_ok();
        }
        let address = entry.address.map(network).unwrap_or_default();
        // Of a login the reason is in the words of who sent it.
        let reason = match entry.action {
            Action::Refused => entry.detail.as_str(),
            _ => "",
        };
        let key = format!("{} {address} {reason}", entry.action);
        self.addresses.check_key(&key).is_ok() && self.unknown.check().is_ok()
    }

    /// Forgets who was refused nothing for a while.
    pub(crate) fn forget(&self) {
        for limiter in [&self.accounts, &self.addresses] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// What one subscriber has of addresses.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{:x?}", address.segments().first_chunk::<4>()),
    }
}

/// That somebody whom nobody knows was refused something, for one of our reasons.
pub(crate) fn refused(address: IpAddr, what: &str, reason: &str) -> AuditEntry {
    AuditEntry {
        time: Timestamp::now(),
        account: String::new(),
        address: Some(address),
        by: String::new(),
        action: Action::Refused,
        subject: what.to_owned(),
        detail: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_on_record_and_fills_nothing() {
        let refusals = Refusals::default();
        let count = |entry: &dyn Fn(usize) -> AuditEntry| {
            (0..1000).filter(|&n| refusals.counts(&entry(n))).count()
        };
        let from = |address: &str, reason| refused(address.parse().unwrap(), "GET /", reason);
        assert_eq!(count(&|_| from("192.0.2.1", "a")), 1);
        assert_eq!(count(&|_| from("192.0.2.1", "b")), 1);
        assert_eq!(count(&|n| from(&format!("2001:db8:1:2::{n:x}"), "a")), 1);
        let log_in = |n: usize| AuditEntry {
            action: Action::LogInRefused,
            detail: n.to_string(),
            ..from("192.0.2.1", "")
        };
        assert_eq!(count(&log_in), 1);
        assert!(count(&|n| from(&format!("10.0.{}.{}", n / 256, n % 256), "a")) <= 30);
        let of_anna = |_| AuditEntry {
            account: "anna".to_owned(),
            ..from("192.0.2.1", "a")
        };
        assert_eq!(count(&of_anna), 10);
        let done = |_| AuditEntry {
            action: Action::Cancelled,
            ..of_anna(0)
        };
        assert_eq!(count(&done), 1000);
    }
}
