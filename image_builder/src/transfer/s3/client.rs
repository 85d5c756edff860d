//! How a bucket is reached.

use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::{Certificate, ClientOptions, RetryConfig};
use url::Url;

use super::super::retry::CHECK_PATIENCE;
use super::super::{StagingSettings, TransferError};
use super::words;

/// How long a request for one part may take.
const REQUEST: Duration = Duration::from_secs(300);

/// The way out where the keys are not taken.
pub(super) const KEYS: &str = "the keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
                               from `user` and `password_file` in [[staging]] of the service's \
                               configuration";

/// A client that waits so long for a server that is gone.
pub(super) fn builder(
    url: &Url,
    settings: &StagingSettings,
    patience: Duration,
) -> Result<AmazonS3Builder, TransferError> {
    crate::http::install_tls_provider();
    let mut client = ClientOptions::new()
        .with_connect_timeout(CHECK_PATIENCE)
        .with_timeout(REQUEST)
        .with_allow_invalid_certificates(settings.verify_certificate == Some(false));
    if let Some(file) = &settings.ca_file {
        let wrong =
            |problem: String| settings.wrong(format!("ca_file {}: {problem}", file.display()));
        let text = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
        let found = Certificate::from_pem_bundle(&text).map_err(|error| wrong(words(&error)))?;
        for certificate in found {
            client = client.with_root_certificate(certificate);
        }
    }
    // Plain HTTP is for an endpoint that was named so.
    let endpoint = settings
        .endpoint
        .as_ref()
        .map(Url::as_str)
        .map(str::to_owned);
    let endpoint = endpoint.or_else(|| std::env::var("AWS_ENDPOINT_URL").ok());
    if let Some(endpoint) = &endpoint {
        client = client.with_allow_http(endpoint.starts_with("http://"));
    }
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(url.host_str().unwrap_or_default())
        .with_client_options(client)
        .with_retry(RetryConfig {
            retry_timeout: patience,
            max_retries: usize::MAX,
            ..RetryConfig::default()
        });
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(user) = &settings.user {
        builder = builder.with_access_key_id(user);
    }
    if let Some(secret) = settings.password()? {
        builder = builder.with_secret_access_key(secret);
    }
    Ok(builder)
}
