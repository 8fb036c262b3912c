//! Signatures of uploaded components, against the public keys that a worker is told to trust (`plugin.upload.keys`).
//!
//! A key is a PEM file `-----BEGIN PUBLIC KEY-----` of Ed25519 or ECDSA on P-256, as `openssl` and `cosign` write them. A signature is
//! over the bytes of the component: for ECDSA in DER with SHA-256, which is what `cosign sign-blob` and `openssl dgst -sha256 -sign`
//! make; for Ed25519 the 64 bytes of `openssl pkeyutl -sign -rawin`. It is sent in base 64.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};

/// What stands before the point of a key on P-256 in its `SubjectPublicKeyInfo` (RFC 5480), and before the 32 bytes of an Ed25519
/// key in its own (RFC 8410).
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00,
];
const EDWARDS: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key that uploads may be signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The file that it was read from.
    pub name: String,
    edwards: bool,
    key: Vec<u8>,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.name)
    }
}

impl PublicKey {
    /// Reads a PEM file.
    pub fn read(file: &str) -> Result<PublicKey, String> {
        let text = std::fs::read_to_string(Path::new(file)).map_err(|e| format!("cannot read {file}: {e}"))?;
        PublicKey::parse(file, &text)
    }

    fn parse(name: &str, pem: &str) -> Result<PublicKey, String> {
        let wrong = || format!("{name} is no public key of Ed25519 or of ECDSA on P-256 in PEM (\"-----BEGIN PUBLIC KEY-----\")");
        let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----").ok_or_else(wrong)?;
        let (body, _) = rest.split_once("-----END PUBLIC KEY-----").ok_or_else(wrong)?;
        let der: String = body.split_ascii_whitespace().collect();
        let der = BASE64_STANDARD.decode(der).map_err(|_| wrong())?;
        let (edwards, key) = match (der.strip_prefix(&P256), der.strip_prefix(&EDWARDS)) {
            (Some(key), _) if key.len() == 65 => (false, key),
            (_, Some(key)) if key.len() == 32 => (true, key),
            _ => return Err(wrong()),
        };
        Ok(PublicKey { name: name.to_owned(), edwards, key: key.to_vec() })
    }

    fn signed(&self, component: &[u8], signature: &[u8]) -> bool {
        let by: &'static dyn VerificationAlgorithm = if self.edwards { &ED25519 } else { &ECDSA_P256_SHA256_ASN1 };
        UnparsedPublicKey::new(by, &self.key).verify(component, signature).is_ok()
    }
}

/// The key that a component is signed with; none: it is none of these. `signature`: base 64.
pub fn signer<'k>(keys: &'k [PublicKey], component: &[u8], signature: &str) -> Result<Option<&'k PublicKey>, String> {
    let text: String = signature.split_ascii_whitespace().collect();
    let bytes = BASE64_STANDARD.decode(text).map_err(|e| format!("the signature is not base 64: {e}"))?;
    Ok(keys.iter().find(|key| key.signed(component, &bytes)))
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

    use super::*;

    fn pem(prefix: &[u8], key: &[u8]) -> String {
        let body = BASE64_STANDARD.encode([prefix, key].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &body[..40], &body[40..])
    }

    #[test]
    fn both_sorts_of_keys_are_told_apart() {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let ecdsa = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let edwards = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap();
        let keys = [
            PublicKey::parse("a.pem", &pem(&P256, ecdsa.public_key().as_ref())).unwrap(),
            PublicKey::parse("b.pem", &pem(&EDWARDS, edwards.public_key().as_ref())).unwrap(),
        ];
        let by = |component: &[u8], signature: &[u8]| {
            let signature = BASE64_STANDARD.encode(signature);
            signer(&keys, component, &signature).unwrap().map(|k| k.name.clone())
        };
        let signed = ecdsa.sign(&random, b"component").unwrap();
        assert_eq!(by(b"component", signed.as_ref()).as_deref(), Some("a.pem"));
        assert_eq!(by(b"Component", signed.as_ref()), None);
        assert_eq!(by(b"component", edwards.sign(b"component").as_ref()).as_deref(), Some("b.pem"));
        assert_eq!(by(b"component", b""), None);
        assert!(signer(&keys, b"component", "%").unwrap_err().contains("base 64"));
    }

    #[test]
    fn what_is_no_key_is_told() {
        for text in ["", "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----", &pem(&EDWARDS, &[0; 31])] {
            assert!(PublicKey::parse("k.pem", text).unwrap_err().contains("k.pem is no public key"), "{text}");
        }
        assert!(PublicKey::read("/none/such.pem").unwrap_err().contains("cannot read /none/such.pem"));
    }
}
