//! TLS towards a registry: `schema.registry.ssl.*`, in PEM.

use std::fmt;

use millrace_record::convert::Settings;
use reqwest::{Certificate, Identity};

/// Whom the client trusts, and what it shows. Empty: the system's authorities, and nothing.
#[derive(Clone, Default)]
pub(super) struct Tls {
    pub trusted: Option<Vec<Certificate>>,
    pub identity: Option<Identity>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tls { trusted, identity } = self;
        f.debug_struct("Tls").field("trusted", &trusted.as_ref().map(Vec::len)).field("identity", &identity.is_some()).finish()
    }
}

const PREFIX: &str = "schema.registry.ssl.";

impl Tls {
    pub fn new(settings: &Settings<'_>, used: bool) -> Result<Self, String> {
        if !used {
            return Ok(Tls::default());
        }
        let key = |name: &str| format!("{PREFIX}{name}");
        for name in ["truststore.type", "keystore.type"] {
            if let Some(of) = settings.text(&key(name)).filter(|t| !t.eq_ignore_ascii_case("PEM")) {
                let remedy = "only PEM is read: export the store, as with openssl pkcs12 or keytool -exportcert -rfc";
                return Err(settings.wrong(&key(name), of, remedy));
            }
        }
        let trusted = pem(settings, &key("truststore.location"), &key("truststore.certificates"))?;
        let trusted = match trusted {
            None => None,
            Some((from, text)) => {
                let read = Certificate::from_pem_bundle(&text).ok().filter(|c| !c.is_empty());
                Some(read.ok_or_else(|| format!("Invalid value for configuration {from}: it holds no certificate in PEM"))?)
            }
        };
        let chain = pem(settings, &key("keystore.location"), &key("keystore.certificate.chain"))?;
        let identity = match chain {
            None => None,
            Some((from, mut text)) => {
                if let Some(private) = settings.text(&key("keystore.key")) {
                    text.push(b'\n');
                    text.extend_from_slice(private.as_bytes());
                }
                let remedy = "a certificate and its private key, not encrypted, are expected in PEM";
                Some(Identity::from_pem(&text).map_err(|_| format!("Invalid value for configuration {from}: {remedy}"))?)
            }
        };
        Ok(Tls { trusted, identity })
    }
}

/// What a file or a setting itself holds, and which of the two keys it was.
fn pem(settings: &Settings<'_>, file: &str, inline: &str) -> Result<Option<(String, Vec<u8>)>, String> {
    match (settings.text(inline), settings.text(file)) {
        (Some(text), _) => Ok(Some((inline.to_owned(), text.replace("\\n", "\n").into_bytes()))),
        (None, Some(path)) => match std::fs::read(path) {
            Ok(text) => Ok(Some((file.to_owned(), text))),
            Err(e) => Err(settings.wrong(file, path, &format!("cannot read it: {e}"))),
        },
        (None, None) => Ok(None),
    }
}
