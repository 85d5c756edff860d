//! The provider of accounts, by [OpenID Connect](https://openid.net/specs/openid-connect-core-1_0.html): the
//! authorization code flow with [PKCE](https://www.rfc-editor.org/rfc/rfc7636).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use image_builder::accounts::Account;
use image_builder::http;
use image_builder::secret::Secret;
use image_builder::service_config::Auth;
use jiff::Timestamp;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse,
    TokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::ANYBODY;
use super::login::BACK;
use crate::config::Settings;
use crate::journal::{LONGEST, plain};

/// What the provider says of itself is asked for again after this time, so that its keys may change.
const KNOWN: Duration = Duration::from_secs(60);

/// The largest answer of a provider, in bytes.
const LARGEST: usize = 1 << 20;

/// The longest name of an account, in characters.
const LONGEST_NAME: usize = 100;

/// The names of users, as providers call them, Fedora Accounts first.
const NAMES: [&str; 2] = ["nickname", "preferred_username"];

/// The provider, as it is configured.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) issuer: IssuerUrl,
    /// How it calls people's accounts.
    pub(super) title: String,
    client_id: String,
    secret: Option<Secret>,
    scopes: Vec<String>,
    name_claim: Option<String>,
    groups_claim: String,
    /// Where it sends people back to.
    back: RedirectUrl,
    http: reqwest::Client,
    known: Mutex<Option<(Instant, Arc<CoreProviderMetadata>)>>,
}

/// A login that has begun.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) state: String,
    nonce: String,
    verifier: String,
    /// The page that was wanted.
    pub(super) wanted: String,
}

/// Why somebody cannot log in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    /// Nobody answers, or not as a provider does.
    #[error("{0} cannot be asked: {1}")]
    Provider(String, String),
    /// It says that they are not who they say.
    #[error("{0} does not say who you are: {1}")]
    Refused(String, String),
    /// It says nothing that is needed.
    #[error("{0} says {1}")]
    Nameless(String, String),
}

/// All that is said of somebody beside what the standard names.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims(Map<String, Value>);

impl AdditionalClaims for Claims {}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        Claims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

type OidcClient = Client<
    Claims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl Provider {
    /// That of the configuration, if it names one. It sends people back to the service at `url`.
    ///
    /// # Errors
    ///
    /// What cannot be used of it, in words.
    pub(crate) fn configured(settings: &Settings, url: &str) -> Result<Option<Self>, String> {
        let http = &settings.service.http;
        let (Auth::Oidc, Some(section)) = (http.auth, &http.oidc) else {
            return Ok(None);
        };
        let secret = section.secret().map(|place| place.read()).transpose()?;
        let told = |error: &dyn std::error::Error| words(error);
        // It is never sent elsewhere: who could make it do so could read what is said.
        let http = http::builder(None)?.redirect(reqwest::redirect::Policy::none());
        Ok(Some(Self {
            issuer: IssuerUrl::new(section.issuer.clone()).map_err(|error| told(&error))?,
            title: section
                .title
                .clone()
                .unwrap_or_else(|| "Fedora Account".to_owned()),
            client_id: section.client_id.clone(),
            secret,
            scopes: section.scopes(),
            name_claim: section.name_claim.clone(),
            groups_claim: section
                .groups_claim
                .clone()
                .unwrap_or_else(|| "groups".to_owned()),
            back: RedirectUrl::new(format!("{url}{BACK}")).map_err(|error| told(&error))?,
            http: http.build().map_err(|error| told(&error))?,
            known: Mutex::default(),
        }))
    }

    /// Where somebody who wants a page logs in, and what has to be remembered of it.
    pub(super) async fn begin(&self, wanted: &str) -> Result<(Url, Begun), OidcError> {
        let client = self.client().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        );
        for scope in &self.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        let begun = Begun {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            wanted: wanted.to_owned(),
        };
        Ok((url, begun))
    }

    /// Who somebody is who came back with a code.
    pub(super) async fn finish(&self, begun: Begun, code: String) -> Result<Account, OidcError> {
        let client = self.client().await?;
        let http = |request| send(self.http.clone(), request);
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| self.cannot(&error))?
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier))
            .request_async(&http)
            .await
            .map_err(|error| self.refused(&error))?;
        let token = tokens
            .id_token()
            .ok_or_else(|| self.without("nothing about who you are (no ID token)"))?;
        let claims = token
            .claims(&client.id_token_verifier(), &Nonce::new(begun.nonce))
            .map_err(|error| self.refused(&error))?;
        let subject = claims.subject().clone();
        let mut said = object(claims);
        // Not every provider tells all of it in the token.
        if let Ok(request) = client.user_info(tokens.access_token().clone(), Some(subject.clone()))
        {
            let told: UserInfoClaims<Claims, CoreGenderClaim> = request
                .request_async(&http)
                .await
                .map_err(|error| self.refused(&error))?;
            said.extend(object(&told));
        }
        self.account(&subject, &said)
    }

    /// Whether it can be asked, and says what it has to say of itself.
    pub(crate) async fn check(&self) -> Result<(), OidcError> {
        self.client().await.map(drop)
    }

    fn account(&self, subject: &str, said: &Map<String, Value>) -> Result<Account, OidcError> {
        let text = |claim: &str| said.get(claim).and_then(Value::as_str);
        let name = match &self.name_claim {
            Some(claim) => text(claim).ok_or(claim.as_str()),
            None => NAMES.into_iter().find_map(text).ok_or(NAMES[0]),
        };
        let name = name.map_err(|claim| self.without(&format!("no name of yours ({claim})")))?;
        let plain = |c: char| !c.is_control() && !c.is_whitespace();
        let fits =
            !name.is_empty() && name.chars().count() <= LONGEST_NAME && name.chars().all(plain);
        // These are who nobody is known of.
        let ours = name == ANYBODY || name.starts_with(&format!("{ANYBODY}@"));
        if !fits || ours {
            return Err(self.without(&format!(
                "that your name is {name:?}, and nobody can have that here"
            )));
        }
        let groups: BTreeSet<String> = match said.get(&self.groups_claim) {
            Some(Value::Array(groups)) => {
                let groups = groups.iter().filter_map(Value::as_str);
                groups.map(str::to_owned).collect()
            }
            Some(Value::String(group)) => [group.clone()].into(),
            _ => BTreeSet::new(),
        };
        Ok(Account {
            name: name.to_owned(),
            subject: format!("{} {subject}", self.issuer.as_str()),
            email: text("email").map(str::to_owned),
            groups,
            seen: Timestamp::now(),
        })
    }

    async fn client(&self) -> Result<OidcClient, OidcError> {
        let metadata = self.metadata().await?;
        let client = Client::from_provider_metadata(
            (*metadata).clone(),
            ClientId::new(self.client_id.clone()),
            self.secret
                .as_ref()
                .map(|secret| ClientSecret::new(secret.reveal().to_owned())),
        );
        Ok(client.set_redirect_uri(self.back.clone()))
    }

    async fn metadata(&self) -> Result<Arc<CoreProviderMetadata>, OidcError> {
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((when, metadata)) = known
            && when.elapsed() < KNOWN
        {
            return Ok(metadata);
        }
        let http = |request| send(self.http.clone(), request);
        let asked = CoreProviderMetadata::discover_async(self.issuer.clone(), &http).await;
        let metadata = Arc::new(asked.map_err(|error| self.cannot(&error))?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((Instant::now(), metadata.clone()));
        Ok(metadata)
    }

    fn cannot(&self, error: &dyn std::error::Error) -> OidcError {
        OidcError::Provider(self.issuer.to_string(), words(error))
    }

    fn refused(&self, error: &dyn std::error::Error) -> OidcError {
        OidcError::Refused(self.issuer.to_string(), words(error))
    }

    fn without(&self, what: &str) -> OidcError {
        OidcError::Nameless(self.issuer.to_string(), plain(what, LONGEST))
    }
}

/// What is said of somebody, as JSON.
fn object(claims: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// An error with its causes.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    plain(&words, LONGEST)
}

/// Why an answer cannot be had.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Message(#[from] axum::http::Error),
    #[error("the answer is longer than 1 MiB")]
    TooLong,
}

/// Sends what the library of the protocol wants to know.
async fn send(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, SendError> {
    let mut answer = client.execute(request.try_into()?).await?;
    let mut response = axum::http::Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST {
            return Err(SendError::TooLong);
        }
    }
    Ok(response.body(body)?)
}
