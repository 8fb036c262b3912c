//! Where settings are written: a file, then the environment, then the command line; later ones win.

use std::path::{Path, PathBuf};

use millrace_record::RawConfig;

use super::properties;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read the worker's settings from {file}: {source}; check the path behind \"millrace run\"")]
    Io { file: PathBuf, source: std::io::Error },
    #[error("cannot read the worker's settings from {file}: {source}")]
    Malformed { file: PathBuf, source: properties::Malformed },
    #[error("--set {0}: write it as --set key=value")]
    Set(String),
}

/// Variables that the common images, or Kubernetes beside a service named "connect", give meanings of their own.
const NOT_SETTINGS: &[&str] = &[
    "CONNECT_LOG4J_",
    "CONNECT_HEAP_OPTS",
    "CONNECT_JVM_",
    "CONNECT_KAFKA_",
    "CONNECT_CUB_",
    "CONNECT_HOST",
    "CONNECT_SERVICE_",
    "CONNECT_PORT_",
];
/// The images' name for our `log.level`.
const ROOT_LEVEL: &str = "CONNECT_LOG4J_ROOT_LOGLEVEL";

/// All settings as written.
pub fn read(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    sets: &[String],
) -> Result<RawConfig, ReadError> {
    let mut settings = RawConfig::new();
    if let Some(file) = file {
        let bytes = std::fs::read(file).map_err(|source| ReadError::Io { file: file.to_owned(), source })?;
        let entries = properties::parse(&bytes).map_err(|source| ReadError::Malformed { file: file.to_owned(), source })?;
        settings.extend(entries);
    }
    let mut from_environment = RawConfig::new();
    for (name, value) in environment {
        if let Some(key) = from_variable(&name) {
            from_environment.insert(key, value);
        } else if name == ROOT_LEVEL {
            from_environment.entry("log.level".to_owned()).or_insert_with(|| level(&value));
        }
    }
    settings.extend(from_environment);
    for set in sets {
        let (key, value) =
            set.split_once('=').filter(|(k, _)| !k.trim().is_empty()).ok_or_else(|| ReadError::Set(set.clone()))?;
        settings.insert(key.trim().to_owned(), value.to_owned());
    }
    Ok(settings)
}

/// Log4j's level by our name.
fn level(log4j: &str) -> String {
    match log4j.trim().to_ascii_lowercase().as_str() {
        "all" => "trace".to_owned(),
        "fatal" => "error".to_owned(),
        level => level.to_owned(),
    }
}

/// `CONNECT_GROUP_ID` is `group.id`: one underscore is a dot, two are a dash, three are an underscore.
fn from_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix("CONNECT_").filter(|r| !r.is_empty())?;
    if name == "CONNECT_PORT" || NOT_SETTINGS.iter().any(|n| name.starts_with(n)) {
        return None;
    }
    let mut key = String::with_capacity(rest.len());
    let mut underscores = 0;
    for c in rest.chars().map(Some).chain([None]) {
        if c == Some('_') {
            underscores += 1;
            continue;
        }
        key.push_str(match underscores {
            0 => "",
            1 => ".",
            2 => "-",
            _ => "_",
        });
        underscores = 0;
        key.extend(c.map(|c| c.to_ascii_lowercase()));
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_keys() {
        let check = |name: &str, key: Option<&str>| assert_eq!(from_variable(name).as_deref(), key, "{name}");
        check("CONNECT_GROUP_ID", Some("group.id"));
        check("CONNECT_OFFSET_STORAGE_REPLICATION_FACTOR", Some("offset.storage.replication.factor"));
        check("CONNECT_A__B___C", Some("a-b_c"));
        check("CONNECT_LOG4J_ROOT_LOGLEVEL", None);
        check("GROUP_ID", None);
    }

    #[test]
    fn later_sources_win() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a=file\nb=file\nc=file\n").unwrap();
        let env = [("CONNECT_B".to_owned(), "env".to_owned()), ("CONNECT_C".to_owned(), "env".to_owned())];
        let read = super::read(Some(file.path()), env.into_iter(), &["c=set".to_owned()]).unwrap();
        assert_eq!([&read["a"], &read["b"], &read["c"]], ["file", "env", "set"]);
        assert!(matches!(super::read(None, std::iter::empty(), &["x".to_owned()]), Err(ReadError::Set(_))));
    }
}
