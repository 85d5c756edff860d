//! Who may use the service over HTTP: `auth`, `[http.oidc]`, `[http.roles]`, `[http.networks]`, `[http.quota]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::notification::counted_from;
use crate::accounts::Role;
use crate::network::{Network, leads_here};
use crate::secret::SecretPlace;

/// How somebody proves who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Nobody has to: who reaches the service may do everything.
    #[default]
    None,
    /// By an account at a provider of [OpenID Connect](https://openid.net/specs/openid-connect-core-1_0.html).
    Oidc,
}

/// The provider of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OidcSection {
    /// Its address, below which `.well-known/openid-configuration` is: `https://id.fedoraproject.org/openidc`.
    pub issuer: String,
    /// How it calls people's accounts: `Fedora Account`.
    pub title: Option<String>,
    /// How it calls this service.
    pub client_id: String,
    /// The file with the secret that it has given to this service.
    pub client_secret_file: Option<PathBuf>,
    /// The variable with it.
    pub client_secret_env: Option<String>,
    /// What is asked for beside `openid`; as Fedora Accounts has it by default.
    pub scopes: Option<Vec<String>>,
    /// What it calls a user's name: `nickname` by default.
    pub name_claim: Option<String>,
    /// What it calls their groups: `groups` by default.
    pub groups_claim: Option<String>,
    pub(super) client_secret: NoClientSecret,
}

/// Stands where somebody may write a secret, and says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct NoClientSecret;

impl<'de> Deserialize<'de> for NoClientSecret {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "a secret does not belong in this file: put it into a file of mode 0600 and name that with \
             `client_secret_file`, or name a variable of the environment with `client_secret_env`",
        ))
    }
}

/// What Fedora Accounts is asked for.
const SCOPES: [&str; 3] = [
    "profile",
    "email",
    "https://id.fedoraproject.org/scope/groups",
];

impl OidcSection {
    /// Where the secret is; a public client has none.
    #[must_use]
    pub fn secret(&self) -> Option<SecretPlace> {
        SecretPlace::of(
            self.client_secret_env.as_deref(),
            self.client_secret_file.as_deref(),
        )
    }

    /// What is asked for beside `openid`.
    #[must_use]
    pub fn scopes(&self) -> Vec<String> {
        let usual = || SCOPES.map(str::to_owned).to_vec();
        self.scopes.clone().unwrap_or_else(usual)
    }

    pub(super) fn settle(&mut self, folder: &Path) {
        counted_from(folder, &mut [&mut self.client_secret_file]);
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let issuer = url::Url::parse(&self.issuer).ok();
        let safe = |url: &url::Url| {
            let secure = url.scheme() == "https" || (url.scheme() == "http" && leads_here(url));
            secure && url.query().is_none() && url.username().is_empty()
        };
        if !issuer.is_some_and(|url| safe(&url)) {
            return Err("[http.oidc] issuer: an https address is wanted, such as \
                 \"https://id.fedoraproject.org/openidc\""
                .to_owned());
        }
        if self.client_id.is_empty() {
            return Err(
                "[http.oidc] client_id: how the provider calls this service is missing".to_owned(),
            );
        }
        Ok(())
    }
}

/// What may be done without an account by who comes from a network: `"10.1.0.0/16" = "submit"`.
pub type Networks = BTreeMap<Network, Role>;
