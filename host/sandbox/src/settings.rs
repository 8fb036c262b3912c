//! A task's configuration as the plugin may see it: secrets stay with the host.

use millrace_record::config::{ConfigDef, ConfigType};
use millrace_record::{Binding, RawConfig};

/// What a plugin reads in place of a secret.
pub(crate) const HIDDEN: &str = "[hidden]";

/// The configuration of a task, and what of it is hidden.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    real: RawConfig,
    shown: RawConfig,
}

impl Settings {
    pub fn new(config: &RawConfig, keys: &ConfigDef, bindings: &[Binding]) -> Self {
        let part = |key: &str, part: &str| bindings.iter().any(|b| b.parts.iter().any(|(p, k)| p == part && k == key));
        let shown = config
            .iter()
            .map(|(k, v)| {
                let secret = keys.get(k).is_some_and(|d| d.kind == ConfigType::Password) || part(k, "password");
                let value = match (secret, part(k, "url")) {
                    (true, _) if !v.is_empty() => HIDDEN.to_owned(),
                    (_, true) => without_password(v),
                    _ => v.clone(),
                };
                (k.clone(), value)
            })
            .collect();
        Settings { real: config.clone(), shown }
    }

    /// What the plugin sees, as it was given.
    pub fn shown(&self) -> &RawConfig {
        &self.shown
    }
    /// What was written; only capabilities read it.
    pub fn real(&self, key: &str) -> Option<&str> {
        self.real.get(key).map(String::as_str)
    }
    /// Puts secrets back into a configuration that the plugin made out of what it saw.
    pub fn reveal(&self, config: Vec<(String, String)>) -> RawConfig {
        let restore = |(k, v): (String, String)| {
            let v = match self.shown.get(&k) {
                Some(shown) if *shown == v => self.real[&k].clone(),
                _ => v,
            };
            (k, v)
        };
        config.into_iter().map(restore).collect()
    }
}

/// A connection URL with its password hidden.
fn without_password(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    let mut rest = url;
    if let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        rest = tail;
        let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
        if let Some((user, _)) = authority.rsplit_once('@') {
            out.push_str(user.split_once(':').map_or(user, |(name, _)| name));
            if user.contains(':') {
                out.push(':');
                out.push_str(HIDDEN);
            }
            rest = &rest[user.len()..];
        }
    }
    let Some((path, query)) = rest.split_once('?') else {
        out.push_str(rest);
        return out;
    };
    out.push_str(path);
    for (i, pair) in query.split('&').enumerate() {
        out.push(if i == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if name.to_ascii_lowercase().contains("password") => {
                out.push_str(name);
                out.push('=');
                out.push_str(HIDDEN);
            }
            _ => out.push_str(pair),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_hidden() {
        let check = |url: &str, expected: &str| assert_eq!(without_password(url), expected);
        check("postgresql://me:s3cret@db:5432/shop?sslmode=require", "postgresql://me:[hidden]@db:5432/shop?sslmode=require");
        check("jdbc:postgresql://db/shop?user=me&password=s3cret&x=1", "jdbc:postgresql://db/shop?user=me&password=[hidden]&x=1");
        check("postgresql://me@db/shop", "postgresql://me@db/shop");
        check("postgresql://me:p@ss@db/shop", "postgresql://me:[hidden]@db/shop");
        check("nonsense", "nonsense");
    }

    #[test]
    fn secrets_come_back_in_task_configurations() {
        let binding = Binding {
            name: "db".into(),
            capability: "postgres".into(),
            parts: vec![("password".into(), "database.password".into()), ("host".into(), "database.hostname".into())],
        };
        let config = RawConfig::from([
            ("database.password".to_owned(), "s3cret".to_owned()),
            ("database.hostname".to_owned(), "db".to_owned()),
        ]);
        let settings = Settings::new(&config, &ConfigDef::default(), &[binding]);
        assert_eq!(settings.shown()["database.password"], HIDDEN);
        assert_eq!(settings.shown()["database.hostname"], "db");
        let task = settings.shown().clone().into_iter().chain([("task.id".to_owned(), "0".to_owned())]).collect();
        let task = settings.reveal(task);
        assert_eq!((task["database.password"].as_str(), task["task.id"].as_str()), ("s3cret", "0"));
    }
}
