//! Who asks, and what they may do.
//!
//! Every request is [identified](identify()) before anything else looks at it: by a session (a cookie), by a token
//! (`Authorization: Bearer`), by the network that it comes from, or not at all. Then its method says which role it
//! needs: reading `view`, everything else `submit`. What needs more says so itself, by [`Caller`].

mod caller;
mod identify;
mod limit;
mod login;
mod network;
mod oidc;
mod refusals;
mod turns;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use image_builder::accounts::{Account, AccountStore, Quota, Role, RoleRules};
use image_builder::jobs::StoreError;
use jiff::{SignedDuration, Timestamp};

use crate::app::App;
use crate::config::Settings;

pub(crate) use caller::{Caller, Proof};
pub(crate) use identify::identify;
pub(crate) use limit::Limit;
pub(crate) use login::router;
pub(crate) use network::Origins;
pub(crate) use oidc::{OidcError, Provider};
pub(crate) use refusals::{Refusals, refused};
pub(crate) use turns::Turns;

/// Who asks where nobody has to say who they are.
pub(crate) const ANYBODY: &str = "http";

/// How long somebody stays logged in unless somebody says otherwise: a working day.
const SESSION: Duration = Duration::from_secs(12 * 3600);

/// Accounts, where there are some.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) store: Arc<dyn AccountStore>,
    pub(crate) provider: Provider,
    pub(crate) rules: RoleRules,
    pub(crate) quota: Quota,
    pub(crate) limit: Limit,
    /// How much of what was refused is on record.
    pub(crate) refusals: Refusals,
    /// How long the audit log is kept; for ever if `None`.
    pub(crate) audit_age: Option<Duration>,
    /// How long somebody stays logged in.
    pub(crate) session: SignedDuration,
    /// Whether browsers come by https: cookies go no other way then.
    pub(crate) secure: bool,
    /// Who submits is counted one request after the other, so that not two are the last that may be.
    pub(crate) submitting: Turns,
}

/// So often it is forgotten who has not asked for a while.
const TIDY: Duration = Duration::from_secs(60);

/// Forgets now and then what nobody needs.
pub(crate) async fn tidy(app: App) {
    let Some(accounts) = &app.accounts else {
        return;
    };
    let mut ticks = tokio::time::interval(TIDY);
    loop {
        ticks.tick().await;
        accounts.limit.forget();
        accounts.refusals.forget();
        if let Err(error) = accounts.forget_audit(Timestamp::now()).await {
            tracing::warn!("the audit log: {error}; it is tried again");
        }
    }
}

impl Accounts {
    /// Those that the configuration names, if it does. Where there is no other, people come to `address`.
    ///
    /// # Errors
    ///
    /// What cannot be used of it, in words.
    pub(crate) fn configured(
        settings: &Settings,
        store: Arc<dyn AccountStore>,
        address: SocketAddr,
    ) -> Result<Option<Self>, String> {
        let http = &settings.service.http;
        let url = settings.url(address);
        let Some(provider) = Provider::configured(settings, &url)? else {
            return Ok(None);
        };
        let session = http.session.map_or(SESSION, |age| age.0);
        Ok(Some(Self {
            store,
            provider,
            rules: http.roles.clone(),
            quota: http.quota.clone(),
            limit: Limit::new(http.rate),
            refusals: Refusals::default(),
            audit_age: http.audit_age(),
            session: SignedDuration::try_from(session).map_err(|error| error.to_string())?,
            secure: url.starts_with("https:"),
            submitting: Turns::default(),
        }))
    }

    /// Forgets what was done longer ago than the audit log is kept.
    pub(crate) async fn forget_audit(&self, now: Timestamp) -> Result<u64, StoreError> {
        // What is kept for longer than there is time is kept for ever.
        let before = self.audit_age.and_then(|age| now.checked_sub(age).ok());
        match before {
            Some(before) => self.store.forget_audit(before).await,
            None => Ok(0),
        }
    }

    pub(crate) fn role(&self, account: &Account) -> Option<Role> {
        self.rules.role(account)
    }

    /// The name of the cookie with the session.
    fn session_cookie(&self) -> &'static str {
        match self.secure {
            true => "__Host-fbs",
            false => "fbs",
        }
    }

    /// The name of the cookie of a login that has begun.
    fn login_cookie(&self) -> &'static str {
        match self.secure {
            true => "__Host-fbs-login",
            false => "fbs-login",
        }
    }

    /// A cookie that scripts cannot read, and other sites' pages cannot send along with what changes something.
    fn cookie(&self, name: &str, value: &str, age: SignedDuration) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!(
            "{name}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            age.as_secs()
        )
    }
}
