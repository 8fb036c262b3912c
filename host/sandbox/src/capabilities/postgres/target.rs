//! Where a binding leads: host, database, user and the rest, out of the configuration keys that it names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::bindings::types::{Error, ErrorKind};
use crate::state::Owner;
use crate::wit::error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// PostgreSQL's own modes: from `Require` on, a connection without TLS is refused; the certificate is checked from
/// `VerifyCa` on, its name with `VerifyFull`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// A server, a database and how to get in.
#[derive(Debug)]
pub(super) struct Target {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Option<Secret>,
    pub database: String,
    pub sslmode: SslMode,
    pub sslrootcert: Option<String>,
    pub sslcert: Option<PathBuf>,
    pub sslkey: Option<PathBuf>,
    pub application_name: String,
    pub connect_timeout: Duration,
    pub schema: Option<String>,
    /// The configuration key behind each part, for messages.
    keys: BTreeMap<String, String>,
}

/// Prints as `[hidden]`.
pub(super) struct Secret(String);

impl Secret {
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(crate::settings::HIDDEN)
    }
}

impl Target {
    /// The target of the binding `name`.
    pub fn of(owner: &Owner, name: &str) -> Result<Target, Error> {
        let Some(binding) = owner.binding(name, "postgres") else {
            return Err(error::new(
                ErrorKind::Fatal,
                "postgres.no-such-binding",
                format!("plugin \"{}\" declares no binding \"{name}\" of the capability \"postgres\"", owner.plugin),
            ));
        };
        let keys: BTreeMap<String, String> = binding.parts.iter().cloned().collect();
        let given = |part: &str| {
            let key = keys.get(part)?;
            let value = owner.settings.real(key).or_else(|| owner.keys.value(owner.settings.shown(), key))?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let mut parts = match given("url") {
            Some(url) => from_url(&url).map_err(|what| {
                let key = &keys["url"];
                error::config("postgres.bad-url", Some(key), format!("\"{key}\" is not a URL of PostgreSQL: {what}; give postgresql://host:port/database or jdbc:postgresql://host:port/database"))
            })?,
            None => BTreeMap::new(),
        };
        for part in ["host", "port", "user", "password", "database", "sslmode", "sslrootcert", "sslcert", "sslkey"] {
            if let Some(value) = given(part) {
                parts.insert(part.into(), value);
            }
        }
        let application = match owner.connector.as_str() {
            "" => "millrace".to_owned(),
            connector => format!("millrace {connector}-{}", owner.task),
        };
        Target::new(parts, keys, application)
    }

    fn new(mut parts: BTreeMap<String, String>, keys: BTreeMap<String, String>, application: String) -> Result<Target, Error> {
        let key = |part: &str| keys.get(part).or_else(|| keys.get("url")).map(String::as_str);
        let wrong = |part: &str, value: &str, want: &str| {
            let named = key(part).unwrap_or(part);
            error::config("postgres.bad-setting", key(part), format!("\"{named}\" is \"{value}\": {want}"))
        };
        let port = match parts.remove("port") {
            None => 5432,
            Some(p) => p.trim().parse().map_err(|_| wrong("port", &p, "give a port number, such as 5432"))?,
        };
        let sslmode = match parts.remove("sslmode").as_deref() {
            Some("disable" | "allow") => SslMode::Disable,
            None | Some("prefer") => SslMode::Prefer,
            Some("require") if parts.contains_key("sslrootcert") => SslMode::VerifyCa,
            Some("require") => SslMode::Require,
            Some("verify-ca") => SslMode::VerifyCa,
            Some("verify-full") => SslMode::VerifyFull,
            Some(other) => {
                return Err(wrong("sslmode", other, "give one of disable, allow, prefer, require, verify-ca, verify-full"));
            }
        };
        let Some(user) = parts.remove("user") else {
            return Err(error::config(
                "postgres.no-user",
                key("user"),
                format!("no user for PostgreSQL: set \"{}\"", key("user").unwrap_or("user")),
            ));
        };
        let seconds = parts.remove("connect_timeout").and_then(|t| t.parse().ok()).filter(|t| *t > 0);
        Ok(Target {
            host: parts.remove("host").unwrap_or_else(|| "localhost".into()),
            port,
            database: parts.remove("database").unwrap_or_else(|| user.clone()),
            user,
            password: parts.remove("password").map(Secret),
            sslmode,
            sslrootcert: parts.remove("sslrootcert"),
            sslcert: parts.remove("sslcert").map(PathBuf::from),
            sslkey: parts.remove("sslkey").map(PathBuf::from),
            application_name: parts.remove("application_name").unwrap_or(application),
            connect_timeout: seconds.map_or(CONNECT_TIMEOUT, Duration::from_secs),
            schema: parts.remove("schema"),
            keys,
        })
    }

    /// The configuration key of a part, or of the URL that held it.
    pub fn key(&self, part: &str) -> Option<&str> {
        self.keys.get(part).or_else(|| self.keys.get("url")).map(String::as_str)
    }

    /// The key in quotes, for a message.
    pub fn quoted(&self, part: &str) -> String {
        format!("\"{}\"", self.key(part).unwrap_or(part))
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgreSQL at {}:{}/{}", self.host, self.port, self.database)
    }
}

/// The parts of a URL in libpq's or JDBC's form.
fn from_url(url: &str) -> Result<BTreeMap<String, String>, &'static str> {
    let url = url.strip_prefix("jdbc:").unwrap_or(url);
    let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://")).ok_or("it has another scheme")?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (userinfo, host) = authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u), h));
    if host.contains(',') {
        return Err("it names several hosts");
    }
    let mut parts = BTreeMap::new();
    let mut put = |part: &str, value: &str| -> Result<(), &'static str> {
        if !value.is_empty() {
            parts.insert(part.to_owned(), decoded(value)?);
        }
        Ok(())
    };
    if let Some(userinfo) = userinfo {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        put("user", user)?;
        put("password", password)?;
    }
    let (host, port) = match host.strip_prefix('[') {
        Some(v6) => {
            let (host, port) = v6.split_once(']').ok_or("its host lacks a \"]\"")?;
            (host, port.strip_prefix(':').unwrap_or(""))
        }
        None => host.split_once(':').unwrap_or((host, "")),
    };
    put("host", host)?;
    put("port", port)?;
    put("database", database)?;
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "user" | "password" | "sslmode" | "sslrootcert" | "sslcert" | "sslkey" | "host" | "port" | "connect_timeout"
            | "application_name" => put(name, value)?,
            "dbname" => put("database", value)?,
            "ssl" if value != "false" => put("sslmode", "verify-full")?,
            "connectTimeout" => put("connect_timeout", value)?,
            "ApplicationName" => put("application_name", value)?,
            "currentSchema" => put("schema", value)?,
            _ => tracing::debug!(parameter = name, "parameter of a PostgreSQL URL has no meaning here"),
        }
    }
    Ok(parts)
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let bytes = text.as_bytes();
    let (mut out, mut i) = (Vec::with_capacity(bytes.len()), 0);
    while i < bytes.len() {
        if bytes[i] == b'%' {
            let hex = bytes.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok());
            out.push(
                hex.and_then(|h| u8::from_str_radix(h, 16).ok()).ok_or("a \"%\" is not followed by two hexadecimal digits")?,
            );
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8(out).map_err(|_| "it is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: &[(&str, &str)]) {
        let parts = from_url(url).unwrap();
        let parts: Vec<_> = parts.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(parts, expected, "{url}");
    }

    #[test]
    fn urls() {
        check(
            "postgresql://me:p%40ss@db:5433/shop?sslmode=require",
            &[
                ("database", "shop"),
                ("host", "db"),
                ("password", "p@ss"),
                ("port", "5433"),
                ("sslmode", "require"),
                ("user", "me"),
            ],
        );
        check(
            "jdbc:postgresql://db/shop?user=me&ssl=true&loginTimeout=3",
            &[("database", "shop"), ("host", "db"), ("sslmode", "verify-full"), ("user", "me")],
        );
        check("postgres://[::1]:5432/", &[("host", "::1"), ("port", "5432")]);
        assert!(from_url("mysql://db/shop").is_err());
        assert!(from_url("postgresql://a,b/shop").is_err());
        assert!(from_url("postgresql://a%zz/shop").is_err());
    }

    #[test]
    fn wrong_settings_are_named() {
        let parts =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<BTreeMap<_, _>>();
        let keys = parts(&[("port", "database.port"), ("sslmode", "database.sslmode"), ("user", "database.user")]);
        let check = |given: &[(&str, &str)], field: &str, message: &str| {
            let e = Target::new(parts(given), keys.clone(), String::new()).unwrap_err();
            assert_eq!((e.field.as_deref(), e.message.as_str()), (Some(field), message));
        };
        check(
            &[("user", "x"), ("port", "many")],
            "database.port",
            "\"database.port\" is \"many\": give a port number, such as 5432",
        );
        check(&[], "database.user", "no user for PostgreSQL: set \"database.user\"");
        check(
            &[("user", "x"), ("sslmode", "on")],
            "database.sslmode",
            "\"database.sslmode\" is \"on\": give one of disable, allow, prefer, require, verify-ca, verify-full",
        );
    }
}
