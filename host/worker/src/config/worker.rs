//! What the worker understood of its settings.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use millrace_record::RawConfig;
use millrace_sandbox::{Hosts, Topics};

use super::http::{self, AdminListeners, CrossOrigin, ResponseHeader};
use super::reader::Reader;
use super::{WrongSetting, WrongSettings, check, keys};
use crate::plugins::PublicKey;
use crate::providers::{Providers, Resolved};
use crate::registry::RegistrySettings;
use crate::registry::monitor::settings::{self as monitor, MonitorSettings};
use crate::secrets;

/// One of the three internal topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    pub topic: String,
    pub partitions: i32,
    /// -1: the broker's default.
    pub replication: i32,
    /// Further settings of the topic (`config.storage.min.insync.replicas`).
    pub settings: Vec<(String, String)>,
}

/// A worker's settings, all of them right.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// With references resolved, and the defaults of what connectors fall back to.
    pub raw: RawConfig,
    /// `config.providers`.
    pub providers: Arc<Providers>,
    /// None: the embedded broker.
    pub bootstrap: Option<String>,
    pub embedded_listener: SocketAddr,
    /// `never`, `interval`, `always`.
    pub embedded_flush: String,
    pub data_dir: PathBuf,
    pub plugin_path: Vec<PathBuf>,
    /// `plugin.grants.allowed`: the capabilities that a connector may be granted; none: all.
    pub grants_allowed: Option<Vec<String>>,
    /// `plugin.http.hosts.allowed`: the hosts that a connector may list; none: any.
    pub http_hosts_allowed: Option<Hosts>,
    /// `plugin.kafka.topics.allowed`: the topics that a connector may list; none: any.
    pub kafka_topics_allowed: Option<Topics>,
    /// `plugin.cache.max.bytes`: how much compiled code is kept on disk.
    pub plugin_cache_bytes: u64,
    /// The first is the one that is advertised.
    pub listeners: Vec<SocketAddr>,
    pub admin_listeners: AdminListeners,
    pub cross_origin: Option<CrossOrigin>,
    pub response_headers: Vec<ResponseHeader>,
    pub advertised_host: Option<String>,
    pub advertised_port: Option<u16>,
    pub group_id: String,
    pub client_id: String,
    pub configs: Storage,
    pub offsets: Storage,
    pub statuses: Storage,
    /// The embedded Schema Registry; None: there is none.
    pub registry: Option<RegistrySettings>,
    pub graceful: Duration,
    /// `exactly.once.source.support=enabled`
    pub exactly_once_sources: bool,
    pub topic_tracking: bool,
    /// Whether REST may reset which topics a connector has used.
    pub topic_tracking_reset: bool,
    pub override_policy: OverridePolicy,
    pub log_level: String,
    /// Where the states of plugins are kept.
    pub plugin_state: Storage,
    /// Where jobs on dead letters, and what became of each, are kept.
    pub redrive: Storage,
    /// `plugin.upload.*`
    pub uploads: UploadSettings,
    /// `schema.monitor.*`
    pub schema_monitor: MonitorSettings,
}

impl WorkerConfig {
    /// The topics that hold what the worker knows.
    pub fn internal_topics(&self) -> Vec<String> {
        let own = [&self.configs, &self.offsets, &self.statuses, &self.plugin_state, &self.redrive, &self.schema_monitor.storage];
        let registry = self.registry.iter().map(|r| &r.topic);
        let consumers = std::iter::once("__consumer_offsets".to_owned());
        own.into_iter().chain(registry).map(|storage| storage.topic.clone()).chain(consumers).collect()
    }
}

/// What of its plugins a worker lets be changed over REST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadSettings {
    /// By default where every listener is of this machine alone: REST asks nobody who he is, and whoever may upload decides
    /// what runs with the credentials of connectors.
    pub enabled: bool,
    /// The largest component.
    pub bytes_max: u64,
    /// Whether an upload must bring its digest.
    pub digest_required: bool,
    /// Whose signatures are trusted.
    pub keys: Vec<PublicKey>,
    /// Whether an upload must be signed with one of them.
    pub signature_required: bool,
}

/// Which `producer.override.*`, `consumer.override.*` and `admin.override.*` a connector may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverridePolicy {
    All,
    None,
    Principal,
    Allowlist(Vec<String>),
}

impl OverridePolicy {
    /// `key` without its `producer.override.`.
    pub fn allows(&self, key: &str) -> bool {
        match self {
            OverridePolicy::All => true,
            OverridePolicy::None => false,
            OverridePolicy::Principal => matches!(key, "security.protocol" | "sasl.jaas.config" | "sasl.mechanism"),
            OverridePolicy::Allowlist(keys) => keys.iter().any(|k| k == key),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            OverridePolicy::All => "All",
            OverridePolicy::None => "None",
            OverridePolicy::Principal => "Principal",
            OverridePolicy::Allowlist(_) => "Allowlist",
        }
    }
}

/// The settings, and what an operator should know of them.
#[derive(Debug)]
pub struct Understood {
    pub config: WorkerConfig,
    pub warnings: Vec<String>,
}

impl WorkerConfig {
    /// Every wrong setting at once, or all of them understood. `beside` is the folder of the worker's binary.
    pub fn understand(raw: &RawConfig, beside: &std::path::Path) -> Result<Understood, WrongSettings> {
        let mut wrong = Vec::new();
        let mut warnings = Vec::new();
        let (providers, resolved) = resolve(raw, &mut wrong, &mut warnings);
        let raw = &resolved.config;
        check::settings(raw, &mut wrong, &mut warnings);
        let standalone = standalone(raw);
        let mut read = Reader { raw, wrong };

        let bootstrap = read.text("bootstrap.servers");
        let embedded = bootstrap.is_none();
        // Neither of them has a cluster's settings.
        let alone = embedded || standalone;
        let rest_listeners = http::listeners(&mut read, "listeners");
        let admin_listeners = http::admin_listeners(&mut read);
        let (cross_origin, response_headers) = (http::cross_origin(&mut read), http::headers(&mut read));
        if let Some(scheme) = read.text("rest.advertised.listener").filter(|s| !s.eq_ignore_ascii_case("http")) {
            let message = format!("invalid value {scheme}: this worker serves http only; set http or leave the setting out");
            read.wrong("rest.advertised.listener", message);
        }
        let embedded_listener = embedded_listener(&mut read, embedded);
        let storage = |read: &mut Reader, which: &str, name: &str| {
            let topic = format!("{which}.storage.topic");
            let topic = required(read, &topic, alone, &format!("connect-{name}"));
            let count = format!("{which}.storage.partitions");
            let partitions = if which == "config" { 1 } else { read.number(&count, -1, 1) };
            if partitions == 0 {
                read.wrong(&count, "invalid value 0: set the number of partitions, or -1 for the broker's default".into());
            }
            let factor = format!("{which}.storage.replication.factor");
            let given = read.raw.contains_key(&factor) || !standalone;
            let replication = if given { read.number(&factor, -1i32, 3) } else { -1 };
            if replication == 0 {
                read.wrong(&factor, "invalid value 0: set the number of replicas, or -1 for the broker's default".into());
            }
            let prefix = format!("{which}.storage.");
            let settings = read.raw.iter().filter_map(|(k, v)| {
                let name = k.strip_prefix(&prefix)?;
                (!matches!(name, "topic" | "partitions" | "replication.factor" | "file.filename"))
                    .then(|| (name.to_owned(), v.clone()))
            });
            let settings = settings.collect();
            Storage { topic, partitions, replication: if embedded { 1 } else { replication }, settings }
        };
        let configs = storage(&mut read, "config", "configs");
        let offsets = storage(&mut read, "offset", "offsets");
        let statuses = storage(&mut read, "status", "status");
        for (a, b) in [(&configs, &offsets), (&configs, &statuses), (&offsets, &statuses)] {
            if a.topic == b.topic && !a.topic.is_empty() {
                let message = format!("\"{}\" is used for two of configs, offsets and statuses: name three topics", a.topic);
                read.wrong("config.storage.topic, offset.storage.topic, status.storage.topic", message);
            }
        }
        let registry = registry(&mut read, embedded);
        let group_id = required(&mut read, "group.id", alone, "millrace");
        let override_policy = override_policy(&mut read);
        let exactly_once_sources = read.text("exactly.once.source.support").is_some_and(|v| v.eq_ignore_ascii_case("enabled"));
        let log_level = read.text("log.level").unwrap_or_default();
        if let Err(e) = log_level.parse::<tracing_subscriber::EnvFilter>() {
            read.wrong("log.level", format!("invalid value {log_level}: {e}; set error, warn, info, debug or trace"));
        }
        let mut plugin_path: Vec<PathBuf> = read.list("plugin.path").into_iter().map(PathBuf::from).collect();
        if plugin_path.is_empty() {
            plugin_path.push(beside.join("plugins"));
        }
        let grants_allowed = grants_allowed(&mut read, raw);
        let http_hosts_allowed = allowed(&mut read, raw, "plugin.http.hosts.allowed", Hosts::parse);
        let kafka_topics_allowed = allowed(&mut read, raw, "plugin.kafka.topics.allowed", Topics::parse);
        let plugin_cache_bytes = read.number("plugin.cache.max.bytes", 0u64, 2 << 30);
        let graceful = Duration::from_millis(read.number("task.shutdown.graceful.timeout.ms", 0u64, 5_000));

        let schema_monitor = monitor_settings(&mut read, &statuses);
        let plugin_state = own_topic(&mut read, &group_id, &statuses, crate::storage::plugin_state::TOPIC, "plugin_state");
        let redrive = own_topic(&mut read, &group_id, &statuses, crate::dlq::redrive::ledger::TOPIC, "redrive");
        let uploads = UploadSettings {
            enabled: match read.text("plugin.upload.enabled") {
                Some(_) => read.boolean("plugin.upload.enabled"),
                None => rest_listeners.iter().all(|l| l.ip().is_loopback()),
            },
            bytes_max: read.number("plugin.upload.max.bytes", 1u64, 128 << 20),
            digest_required: read.boolean("plugin.upload.require.digest"),
            keys: upload_keys(&mut read),
            signature_required: read.boolean("plugin.upload.require.signature"),
        };
        let mut with_defaults = raw.clone();
        for key in ["key.converter", "value.converter", "header.converter"] {
            with_defaults.entry(key.into()).or_insert_with(|| keys::find(key).and_then(|k| k.default).unwrap_or("").into());
        }
        let config = WorkerConfig {
            bootstrap,
            embedded_listener,
            embedded_flush: read.text("embedded.broker.flush").unwrap_or_default().to_ascii_lowercase(),
            data_dir: PathBuf::from(read.text("data.dir").unwrap_or_default()),
            plugin_path,
            grants_allowed,
            http_hosts_allowed,
            kafka_topics_allowed,
            plugin_cache_bytes,
            listeners: rest_listeners,
            admin_listeners,
            cross_origin,
            response_headers,
            advertised_host: read.text("rest.advertised.host.name"),
            advertised_port: read.text("rest.advertised.port").and_then(|p| p.parse().ok()),
            group_id,
            client_id: read.text("client.id").unwrap_or_default(),
            configs,
            offsets,
            statuses,
            registry,
            graceful,
            exactly_once_sources,
            topic_tracking: read.boolean("topic.tracking.enable"),
            topic_tracking_reset: read.boolean("topic.tracking.allow.reset"),
            override_policy,
            log_level,
            plugin_state,
            redrive,
            uploads,
            schema_monitor,
            raw: with_defaults,
            providers: Arc::new(providers),
        };
        for wrong in &mut read.wrong {
            wrong.message = secrets::hide(&resolved.conceal(&wrong.key, &wrong.message)).into_owned();
        }
        if read.wrong.is_empty() {
            Ok(Understood { config, warnings })
        } else {
            Err(WrongSettings { wrong: read.wrong, warnings })
        }
    }

    pub fn embedded(&self) -> bool {
        self.bootstrap.is_none()
    }
}

/// The providers, and the settings with their references resolved. The worker's secrets are known from here on.
fn resolve(raw: &RawConfig, wrong: &mut Vec<WrongSetting>, warnings: &mut Vec<String>) -> (Providers, Resolved) {
    let environment = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    let (providers, wrong_providers, unused) = Providers::new(raw, &environment.collect());
    wrong.extend(wrong_providers);
    warnings.extend(unused);
    let resolved = providers.resolve(raw).unwrap_or_else(|error| {
        wrong.push(WrongSetting { key: error.setting.clone(), message: error.to_string() });
        Resolved::of(raw)
    });
    let missing = resolved.missing.iter().map(|m| WrongSetting { key: m.setting.clone(), message: m.to_string() });
    wrong.extend(missing);
    secrets::cover(secrets::WORKER, raw, &resolved, |_| false);
    (providers, resolved)
}

/// The file of a standalone worker: it has no group and no topics of its own.
fn standalone(raw: &RawConfig) -> bool {
    let given = |key: &str| raw.get(key).is_some_and(|v| !v.trim().is_empty());
    given("offset.storage.file.filename") && !["group.id", "config.storage.topic", "status.storage.topic"].into_iter().any(given)
}

/// Given and empty means that nothing is granted, so it is told from not given.
fn grants_allowed(read: &mut Reader, raw: &RawConfig) -> Option<Vec<String>> {
    const KEY: &str = "plugin.grants.allowed";
    raw.get(KEY)?;
    let allowed = read.list(KEY);
    let known: Vec<_> = millrace_sandbox::grantable().collect();
    if let Some(wrong) = allowed.iter().find(|a| !known.contains(&a.as_str())) {
        let message = format!("invalid value {wrong}: there is no such capability; give some of {}", known.join(", "));
        read.wrong(KEY, message);
    }
    Some(allowed)
}

/// The keys of `plugin.upload.keys`. To ask for signatures and trust nobody is a mistake.
fn upload_keys(read: &mut Reader) -> Vec<PublicKey> {
    const KEY: &str = "plugin.upload.keys";
    let mut keys = Vec::new();
    for file in read.list(KEY) {
        match PublicKey::read(&file) {
            Ok(key) => keys.push(key),
            Err(what) => read.wrong(KEY, format!("invalid value {file}: {what}")),
        }
    }
    if keys.is_empty() && read.boolean("plugin.upload.require.signature") {
        let message =
            "has to name the public keys that uploads are signed with, where \"plugin.upload.require.signature\" is true";
        read.wrong(KEY, message.to_owned());
    }
    keys
}

/// What connectors may name in a list of their own. Not given: anything; given and empty: nothing.
fn allowed<T, E: std::fmt::Display>(
    read: &mut Reader,
    raw: &RawConfig,
    key: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    raw.get(key)?;
    let text = read.text(key).unwrap_or_default();
    parse(&text).map_err(|e| read.wrong(key, format!("invalid value {text}: {e}"))).ok()
}

fn required(read: &mut Reader, key: &str, alone: bool, default: &str) -> String {
    match read.text(key) {
        Some(value) => value,
        None if alone => default.to_owned(),
        None => {
            read.wrong(
                key,
                "missing: with \"bootstrap.servers\" it has no default; set it as in the Connect worker's file".into(),
            );
            String::new()
        }
    }
}

/// `schema.monitor.*`. Its topic is made as the one of statuses is.
fn monitor_settings(read: &mut Reader, statuses: &Storage) -> MonitorSettings {
    let (urls, format) = ("schema.monitor.webhook.urls", "schema.monitor.webhook.format");
    let written = read.text(format).unwrap_or_default();
    let webhooks = monitor::webhooks(&read.list(urls), &written, read.text("schema.monitor.webhook.secret"));
    let webhooks = webhooks.unwrap_or_else(|(of_format, why)| {
        read.wrong(if of_format { format } else { urls }, why);
        Vec::new()
    });
    MonitorSettings {
        enabled: read.boolean("schema.monitor.enabled"),
        interval: Duration::from_millis(read.number("schema.monitor.interval.ms", 100u64, 30_000)),
        storage: Storage {
            topic: read.text("schema.monitor.topic").unwrap_or_default(),
            partitions: 1,
            replication: statuses.replication,
            settings: Vec::new(),
        },
        webhooks,
    }
}

/// A group of workers has its own, so that connectors of one name in two groups do not meet.
fn own_topic(read: &mut Reader, group: &str, statuses: &Storage, setting: &str, name: &str) -> Storage {
    let of_topic = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let default = || format!("_millrace_{name}-{}", group.chars().map(of_topic).collect::<String>());
    Storage {
        topic: read.text(setting).unwrap_or_else(default),
        partitions: 1,
        replication: statuses.replication,
        settings: Vec::new(),
    }
}

fn override_policy(read: &mut Reader) -> OverridePolicy {
    let key = "connector.client.config.override.policy";
    let value = read.text(key).unwrap_or_default();
    let simple = value.rsplit('.').next().unwrap_or_default();
    match simple.strip_suffix("ConnectorClientConfigOverridePolicy").unwrap_or(simple) {
        "All" => OverridePolicy::All,
        "None" => OverridePolicy::None,
        "Principal" => OverridePolicy::Principal,
        "Allowlist" => OverridePolicy::Allowlist(read.list("connector.client.config.override.allowlist")),
        _ => {
            read.wrong(key, format!("invalid value {value}: set one of All, None, Principal, Allowlist"));
            OverridePolicy::None
        }
    }
}

/// Another registry takes the place of the embedded one, unless that is asked for by name.
fn registry(read: &mut Reader, embedded: bool) -> Option<RegistrySettings> {
    let key = "schema.registry.listener";
    let written = read.raw.get(key).map(|v| v.trim().to_owned());
    let urls = ["schema.registry.url", "key.converter.schema.registry.url", "value.converter.schema.registry.url"];
    let other = urls.iter().any(|url| read.raw.get(*url).is_some_and(|v| !v.trim().is_empty()));
    if written.as_ref().is_some_and(String::is_empty) || (written.is_none() && other) {
        return None;
    }
    let found = http::listeners(read, key);
    if found.len() > 1 {
        read.wrong(key, "there may be one listener only".to_owned());
    }
    let factor = "kafkastore.topic.replication.factor";
    let replication = read.number(factor, -1i32, 3);
    if replication == 0 {
        read.wrong(factor, "invalid value 0: set the number of replicas, or -1 for the broker's default".into());
    }
    let topic = read.text("kafkastore.topic").unwrap_or_default();
    let topic = Storage { topic, partitions: 1, replication: if embedded { 1 } else { replication }, settings: Vec::new() };
    Some(RegistrySettings { listener: *found.first()?, written: written.is_some(), topic })
}

fn embedded_listener(read: &mut Reader, embedded: bool) -> SocketAddr {
    let key = "embedded.broker.listener";
    let value = read.text(key).unwrap_or_default();
    match http::address(value.rsplit("://").next().unwrap_or_default()) {
        Ok(address) if address.ip().is_loopback() || !embedded => address,
        Ok(address) => {
            read.wrong(key, format!("invalid value {value}: the embedded broker serves this machine alone; set a loopback address such as 127.0.0.1:9092, or use a Kafka with \"bootstrap.servers\""));
            address
        }
        Err(why) => {
            read.wrong(key, format!("invalid value {value}: {why}"));
            SocketAddr::from(([127, 0, 0, 1], 9092))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understand(settings: &[(&str, &str)]) -> Result<Understood, Vec<String>> {
        let raw = settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        WorkerConfig::understand(&raw, std::path::Path::new("/opt/millrace"))
            .map_err(|wrong| wrong.wrong.into_iter().map(|w| w.key).collect())
    }

    #[test]
    fn nothing_set_is_the_embedded_broker() {
        let c = understand(&[]).unwrap().config;
        assert!(c.embedded());
        assert_eq!(c.listeners[0].to_string(), "127.0.0.1:8083");
        assert_eq!(c.embedded_listener.to_string(), "127.0.0.1:9092");
        assert_eq!((c.group_id.as_str(), c.configs.topic.as_str(), c.configs.partitions), ("millrace", "connect-configs", 1));
        assert_eq!((c.offsets.partitions, c.offsets.replication, c.statuses.partitions), (25, 1, 5));
        assert_eq!((c.plugin_state.topic.as_str(), c.plugin_state.partitions), ("_millrace_plugin_state-millrace", 1));
        assert_eq!(c.plugin_path, [PathBuf::from("/opt/millrace/plugins")]);
        assert_eq!(c.raw["value.converter"], "org.apache.kafka.connect.json.JsonConverter");
    }

    #[test]
    fn a_connect_workers_file_works_as_it_is() {
        let understood = understand(&[
            ("bootstrap.servers", "localhost:9092"),
            ("group.id", "connect-cluster"),
            ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("key.converter.schemas.enable", "true"),
            ("offset.storage.topic", "connect-offsets"),
            ("offset.storage.replication.factor", "1"),
            ("config.storage.topic", "connect-configs"),
            ("config.storage.min.insync.replicas", "2"),
            ("status.storage.topic", "connect-status"),
            ("offset.flush.interval.ms", "10000"),
            ("plugin.path", "/usr/local/share/java, /opt/connectors"),
            ("plugin.discovery", "service_load"),
            ("producer.compression.type", "lz4"),
        ])
        .unwrap();
        let c = understood.config;
        assert_eq!(c.configs.settings, [("min.insync.replicas".into(), "2".into())]);
        assert_eq!((c.offsets.replication, c.statuses.replication), (1, 3));
        assert_eq!(c.plugin_path.len(), 2);
        assert_eq!(understood.warnings.len(), 1, "{:?}", understood.warnings);
    }

    #[test]
    fn what_plugins_may_be_granted_is_capped() {
        let c = understand(&[]).unwrap().config;
        assert!(c.grants_allowed.is_none() && c.http_hosts_allowed.is_none());
        let c = understand(&[("plugin.grants.allowed", "http, files"), ("plugin.http.hosts.allowed", "*.example.com")])
            .unwrap()
            .config;
        assert_eq!(c.grants_allowed.unwrap(), ["http", "files"]);
        assert!(c.http_hosts_allowed.unwrap().names("api.example.com", 443));
        let c = understand(&[("plugin.grants.allowed", ""), ("plugin.http.hosts.allowed", "")]).unwrap().config;
        assert_eq!((c.grants_allowed, c.http_hosts_allowed), (Some(Vec::new()), Some(Hosts::default())));
        let wrong = understand(&[("plugin.grants.allowed", "htpp"), ("plugin.http.hosts.allowed", "http://a")]).unwrap_err();
        assert_eq!(wrong, ["plugin.grants.allowed", "plugin.http.hosts.allowed"]);
    }

    #[test]
    fn all_wrong_settings_at_once() {
        let wrong = understand(&[
            ("bootstrap.servers", "localhost:9092"),
            ("offset.flush.timeout.ms", "soon"),
            ("listeners", "https://127.0.0.1:8083"),
            ("connector.client.config.override.policy", "Some"),
            ("offset.storage.partitions", "0"),
            ("topic.tracking.enable", "yes"),
            ("exactly.once.source.support", "always"),
        ]);
        let mut wrong = wrong.unwrap_err();
        wrong.sort();
        wrong.dedup();
        assert_eq!(
            wrong,
            [
                "config.storage.topic",
                "connector.client.config.override.policy",
                "exactly.once.source.support",
                "group.id",
                "listeners",
                "offset.flush.timeout.ms",
                "offset.storage.partitions",
                "offset.storage.topic",
                "status.storage.topic",
                "topic.tracking.enable"
            ]
        );
    }

    #[test]
    fn only_loopback_without_a_word() {
        assert_eq!(understand(&[("listeners", "http://0.0.0.0:8083")]).unwrap_err(), ["listeners"]);
        assert_eq!(understand(&[("listeners", "HTTP://:8083")]).unwrap_err(), ["listeners"]);
        assert!(understand(&[("listeners", "http://0.0.0.0:8083"), ("listeners.allow.unauthenticated", "true")]).is_ok());
        assert_eq!(understand(&[("embedded.broker.listener", "0.0.0.0:9092")]).unwrap_err(), ["embedded.broker.listener"]);
        assert!(understand(&[("embedded.broker.listener", "PLAINTEXT://127.0.0.1:0")]).is_ok());
    }

    #[test]
    fn the_embedded_registry_makes_way_for_another() {
        let registry = |settings: &[(&str, &str)]| understand(settings).unwrap().config.registry;
        let own = registry(&[]).unwrap();
        assert_eq!((own.listener.to_string().as_str(), own.written), ("127.0.0.1:8081", false));
        assert_eq!((own.topic.topic.as_str(), own.topic.partitions, own.topic.replication), ("_schemas", 1, 1));
        assert_eq!(registry(&[("schema.registry.listener", "")]), None);
        let other = ("value.converter.schema.registry.url", "http://registry:8081");
        assert_eq!(registry(&[other]), None);
        assert!(registry(&[other, ("schema.registry.listener", "http://127.0.0.1:0")]).unwrap().written);
        assert_eq!(understand(&[("schema.registry.listener", "http://0.0.0.0:1")]).unwrap_err(), ["schema.registry.listener"]);
        assert_eq!(understand(&[("schema.registry.listener", "8081")]).unwrap_err(), ["schema.registry.listener"]);
    }

    #[test]
    fn a_misspelt_setting_is_named_with_the_likely_one() {
        let warnings = understand(&[("ofset.flush.timeout.ms", "1")]).unwrap().warnings;
        assert_eq!(
            warnings,
            ["unknown setting \"ofset.flush.timeout.ms\" is ignored; did you mean \"offset.flush.timeout.ms\"?"]
        );
    }
}
