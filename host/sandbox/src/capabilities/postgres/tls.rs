//! TLS as PostgreSQL's `sslmode` means it.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::target::{SslMode, Target};
use crate::bindings::types::Error;
use crate::wit::error;

/// Where systems keep the certificates they trust.
pub(in crate::capabilities) const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// How TLS is spoken with a target.
pub(super) fn connector(target: &Target) -> Result<TlsConnector, Error> {
    let provider = Arc::new(ring::default_provider());
    let wrong = |part: &str, what: String| {
        error::config("postgres.tls", target.key(part), format!("{what}; check {}", target.quoted(part)))
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong("sslmode", format!("cannot set up TLS: {e}")))?;
    let verifier: Arc<dyn ServerCertVerifier> = if target.sslmode < SslMode::VerifyCa {
        Arc::new(Unchecked(provider))
    } else {
        let trusted = trusted(target).map_err(|e| wrong("sslrootcert", e))?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|e| wrong("sslrootcert", format!("cannot use the trusted certificates: {e}")))?;
        Arc::new(Checked { inner, trusted, name: target.sslmode == SslMode::VerifyFull })
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let config = match (&target.sslcert, &target.sslkey) {
        (Some(cert), Some(key)) => {
            let chain = certificates(&cert.to_string_lossy()).map_err(|e| wrong("sslcert", e))?;
            let key = private_key(&key.to_string_lossy()).map_err(|e| wrong("sslkey", e))?;
            builder.with_client_auth_cert(chain, key).map_err(|e| wrong("sslcert", format!("cannot use it: {e}")))?
        }
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) => return Err(wrong("sslkey", "a client certificate needs its key".into())),
        (None, Some(_)) => return Err(wrong("sslcert", "a client key needs its certificate".into())),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn trusted(target: &Target) -> Result<Vec<CertificateDer<'static>>, String> {
    let file = match target.sslrootcert.as_deref() {
        Some("system") | None => SYSTEM_ROOTS
            .into_iter()
            .find(|f| std::path::Path::new(f).exists())
            .ok_or("the system has no file of trusted certificates")?,
        Some(file) => file,
    };
    let trusted = certificates(file)?;
    if trusted.is_empty() { Err(format!("{file} holds no certificate")) } else { Ok(trusted) }
}

pub(in crate::capabilities) fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = std::fs::read(file).map_err(|e| format!("cannot read {file}: {e}"))?;
    rustls_pemfile::certs(&mut &pem[..]).collect::<Result<_, _>>().map_err(|e| format!("{file} is not PEM: {e}"))
}

fn private_key(file: &str) -> Result<PrivateKeyDer<'static>, String> {
    let pem = std::fs::read(file).map_err(|e| format!("cannot read {file}: {e}"))?;
    match rustls_pemfile::private_key(&mut &pem[..]) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err(format!("{file} holds no private key in PEM")),
        Err(e) => Err(format!("{file} is not PEM: {e}")),
    }
}

/// `prefer` and `require`: encrypted, but whoever answers is believed.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// `verify-ca` and `verify-full`. As with libpq, a server's own certificate may itself be the one that is trusted.
#[derive(Debug)]
struct Checked {
    inner: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
    /// The name is checked as well.
    name: bool,
}

impl ServerCertVerifier for Checked {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.trusted.iter().any(|t| t.as_ref() == cert.as_ref()) {
            if self.name {
                verify_server_name(&ParsedCertificate::try_from(cert)?, name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        match self.inner.verify_server_cert(cert, chain, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
