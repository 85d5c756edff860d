//! TLS as a staging place wants it.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::{StagingSettings, TransferError};

/// The system's certificates, with those of `ca_file`.
///
/// # Errors
///
/// [`TransferError::Settings`] for certificates that cannot be read.
pub(super) fn config(settings: &StagingSettings) -> Result<ClientConfig, TransferError> {
    let provider = Arc::new(crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match settings.verify_certificate {
        Some(false) => Arc::new(AnyCertificate(Arc::clone(&provider))),
        _ => {
            let extra = certificates(settings)?;
            let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider));
            Arc::new(verifier.map_err(|error| settings.wrong(error.to_string()))?)
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| settings.wrong(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

fn certificates(settings: &StagingSettings) -> Result<Vec<CertificateDer<'static>>, TransferError> {
    let Some(file) = &settings.ca_file else {
        return Ok(Vec::new());
    };
    let wrong = |error: &dyn std::fmt::Display| {
        settings.wrong(format!("ca_file {}: {error}", file.display()))
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file)
        .map_err(|error| wrong(&error))?
        .collect();
    match found {
        Ok(found) if found.is_empty() => Err(wrong(&"there is no certificate in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(&error)),
    }
}

/// Takes whatever certificate comes, for `verify_certificate = false`; that its owner has the key
/// is checked all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
