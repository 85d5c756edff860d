//! The keys that signed RPMs are checked with.

use rpm::PackageMetadata;

use super::fault::RpmFault;

/// Public OpenPGP keys; an RPM is accepted when one of its signatures is by one of them.
///
/// Needs the cargo feature `signatures`: without it [`Keyring::from_armored`] refuses every key, so
/// that nobody believes a signature was checked that was not.
#[derive(Clone)]
pub struct Keyring {
    #[cfg(feature = "signatures")]
    verifier: std::sync::Arc<rpm::signature::pgp::Verifier>,
    #[cfg(not(feature = "signatures"))]
    never: std::convert::Infallible,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

/// Why keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// It is no key.
    #[error("no OpenPGP public key could be read: {0}")]
    NotAKey(String),
    /// The program cannot check signatures.
    #[error("this program was built without the feature `signatures`, so it cannot use a key")]
    NotBuilt,
}

impl Keyring {
    /// The keys in `text`, one or more `-----BEGIN PGP PUBLIC KEY BLOCK-----`.
    ///
    /// # Errors
    ///
    /// [`KeyringError`]
    #[cfg(feature = "signatures")]
    pub fn from_armored(text: &[u8]) -> Result<Self, KeyringError> {
        const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
        let text = std::str::from_utf8(text)
            .map_err(|_| KeyringError::NotAKey("it is not text".to_owned()))?;
        let mut verifier = rpm::signature::pgp::Verifier::new();
        // The crate reads the first block of a text only.
        let mut blocks = text.split(BEGIN).skip(1).peekable();
        if blocks.peek().is_none() {
            return Err(KeyringError::NotAKey(format!("there is no {BEGIN}")));
        }
        for block in blocks {
            verifier
                .load_from_asc(&format!("{BEGIN}{block}"))
                .map_err(|error| KeyringError::NotAKey(error.to_string()))?;
        }
        Ok(Self {
            verifier: std::sync::Arc::new(verifier),
        })
    }

    /// The keys in `text`, one or more `-----BEGIN PGP PUBLIC KEY BLOCK-----`.
    ///
    /// # Errors
    ///
    /// [`KeyringError::NotBuilt`]
    #[cfg(not(feature = "signatures"))]
    pub fn from_armored(_text: &[u8]) -> Result<Self, KeyringError> {
        Err(KeyringError::NotBuilt)
    }

    /// Whether one of the signatures over the main header is by one of the keys. The header in turn
    /// carries the payload's digest, so that this vouches for the whole file.
    #[cfg(feature = "signatures")]
    pub(super) fn check(&self, metadata: &PackageMetadata) -> Result<(), RpmFault> {
        let report = metadata
            .check_signatures(&*self.verifier)
            .map_err(|error| RpmFault::Signature(error.to_string()))?;
        if report.signatures.is_empty() {
            return Err(RpmFault::Unsigned);
        }
        report
            .into_result()
            .map_err(|error| RpmFault::Signature(error.to_string()))
    }

    #[cfg(not(feature = "signatures"))]
    pub(super) fn check(&self, _metadata: &PackageMetadata) -> Result<(), RpmFault> {
        match self.never {}
    }
}
