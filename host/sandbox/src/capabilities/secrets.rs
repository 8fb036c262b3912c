//! `secrets`: signs with passwords of the configuration, which stay here.

use hmac::{Hmac, KeyInit, Mac};
use millrace_record::config::ConfigType;
use sha2::{Sha256, Sha512};

use crate::bindings::secrets::Host;
use crate::bindings::types::{Error, ErrorKind};
use crate::state::{Owner, State};
use crate::wit::error;

/// The value of a key of type PASSWORD. The error's code is `capability` and `no-such-secret`.
pub(crate) fn password<'a>(owner: &'a Owner, capability: &str, key: &str) -> Result<&'a str, Error> {
    let code = format!("{capability}.no-such-secret");
    if !owner.keys.get(key).is_some_and(|k| k.kind == ConfigType::Password) {
        let shown = &key[..key.floor_char_boundary(100)];
        let message = format!("plugin \"{}\" declares no key {shown:?} of type PASSWORD", owner.plugin);
        return Err(error::new(ErrorKind::Fatal, code, message));
    }
    match owner.settings.real(key) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(error::config(&code, Some(key), format!("\"{key}\" is not set: give the secret to use"))),
    }
}

fn mac<M: Mac + KeyInit>(owner: &Owner, key: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    let secret = password(owner, "secrets", key)?;
    let mut mac = <M as KeyInit>::new_from_slice(secret.as_bytes()).expect("a key of HMAC has any length");
    mac.update(data);
    Ok(mac.finalize().into_bytes().to_vec())
}

impl Host for State {
    fn is_set(&mut self, key: String) -> wasmtime::Result<bool> {
        Ok(password(&self.owner, "secrets", &key).is_ok())
    }

    fn hmac_sha256(&mut self, key: String, data: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        Ok(mac::<Hmac<Sha256>>(&self.owner, &key, &data))
    }

    fn hmac_sha512(&mut self, key: String, data: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        Ok(mac::<Hmac<Sha512>>(&self.owner, &key, &data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use millrace_record::RawConfig;
    use millrace_record::config::{ConfigDef, ConfigKey, Default as Given, Importance};

    fn owner(config: &[(&str, &str)]) -> Owner {
        let key = |name: &str, kind| ConfigKey::new(name.to_owned(), kind, Given::Null, Importance::Low, "");
        let keys = ConfigDef { keys: vec![key("api.key", ConfigType::Password), key("name", ConfigType::String)] };
        let config: RawConfig = config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Owner { settings: Settings::new(&config, &keys, &[]), keys, ..Owner::nobody("test".into()) }
    }

    #[test]
    fn what_is_signed_is_what_others_sign() {
        let owner = owner(&[("api.key", "Jefe"), ("name", "n")]);
        let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        // The second case of RFC 4231.
        let data = b"what do ya want for nothing?";
        let signed = hex(mac::<Hmac<Sha256>>(&owner, "api.key", data).unwrap());
        assert_eq!(signed, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let signed = hex(mac::<Hmac<Sha512>>(&owner, "api.key", data).unwrap());
        assert!(signed.starts_with("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"), "{signed}");
    }

    #[test]
    fn only_passwords_are_secrets() {
        let refused = |owner: &Owner, key: &str| mac::<Hmac<Sha256>>(owner, key, b"").unwrap_err();
        let fatal = refused(&owner(&[("name", "n")]), "name");
        assert_eq!((fatal.kind, fatal.code.as_str()), (ErrorKind::Fatal, "secrets.no-such-secret"));
        let unset = refused(&owner(&[]), "api.key");
        assert_eq!((unset.kind, unset.field.as_deref()), (ErrorKind::Config, Some("api.key")));
    }
}
