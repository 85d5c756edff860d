//! Staging in an object store that speaks S3.
//!
//! There are no folders in it, and an object is seen only when it is whole: large ones are sent in
//! parts, each of which is sent again when the connection breaks.

use std::time::Duration;

use async_trait::async_trait;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    Certificate, ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    RetryConfig, WriteMultipart,
};
use sha2::{Digest, Sha256};
use url::Url;

use super::retry::{CHECK_PATIENCE, PATIENCE};
use super::source::Source;
use super::{
    Checked, Delivered, Delivery, Progress, StagingSettings, Transfer, TransferError, folder_names,
};
use crate::context::CancellationToken;
use crate::digest::hex;
use crate::error::chain;
use crate::percent;

/// The size of a part; S3 takes no smaller ones than 5 MiB, and 10,000 of them.
const PART: usize = 8 * 1024 * 1024;

/// Parts on their way at once.
const PARTS: usize = 3;

/// How long a request for one part may take.
const REQUEST: Duration = Duration::from_secs(300);

/// The object that says that a build has this prefix.
const MARK: &str = "fbs-build";

/// A bucket, or a prefix in one.
#[derive(Debug)]
pub(super) struct ObjectStaging {
    /// For what is sent and read: waits for a server that is gone.
    store: AmazonS3,
    /// For the check before a build.
    hasty: AmazonS3,
    prefix: Path,
    url: String,
    read_back: bool,
}

impl ObjectStaging {
    /// # Errors
    ///
    /// [`TransferError::Settings`]
    pub(super) fn open(url: &Url, settings: &StagingSettings) -> Result<Self, TransferError> {
        let shown = super::shown(url);
        let wrong = |problem: String, hint: &str| TransferError::Settings {
            place: shown.clone(),
            problem,
            hint: hint.to_owned(),
        };
        let path = percent::decoded(url.path().trim_matches('/')).unwrap_or_default();
        let prefix =
            Path::parse(&path).map_err(|error| wrong(error.to_string(), "name another"))?;
        if url.password().is_some() || !url.username().is_empty() {
            return Err(wrong(
                "keys do not belong into its address".to_owned(),
                KEYS,
            ));
        }
        let store = |patience| {
            let builder = builder(url, settings, patience)?;
            builder.build().map_err(|error| wrong(words(&error), KEYS))
        };
        Ok(Self {
            store: store(PATIENCE)?,
            hasty: store(CHECK_PATIENCE)?,
            prefix,
            read_back: settings.read_back.unwrap_or(true),
            url: shown,
        })
    }

    fn object(&self, name: &str) -> Path {
        let inner = name.split('/');
        self.prefix.parts().chain(inner.map(Into::into)).collect()
    }

    /// The address of an object.
    fn place(&self, object: &Path) -> String {
        let name = object.as_ref();
        let inner = name.strip_prefix(self.prefix.as_ref()).unwrap_or(name);
        format!("{}/{}", self.url, inner.trim_start_matches('/'))
    }

    fn fault(&self, error: &Error, what: &str) -> TransferError {
        let problem = format!("{what}: {}", words(error));
        let refused = |hint: &str| TransferError::Refused {
            place: self.url.clone(),
            problem: problem.clone(),
            hint: hint.to_owned(),
        };
        match error {
            Error::AlreadyExists { .. } | Error::Precondition { .. } => {
                TransferError::Exists(format!("{}/{what}", self.url))
            }
            Error::NotFound { .. } => refused("the bucket has to be there, and the endpoint right"),
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => refused(KEYS),
            _ if problem.contains("NoSuchBucket") => {
                refused("the bucket has to be there, and the endpoint right")
            }
            _ if problem.contains("certificate") => refused(
                "name its authority with `ca_file` in [[staging]] of the service's configuration, \
                 or trust any certificate with `verify_certificate = false`",
            ),
            _ => TransferError::Unreachable {
                place: self.url.clone(),
                problem,
            },
        }
    }

    /// Sends a file and gives its SHA-256.
    async fn send(
        &self,
        to: &Path,
        delivery: &Delivery,
        progress: &Progress,
    ) -> Result<String, TransferError> {
        let unreadable = |source| TransferError::Put {
            file: delivery.file.clone(),
            to: self.place(to).into(),
            source,
        };
        let name = &delivery.name;
        let size = delivery.file.metadata().map_err(unreadable)?.len();
        let mut source = Source::open(&delivery.file, &self.place(to), 0, true)?;
        if size <= PART as u64 {
            let mut bytes = Vec::new();
            while let Some(chunk) = source.next().await? {
                bytes.extend_from_slice(chunk);
            }
            let put = self.store.put_opts(to, bytes.into(), create()).await;
            put.map_err(|error| self.fault(&error, name))?;
        } else {
            let upload = self.store.put_multipart(to).await;
            let upload = upload.map_err(|error| self.fault(&error, name))?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
            let sent = self.send_parts(&mut parts, &mut source, name, progress);
            if let Err(error) = sent.await {
                // What was sent of it costs room until then.
                let _ = parts.abort().await;
                return Err(error);
            }
            let finished = parts.finish().await;
            finished.map_err(|error| self.fault(&error, name))?;
        }
        progress.at(size);
        source
            .sha256()
            .await
            .ok_or_else(|| unreadable(std::io::Error::other("it could not be read to its end")))
    }

    async fn send_parts(
        &self,
        parts: &mut WriteMultipart,
        source: &mut Source,
        name: &str,
        progress: &Progress,
    ) -> Result<(), TransferError> {
        let mut done = 0;
        loop {
            let room = parts.wait_for_capacity(PARTS).await;
            room.map_err(|error| self.fault(&error, name))?;
            let Some(chunk) = source.next().await? else {
                return Ok(());
            };
            done += chunk.len() as u64;
            parts.write(chunk);
            progress.at(done);
        }
    }

    /// The SHA-256 of an object; none when nobody may read it.
    async fn read_back(&self, object: &Path) -> Result<Option<String>, TransferError> {
        let name = object.as_ref();
        let size = match self.store.head(object).await {
            Ok(found) => found.size,
            Err(Error::PermissionDenied { .. }) => return Ok(None),
            Err(error) => return Err(self.fault(&error, name)),
        };
        let (mut hash, mut at) = (Sha256::new(), 0);
        while at < size {
            let end = (at + PART as u64).min(size);
            match self.store.get_range(object, at..end).await {
                Ok(bytes) => hash.update(&bytes),
                Err(Error::PermissionDenied { .. }) => return Ok(None),
                Err(error) => return Err(self.fault(&error, name)),
            }
            at = end;
        }
        Ok(Some(hex(&hash.finalize())))
    }

    async fn deliver(
        &self,
        to: &Path,
        delivery: &Delivery,
        progress: &Progress,
    ) -> Result<Checked, TransferError> {
        match self.store.head(to).await {
            Ok(_) => return Err(TransferError::Exists(self.place(to))),
            // Who may write may not always ask.
            Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => {}
            Err(error) => return Err(self.fault(&error, &delivery.name)),
        }
        let sent = self.send(to, delivery, progress).await?;
        let sha256 = delivery.sha256.as_ref().unwrap_or(&sent);
        if !self.read_back {
            return Ok(Checked::Size);
        }
        match self.read_back(to).await? {
            None => Ok(Checked::Size),
            Some(found) if found == *sha256 => Ok(Checked::Sha256),
            Some(found) => {
                let _ = self.store.delete(to).await;
                Err(TransferError::Corrupt {
                    place: self.place(to),
                    problem: format!("its SHA-256 is {found}, and not {sha256}"),
                })
            }
        }
    }
}

const KEYS: &str = "the keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from `user` \
                    and `password_file` in [[staging]] of the service's configuration";

fn create() -> PutOptions {
    PutOptions::from(PutMode::Create)
}

fn builder(
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

/// What happened, on one line.
fn words(error: &dyn std::error::Error) -> String {
    chain(error).replace(['\n', '\r'], " ")
}

#[async_trait]
impl Transfer for ObjectStaging {
    async fn check(&self) -> Result<(), TransferError> {
        let unique = jiff::Timestamp::now().as_nanosecond();
        let name = format!("fbs-check-{:x}-{unique:x}", std::process::id());
        let object = self.object(&name);
        let put = self.hasty.put_opts(&object, "fbs".into(), create()).await;
        put.map_err(|error| self.fault(&error, "writing"))?;
        let removed = self.hasty.delete(&object).await;
        removed.map_err(|error| self.fault(&error, &format!("removing {object}")))
    }

    async fn reserve(&self, name: &str) -> Result<String, TransferError> {
        for name in folder_names(name) {
            let mark = self.object(&format!("{name}/{MARK}"));
            match self.store.put_opts(&mark, "".into(), create()).await {
                Ok(_) => return Ok(name),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
                Err(error) => return Err(self.fault(&error, "writing")),
            }
        }
        Err(TransferError::Exists(self.address(name)))
    }

    fn address(&self, folder: &str) -> String {
        format!("{}/{folder}", self.url)
    }

    async fn put(
        &self,
        folder: &str,
        delivery: &Delivery,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<Delivered, TransferError> {
        let to = self.object(&format!("{folder}/{}", delivery.name));
        let checked = tokio::select! {
            checked = self.deliver(&to, delivery, progress) => checked?,
            () = cancel.cancelled() => return Err(TransferError::Cancelled),
        };
        Ok(Delivered {
            address: format!("{}/{}", self.address(folder), delivery.name),
            checked,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_and_the_objects_below_it() {
        let open = |url: &str| {
            let settings = StagingSettings {
                endpoint: Some("http://127.0.0.1:9/".parse().unwrap()),
                region: Some("us-east-1".to_owned()),
                ..StagingSettings::default()
            };
            ObjectStaging::open(&url.parse().unwrap(), &settings)
        };
        let staging = open("s3://images/nightly/43").unwrap();
        assert_eq!(
            staging.object("x/boot.iso").as_ref(),
            "nightly/43/x/boot.iso"
        );
        assert_eq!(staging.address("x"), "s3://images/nightly/43/x");
        let object = staging.object("x/boot.iso");
        assert_eq!(staging.place(&object), "s3://images/nightly/43/x/boot.iso");
        assert_eq!(open("s3://images").unwrap().object("x").as_ref(), "x");
        let error = open("s3://key:secret@images/").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
