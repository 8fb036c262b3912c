//! A job's transforms, in Connect's settings, before those of the connector.

use millrace_record::RawConfig;

use crate::transforms::list;

/// Names of a job's transforms and predicates begin with it, so that they are none of the connector's.
const PREFIX: &str = "redrive.";
const LISTS: [&str; 2] = ["transforms", "predicates"];

/// Whether a setting is one that a job may have.
pub fn is_one(key: &str) -> bool {
    LISTS.iter().any(|l| key == *l || key.strip_prefix(l).is_some_and(|rest| rest.starts_with('.')))
}

/// Puts a job's transforms before those of a configuration.
pub fn prepend(config: &mut RawConfig, own: &RawConfig) {
    for name in LISTS {
        let first = list(own.get(name)).into_iter().map(|alias| format!("{PREFIX}{alias}"));
        let all: Vec<String> = first.chain(list(config.get(name))).collect();
        if !all.is_empty() {
            config.insert(name.to_owned(), all.join(","));
        }
        for (key, value) in own {
            let Some(rest) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let names_predicate = name == LISTS[0] && rest.ends_with(".predicate");
            let value = if names_predicate { format!("{PREFIX}{}", value.trim()) } else { value.clone() };
            config.insert(format!("{name}.{PREFIX}{rest}"), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> RawConfig {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn they_come_first_and_disturb_none_of_the_connectors() {
        let mut all = config(&[("transforms", "a"), ("transforms.a.type", "X"), ("predicates", "p"), ("predicates.p.type", "P")]);
        let own = [("transforms", "a, b"), ("transforms.a.type", "Y"), ("transforms.a.predicate", "p"), ("predicates", "p")];
        prepend(&mut all, &config(&own));
        let get = |key: &str| all.get(key).map(String::as_str);
        assert_eq!(get("transforms"), Some("redrive.a,redrive.b,a"));
        assert_eq!((get("transforms.a.type"), get("transforms.redrive.a.type")), (Some("X"), Some("Y")));
        assert_eq!((get("transforms.redrive.a.predicate"), get("predicates")), (Some("redrive.p"), Some("redrive.p,p")));
        assert!(is_one("transforms.a.type") && is_one("predicates") && !is_one("transformsx") && !is_one("topics"));
        let mut none = config(&[]);
        prepend(&mut none, &config(&[]));
        assert!(none.is_empty());
    }
}
