//! The clients of schema registries that converters work with: one for each set of registry settings, shared by all tasks.
//!
//! A converter that names no registry works with the worker's, and without one of these with the embedded registry.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use millrace_record::convert::{BuiltIn, Converter, ConverterFactory, converter};
use millrace_record::{RawConfig, Schemas};
use millrace_registry::client::{ClientConfig, HttpClient, URL};
use millrace_registry::convert::avro::AvroConverter;
use millrace_registry::convert::{JsonSchemaConverter, ProtobufConverter};
use parking_lot::Mutex;

/// What of the worker's settings is for its registry.
const WORKERS: [&str; 4] = [URL, "schema.registry.ssl.", "schema.registry.basic.auth.", "schema.registry.bearer.auth."];

/// All clients of a worker.
#[derive(Debug, Default)]
pub struct Registries {
    /// The worker's own settings of a registry, as a converter would have them; empty without one.
    defaults: RawConfig,
    /// By what makes one client differ from another. A client goes with the last converter that uses it.
    clients: Mutex<HashMap<BTreeMap<String, String>, Weak<HttpClient>>>,
}

impl Registries {
    /// `worker`: the worker's settings, references resolved. `embedded`: the URL of the embedded registry, where there is one.
    pub fn new(worker: &RawConfig, embedded: Option<String>) -> Arc<Self> {
        let is_own = |key: &str| WORKERS.iter().any(|own| if own.ends_with('.') { key.starts_with(own) } else { key == *own });
        let mut defaults = RawConfig::new();
        for (key, value) in worker.iter().filter(|(k, _)| is_own(k)) {
            // Credentials of the registry go by shorter names in a converter.
            let auth =
                key.strip_prefix("schema.registry.").filter(|k| k.starts_with("basic.auth.") || k.starts_with("bearer.auth."));
            defaults.insert(auth.unwrap_or(key).to_owned(), value.clone());
        }
        if defaults.get(URL).is_none_or(|url| url.trim().is_empty()) {
            defaults = embedded.map(|url| RawConfig::from([(URL.to_owned(), url)])).unwrap_or_default();
        }
        Arc::new(Registries { defaults, clients: Mutex::default() })
    }

    /// What makes the converters of tasks.
    pub fn factory(self: &Arc<Self>) -> ConverterFactory {
        let registries = self.clone();
        Arc::new(move |class, is_key, config, schemas| registries.converter(class, is_key, config, schemas))
    }

    /// The converter of a class name, with or without a registry. `config` holds its own settings, without their prefix.
    pub fn converter(
        &self,
        class: &str,
        is_key: bool,
        config: &RawConfig,
        schemas: &Arc<Schemas>,
    ) -> Result<Box<dyn Converter>, String> {
        match BuiltIn::find(class.trim()).map(BuiltIn::simple) {
            Some("AvroConverter") => {
                let config = self.settings(config);
                Ok(Box::new(AvroConverter::new(is_key, &config, schemas, self.client(&config)?)?))
            }
            Some("JsonSchemaConverter") => {
                let config = self.settings(config);
                Ok(Box::new(JsonSchemaConverter::new(is_key, &config, schemas, self.client(&config)?)?))
            }
            Some("ProtobufConverter") => {
                let config = self.settings(config);
                Ok(Box::new(ProtobufConverter::new(is_key, &config, schemas, self.client(&config)?)?))
            }
            _ => converter(class, is_key, config, schemas),
        }
    }

    /// A converter's settings, with the worker's registry where it names none.
    fn settings(&self, config: &RawConfig) -> RawConfig {
        if config.get(URL).is_some_and(|url| !url.trim().is_empty()) {
            return config.clone();
        }
        let mut all = self.defaults.clone();
        all.extend(config.iter().filter(|(k, _)| *k != URL).map(|(k, v)| (k.clone(), v.clone())));
        all
    }

    /// The client that a converter of these settings works with. The error names the setting at fault.
    pub fn client_of(&self, converter: &RawConfig) -> Result<Arc<HttpClient>, String> {
        self.client(&self.settings(converter))
    }

    fn client(&self, config: &RawConfig) -> Result<Arc<HttpClient>, String> {
        let key = ClientConfig::relevant(config);
        let mut clients = self.clients.lock();
        if let Some(known) = clients.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let made = Arc::new(HttpClient::new(ClientConfig::new(config)?)?);
        clients.retain(|_, client| client.strong_count() > 0);
        clients.insert(key, Arc::downgrade(&made));
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> RawConfig {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn converters_that_agree_share_a_client() {
        let registries = Registries::new(&config(&[]), Some("http://127.0.0.1:8081".into()));
        let of = |pairs: &[(&str, &str)]| registries.client_of(&config(pairs)).unwrap();
        let same = |a: &Arc<HttpClient>, b: &Arc<HttpClient>| Arc::ptr_eq(a, b);
        let embedded = of(&[("auto.register.schemas", "false")]);
        assert!(same(&embedded, &of(&[])));
        assert!(same(&embedded, &of(&[(URL, "http://127.0.0.1:8081")])));
        let other = of(&[(URL, "http://127.0.0.1:8082")]);
        assert!(!same(&embedded, &other));
        assert!(!same(&other, &of(&[(URL, "http://127.0.0.1:8082"), ("basic.auth.user.info", "a:b")])));
        // What nobody uses is forgotten.
        drop((embedded, other));
        let _last = of(&[]);
        assert_eq!(registries.clients.lock().len(), 1);
    }

    #[test]
    fn a_converter_without_a_registry_works_with_the_workers() {
        let worker = config(&[(URL, "http://w:1"), ("schema.registry.basic.auth.user.info", "u:p"), ("group.id", "g")]);
        let registries = Registries::new(&worker, Some("http://embedded:1".into()));
        let own = registries.settings(&config(&[("scrub.invalid.names", "true")]));
        let expected = [(URL, "http://w:1"), ("basic.auth.user.info", "u:p"), ("scrub.invalid.names", "true")];
        assert_eq!(own, config(&expected));
        // One that names a registry brings all that belongs to it.
        assert_eq!(registries.settings(&config(&[(URL, "http://c:1")])), config(&[(URL, "http://c:1")]));

        let none = Registries::new(&config(&[]), None);
        let error = none.converter("AvroConverter", false, &config(&[]), &Schemas::new()).err().unwrap();
        assert!(error.contains("Missing required configuration \"schema.registry.url\""), "{error}");
    }
}
