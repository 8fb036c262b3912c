//! The definitions of the Java clients' settings, by which overrides are read: Connect's users know these names.

use std::collections::HashMap;
use std::sync::LazyLock;

use millrace_record::config::{ConfigKey, ConfigType, Default, Importance};

use super::client::ClientKind;

/// One setting a line: clients (p, c, a), name, type, importance, default.
const TABLE: &str = include_str!("client_keys.tsv");

type Keys = HashMap<&'static str, ConfigKey>;

/// None: the Java client has no such setting.
pub fn find(kind: ClientKind, name: &str) -> Option<&'static ConfigKey> {
    static KEYS: LazyLock<[Keys; 3]> = LazyLock::new(|| ClientKind::ALL.map(read));
    KEYS[kind as usize].get(name)
}

fn read(kind: ClientKind) -> Keys {
    let letter = &kind.name()[..1];
    let rows = TABLE.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').collect::<Vec<_>>());
    let keys = rows.filter_map(|row| {
        let [clients, name, class, importance, default] = row[..] else { return None };
        clients.contains(letter).then(|| (name, key(kind, name, class, importance, default)))
    });
    keys.collect()
}

fn key(kind: ClientKind, name: &str, class: &str, importance: &str, default: &str) -> ConfigKey {
    let class = match class {
        "BOOLEAN" => ConfigType::Boolean,
        "INT" => ConfigType::Int,
        "SHORT" => ConfigType::Short,
        "LONG" => ConfigType::Long,
        "DOUBLE" => ConfigType::Double,
        "LIST" => ConfigType::List,
        "CLASS" => ConfigType::Class,
        "PASSWORD" => ConfigType::Password,
        _ => ConfigType::String,
    };
    let importance = match importance {
        "HIGH" => Importance::High,
        "LOW" => Importance::Low,
        _ => Importance::Medium,
    };
    let default = match default {
        "!" => Default::Required,
        "-" => Default::Null,
        value => Default::Value(value.trim_start_matches('=').into()),
    };
    ConfigKey::new(name, class, default, importance, format!("A setting of the connector's Kafka {}.", kind.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_its_own() {
        let linger = find(ClientKind::Producer, "linger.ms").expect("known");
        assert_eq!((linger.kind, &linger.default), (ConfigType::Long, &Default::Value("5".into())));
        assert!(find(ClientKind::Consumer, "linger.ms").is_none());
        for kind in ClientKind::ALL {
            assert_eq!(find(kind, "sasl.jaas.config").expect("known").kind, ConfigType::Password);
        }
        let lines = TABLE.lines().filter(|l| !l.starts_with('#'));
        assert!(lines.clone().count() > 100 && lines.into_iter().all(|l| l.split('\t').count() == 5));
    }
}
