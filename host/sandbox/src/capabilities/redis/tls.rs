//! TLS to a server whose certificate and name are checked.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::failure;
use super::target::Target;
use crate::bindings::types::Error;
use crate::capabilities::postgres::tls::{SYSTEM_ROOTS, certificates};

pub(super) async fn handshake(target: &Target, socket: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
    let file = match &target.cafile {
        Some(file) => file.as_str(),
        None => SYSTEM_ROOTS
            .into_iter()
            .find(|f| std::path::Path::new(f).exists())
            .ok_or_else(|| failure::tls(target, "cafile", "the system has no file of trusted certificates"))?,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(file).map_err(|e| failure::tls(target, "cafile", e))?);
    if roots.is_empty() {
        return Err(failure::tls(target, "cafile", format_args!("{file} holds no certificate")));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| failure::tls(target, "tls", e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| failure::tls(target, "host", "its host is not a name that TLS can check"))?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(|e| {
        if e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
            failure::tls(target, "tls", e)
        } else {
            failure::lost(target, &e)
        }
    })
}
