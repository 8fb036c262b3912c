//! Config providers: values that a configuration refers to, `${provider:path:key}`, and where they come from.
//!
//! A configuration is kept, shown and compared with its references as they were written. They are resolved where a value is
//! used: when the worker reads its own settings, when a connector is validated, when a connector's plugin is asked for its
//! tasks, and when a task starts. [`Resolved`] knows which value came from which reference, so that what a plugin makes of
//! its configuration, or says of it, gets the references back before anybody sees it.

mod builtin;
pub mod reference;
mod resolved;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millrace_record::RawConfig;

use builtin::{AllowedPaths, Found};
pub use resolved::{Missing, Resolved};

use crate::config::WrongSetting;
use crate::pattern::Pattern;

/// Where Kafka's providers are defined; their simple names do as well.
const PACKAGE: &str = "org.apache.kafka.common.config.provider.";
const PROVIDERS: &str = "config.providers";

/// Why a provider cannot be asked. The texts begin with Kafka's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    #[error("Could not read properties from file {path}: {why}")]
    File { path: String, why: String },
    #[error("Could not read file {file} for property {key}: {why}")]
    Entry { file: String, key: String, why: String },
    #[error("Path is not supported for EnvVarConfigProvider, invalid value '{path}'")]
    EnvironmentPath { path: String },
}

/// A reference that cannot be resolved because its provider fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error} (setting \"{setting}\" refers to \"{reference}\": provider \"{provider}\", path \"{path}\", key \"{key}\")")]
pub struct ResolveError {
    pub setting: String,
    pub reference: String,
    pub provider: String,
    pub path: String,
    pub key: String,
    #[source]
    pub error: ProviderError,
}

#[derive(Debug)]
enum Provider {
    File(AllowedPaths),
    Directory(AllowedPaths),
    /// The variables that may be read.
    Environment(BTreeMap<String, String>),
}

impl Provider {
    fn get(&self, path: &str, keys: &BTreeSet<&str>) -> Result<Found, ProviderError> {
        match self {
            Provider::File(allowed) => builtin::file(allowed, path, keys),
            Provider::Directory(allowed) => builtin::directory(allowed, path, keys),
            Provider::Environment(variables) => builtin::environment(variables, path, keys),
        }
    }
}

/// The providers of a worker, by the names it gives them.
#[derive(Debug, Default)]
pub struct Providers(BTreeMap<String, Provider>);

impl Providers {
    /// Out of the worker's settings: `config.providers`, `config.providers.NAME.class`, `config.providers.NAME.param.*`. The
    /// second and third are what is wrong, and what has no effect.
    pub fn new(settings: &RawConfig, environment: &BTreeMap<String, String>) -> (Providers, Vec<WrongSetting>, Vec<String>) {
        let (mut providers, mut wrong, mut warnings) = (BTreeMap::new(), Vec::new(), Vec::new());
        let names = settings.get(PROVIDERS).map(String::as_str).unwrap_or_default();
        for name in names.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            match provider(settings, name, environment, &mut warnings) {
                Ok(provider) => {
                    providers.insert(name.to_owned(), provider);
                }
                Err(error) => wrong.push(error),
            }
        }
        for key in settings.keys() {
            let Some(rest) = key.strip_prefix("config.providers.") else { continue };
            let name = rest.split('.').next().unwrap_or_default();
            if !names.split(',').any(|n| n.trim() == name) {
                warnings.push(format!("setting \"{key}\" has no effect: \"{PROVIDERS}\" does not list \"{name}\""));
            }
        }
        (Providers(providers), wrong, warnings)
    }

    /// With every reference to a provider of ours replaced; one to a name that is none of ours stays as it is written, as in
    /// Kafka, and so does one that its provider does not know, which [`Resolved::missing`] names. Reads files.
    pub fn resolve(&self, config: &RawConfig) -> Result<Resolved, ResolveError> {
        let mut resolved = Resolved::of(config);
        let mut found: HashMap<(&str, &str), Found> = HashMap::new();
        for (wanted, first) in self.wanted(config) {
            let (provider, path) = wanted;
            let answer = self.0[provider].get(path, &first.keys).map_err(|error| ResolveError {
                setting: first.setting.to_owned(),
                reference: first.reference.to_owned(),
                provider: provider.to_owned(),
                path: path.to_owned(),
                key: first.keys.first().copied().unwrap_or_default().to_owned(),
                error,
            })?;
            found.insert(wanted, answer);
        }
        for (setting, value) in config {
            resolved.replace(setting, value, &found);
        }
        Ok(resolved)
    }

    /// What the configuration asks of which provider at which path, so that each file is read once.
    fn wanted<'a>(&self, config: &'a RawConfig) -> BTreeMap<(&'a str, &'a str), Wanted<'a>> {
        let mut wanted: BTreeMap<(&str, &str), Wanted<'_>> = BTreeMap::new();
        for (setting, value) in config {
            for found in reference::references(value).filter(|r| self.0.contains_key(r.provider)) {
                let entry = wanted.entry((found.provider, found.path));
                let wanted = entry.or_insert_with(|| Wanted { setting, reference: found.text, keys: BTreeSet::new() });
                wanted.keys.insert(found.key);
            }
        }
        wanted
    }
}

struct Wanted<'a> {
    /// The first that asks.
    setting: &'a str,
    reference: &'a str,
    keys: BTreeSet<&'a str>,
}

fn provider(
    settings: &RawConfig,
    name: &str,
    environment: &BTreeMap<String, String>,
    warnings: &mut Vec<String>,
) -> Result<Provider, WrongSetting> {
    let prefix = format!("{PROVIDERS}.{name}.");
    let key = format!("{prefix}class");
    let wrong = |key: &str, message: String| WrongSetting { key: key.to_owned(), message };
    let Some(class) = settings.get(&key).map(|c| c.trim()).filter(|c| !c.is_empty()) else {
        return Err(wrong(
            &key,
            format!("missing: \"{PROVIDERS}\" lists \"{name}\"; set {PACKAGE}FileConfigProvider or another"),
        ));
    };
    let mut params: BTreeMap<&str, &str> =
        settings.iter().filter_map(|(k, v)| Some((k.strip_prefix(&prefix)?.strip_prefix("param.")?, v.as_str()))).collect();
    let mut paths = || {
        let key = format!("{prefix}param.allowed.paths");
        AllowedPaths::new(params.remove("allowed.paths")).map_err(|why| wrong(&key, why))
    };
    let provider = match class.strip_prefix(PACKAGE).unwrap_or(class) {
        "FileConfigProvider" => Provider::File(paths()?),
        "DirectoryConfigProvider" => Provider::Directory(paths()?),
        "EnvVarConfigProvider" => {
            let pattern = params.remove("allowlist.pattern").unwrap_or(".*");
            let allowed = Pattern::new(pattern).map_err(|error| {
                wrong(&format!("{prefix}param.allowlist.pattern"), format!("invalid value {pattern}: {error}"))
            })?;
            let allowed = environment.iter().filter(|(name, _)| allowed.matches(name));
            Provider::Environment(allowed.map(|(k, v)| (k.clone(), v.clone())).collect())
        }
        _ => {
            let message = format!(
                "invalid value {class}: no such config provider; set FileConfigProvider, DirectoryConfigProvider or EnvVarConfigProvider of {PACKAGE}"
            );
            return Err(wrong(&key, message));
        }
    };
    warnings.extend(params.keys().map(|p| format!("setting \"{prefix}param.{p}\" has no effect: {class} has no such parameter")));
    Ok(provider)
}
