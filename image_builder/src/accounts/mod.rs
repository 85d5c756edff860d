//! Accounts: who somebody is, what they may do, and what they did.
//!
//! Who somebody is says a provider elsewhere, such as [Fedora Accounts](https://id.fedoraproject.org); no password is kept
//! here. From the groups that it names come [roles](Role), by the [rules](RoleRules) of who runs the service.
//! Browsers have sessions and programs have [tokens](Token): both are random words, of which only the SHA-256 is
//! [kept](AccountStore).

mod account;
mod audit;
mod credential;
mod quota;
mod role;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
mod store;
mod token;

pub use account::Account;
pub use audit::{Action, AuditEntry, AuditFilter, NumberedEntry};
pub use credential::Credential;
pub use quota::{Quota, Usage, Work};
pub use role::{Role, RoleRules};
pub use store::AccountStore;
pub use token::{KnownToken, Token};
