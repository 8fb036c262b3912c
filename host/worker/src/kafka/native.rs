//! What librdkafka itself says of a setting, by its own name.

use std::collections::HashMap;
use std::sync::LazyLock;

use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

fn set(name: &str, value: &str) -> Result<(), (RDKafkaConfRes, String)> {
    match ClientConfig::new().set(name, value).create_native_config() {
        Err(KafkaError::ClientConfig(kind, why, ..)) => Err((kind, why)),
        _ => Ok(()),
    }
}

/// Whether there is a setting of this name.
pub fn known(name: &str) -> bool {
    static KNOWN: LazyLock<Mutex<HashMap<String, bool>>> = LazyLock::new(Mutex::default);
    // Names come from configurations: whoever writes a million of them must not fill the memory.
    const REMEMBERED_MAX: usize = 10_000;
    if let Some(known) = KNOWN.lock().get(name) {
        return *known;
    }
    let known = !matches!(set(name, ""), Err((RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _)));
    let mut remembered = KNOWN.lock();
    if remembered.len() < REMEMBERED_MAX {
        remembered.insert(name.to_owned(), known);
    }
    known
}

/// Why it does not take the value of a setting that it knows.
pub fn refused(name: &str, value: &str) -> Option<String> {
    match set(name, value) {
        Err((RDKafkaConfRes::RD_KAFKA_CONF_INVALID, why)) => Some(why),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn librdkafka_knows_its_settings() {
        for name in ["linger.ms", "acks", "auto.offset.reset", "bootstrap.servers", "sasl.password"] {
            assert!(known(name), "{name}");
        }
        assert!(!known("sasl.kerberos.ticket.renew.jitter") && !known("no.such.setting"));
        assert!(refused("linger.ms", "soon").is_some() && refused("linger.ms", "5").is_none());
        assert!(refused("no.such.setting", "5").is_none());
    }
}
