//! Values of configuration keys of type PASSWORD, which a plugin uses by the key and never reads: here to sign, in
//! [`crate::http`] as a header, in [`crate::redis`] and [`crate::postgres`] by a binding.
//!
//! These calls exist only inside the host.

use crate::Error;
#[cfg(target_arch = "wasm32")]
use crate::bindings::host::millrace::plugin::secrets as host;

/// Whether the key is of type PASSWORD and set.
#[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
pub fn is_set(key: &str) -> bool {
    #[cfg(target_arch = "wasm32")]
    return host::is_set(key);
    #[cfg(not(target_arch = "wasm32"))]
    false
}

/// HMAC of `data` with the secret as the key, by SHA-256: 32 bytes.
#[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
pub fn hmac_sha256(key: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    #[cfg(target_arch = "wasm32")]
    return host::hmac_sha256(key, data);
    #[cfg(not(target_arch = "wasm32"))]
    Err(outside())
}

/// By SHA-512: 64 bytes.
#[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
pub fn hmac_sha512(key: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    #[cfg(target_arch = "wasm32")]
    return host::hmac_sha512(key, data);
    #[cfg(not(target_arch = "wasm32"))]
    Err(outside())
}

#[cfg(not(target_arch = "wasm32"))]
fn outside() -> Error {
    Error::fatal("secrets.unavailable", "there is no host that has the secret: secrets work inside the host only")
}
