//! Where a binding leads, out of the configuration keys that it names.

use std::collections::BTreeMap;

use reqwest::Url;

use crate::bindings::types::{Error, ErrorKind};
use crate::settings::HIDDEN;
use crate::state::Owner;
use crate::wit::error;

const PORT: u16 = 6379;

/// A server, a database and how to get in.
pub(super) struct Target {
    pub host: String,
    pub port: u16,
    pub user: Option<String>,
    pub password: Option<String>,
    pub database: u32,
    pub tls: bool,
    /// A file of certificates in PEM that are trusted in place of the system's.
    pub cafile: Option<String>,
    /// The configuration key behind each part, for messages.
    keys: BTreeMap<String, String>,
}

impl Target {
    /// The target of the binding `name`.
    pub fn of(owner: &Owner, name: &str) -> Result<Target, Error> {
        let Some(binding) = owner.binding(name, "redis") else {
            return Err(error::new(
                ErrorKind::Fatal,
                "redis.no-such-binding",
                format!("plugin \"{}\" declares no binding {name:?} of the capability \"redis\"", owner.plugin),
            ));
        };
        let keys: BTreeMap<String, String> = binding.parts.iter().cloned().collect();
        let given = |part: &str| {
            let key = keys.get(part)?;
            let value = owner.settings.real(key).or_else(|| owner.keys.value(owner.settings.shown(), key))?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        Target::new(given, keys.clone())
    }

    fn new(given: impl Fn(&str) -> Option<String>, keys: BTreeMap<String, String>) -> Result<Target, Error> {
        let mut target = Target {
            host: "localhost".into(),
            port: PORT,
            user: None,
            password: None,
            database: 0,
            tls: false,
            cafile: None,
            keys,
        };
        if let Some(url) = given("url") {
            target.take(&url).map_err(|what| {
                let key = target.key("url");
                error::config(
                    "redis.bad-url",
                    Some(key),
                    format!("\"{key}\" is not a URL of Redis: {what}; give redis://host:port/database, or rediss:// for TLS"),
                )
            })?;
        }
        let wrong = |part: &str, value: &str, want: &str| {
            let key = target.key(part).to_owned();
            error::config("redis.bad-setting", Some(&key), format!("\"{key}\" is \"{value}\": {want}"))
        };
        let port = given("port").map(|p| p.parse().map_err(|_| wrong("port", &p, "give a port number, such as 6379")));
        let database =
            given("database").map(|d| d.parse().map_err(|_| wrong("database", &d, "give the number of a database, such as 0")));
        let tls = given("tls").map(|t| match t.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wrong("tls", &t, "give true or false")),
        });
        let (port, database, tls) = (port.transpose()?, database.transpose()?, tls.transpose()?);
        target.host = given("host").unwrap_or(target.host);
        target.port = port.unwrap_or(target.port);
        target.user = given("user").or(target.user);
        target.password = given("password").or(target.password);
        target.database = database.unwrap_or(target.database);
        target.tls = tls.unwrap_or(target.tls);
        target.cafile = given("cafile");
        Ok(target)
    }

    fn take(&mut self, text: &str) -> Result<(), String> {
        let url = Url::parse(text).map_err(|e| e.to_string())?;
        self.tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            other => return Err(format!("its scheme is {other:?}")),
        };
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8()
                .map(|t| t.into_owned())
                .map_err(|_| "it is not UTF-8".to_owned())
        };
        self.host = url.host_str().filter(|h| !h.is_empty()).ok_or("it names no host")?.trim_matches(['[', ']']).to_owned();
        self.port = url.port().unwrap_or(PORT);
        if !url.username().is_empty() {
            self.user = Some(decoded(url.username())?);
        }
        self.password = url.password().map(decoded).transpose()?;
        let database = url.path().trim_matches('/');
        if !database.is_empty() {
            self.database = database.parse().map_err(|_| format!("its database {database:?} is no number"))?;
        }
        match url.query() {
            None => Ok(()),
            Some(_) => Err("it has parameters, of which none is known".into()),
        }
    }

    #[cfg(test)]
    pub fn for_tests(host: &str, port: u16) -> Target {
        let keys = ["host", "port", "user", "password", "database"].map(|p| (p.to_owned(), format!("redis.{p}")));
        Target { port, ..Target::new(|part| (part == "host").then(|| host.to_owned()), keys.into()).expect("right settings") }
    }

    /// The configuration key of a part, or of the URL that held it.
    pub fn key(&self, part: &str) -> &str {
        self.keys.get(part).or_else(|| self.keys.get("url")).map_or("the binding of Redis", String::as_str)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redis at {}:{}", self.host, self.port)
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}/{} user {:?} password {HIDDEN} tls {}", self.database, self.user, self.tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(parts: &[(&str, &str)]) -> Result<Target, Error> {
        let keys = ["url", "host", "port", "user", "password", "database", "tls"].map(|p| (p.to_owned(), format!("redis.{p}")));
        Target::new(|part| parts.iter().find(|(p, _)| *p == part).map(|(_, v)| (*v).to_owned()), keys.into())
    }

    #[test]
    fn parts_and_urls() {
        let check = |parts: &[(&str, &str)], expected: (&str, u16, Option<&str>, Option<&str>, u32, bool)| {
            let t = target(parts).unwrap();
            assert_eq!((t.host.as_str(), t.port, t.user.as_deref(), t.password.as_deref(), t.database, t.tls), expected);
        };
        check(&[], ("localhost", 6379, None, None, 0, false));
        check(&[("url", "redis://r1")], ("r1", 6379, None, None, 0, false));
        check(&[("url", "rediss://me:p%40ss@[::1]:7000/3")], ("::1", 7000, Some("me"), Some("p@ss"), 3, true));
        check(&[("url", "redis://:pw@r1/"), ("port", "7001"), ("database", "2")], ("r1", 7001, None, Some("pw"), 2, false));
        check(&[("host", "r2"), ("password", "x"), ("tls", "TRUE")], ("r2", 6379, None, Some("x"), 0, true));
    }

    #[test]
    fn wrong_settings_are_named() {
        let check = |part: &str, value: &str| {
            let error = target(&[(part, value)]).unwrap_err();
            let key = format!("redis.{part}");
            assert_eq!(error.field.as_deref(), Some(key.as_str()));
            assert!(error.message.contains(&format!("\"{key}\"")), "{}", error.message);
        };
        check("url", "http://r1");
        check("url", "r1:6379");
        check("url", "redis://r1/x");
        check("url", "redis://r1/0?db=1");
        check("port", "many");
        check("database", "-1");
        check("tls", "yes");
    }
}
