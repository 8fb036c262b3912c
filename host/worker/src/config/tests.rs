//! Worker files and environments as they are found in the field.

use millrace_record::RawConfig;

use super::{Understood, WorkerConfig, WrongSettings, keys, properties, sources};

fn read(file: &str, sets: &[(&str, &str)]) -> RawConfig {
    let sets = sets.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    properties::parse(file.as_bytes()).unwrap().into_iter().chain(sets).collect()
}

fn understand(raw: &RawConfig) -> Result<Understood, WrongSettings> {
    WorkerConfig::understand(raw, std::path::Path::new("/opt/millrace"))
}

/// The settings that warnings name.
fn named(warnings: &[String]) -> Vec<&str> {
    warnings.iter().filter_map(|w| w.split('"').nth(1)).collect()
}

#[test]
fn the_distributed_workers_file() {
    let understood = understand(&read(include_str!("fixtures/distributed.properties"), &[])).unwrap();
    assert_eq!(understood.warnings, Vec::<String>::new());
    let c = understood.config;
    assert_eq!((c.bootstrap.as_deref(), c.group_id.as_str()), (Some("localhost:9092"), "connect-cluster"));
    assert_eq!((c.configs.replication, c.offsets.partitions, c.statuses.partitions), (1, 25, 5));
}

#[test]
fn the_standalone_workers_file() {
    let understood = understand(&read(include_str!("fixtures/standalone.properties"), &[])).unwrap();
    assert_eq!(named(&understood.warnings), ["offset.storage.file.filename"]);
    let c = understood.config;
    assert_eq!((c.group_id.as_str(), c.offsets.topic.as_str(), c.offsets.replication), ("millrace", "connect-offsets", -1));
}

#[test]
fn a_hosted_clusters_file() {
    let understood = understand(&read(include_str!("fixtures/cloud.properties"), &[])).unwrap();
    let expected = [
        "confluent.topic.bootstrap.servers",
        "confluent.topic.replication.factor",
        "internal.key.converter",
        "internal.value.converter",
        "plugin.discovery",
    ];
    assert_eq!(named(&understood.warnings), expected);
    assert_eq!(understood.config.override_policy.name(), "Principal");
}

#[test]
fn an_operators_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca"), "PEM").unwrap();
    // The environment of a test is everybody's: the same references, to a file.
    let reference = format!("${{strimzidir:{}:ca}}", dir.path().display());
    let file = include_str!("fixtures/operator.properties");
    let file = file.replace("${strimzienv:FIXTURE_CA}", &reference).replace("${strimzienv:FIXTURE_RACK}", "a");
    let understood = understand(&read(&file, &[])).unwrap();
    assert_eq!(named(&understood.warnings), ["metrics.recording.level", "scheduled.rebalance.max.delay.ms"]);
    let c = understood.config;
    assert_eq!(c.raw["producer.ssl.truststore.certificates"], "PEM");
    assert_eq!((c.advertised_port, c.configs.replication), (Some(8083), -1));
}

#[test]
fn wrong_settings_of_every_sort_are_named_at_once() {
    let wrong = understand(&read(include_str!("fixtures/managed.properties"), &[])).unwrap_err();
    let mut keys: Vec<_> = wrong.wrong.iter().map(|w| w.key.as_str()).collect();
    keys.sort();
    let expected = [
        "config.providers.secretManager.class",
        "connect.protocol",
        "consumer.session.timeout.ms",
        "offset.flush.timeout.ms",
        "producer.linger.ms",
        "topic.creation.enable",
    ];
    assert_eq!(keys, expected);
    let text = wrong.to_string();
    for part in ["modern", "eager, compatible, sessioned", "4500O", "soon", "set at least 1", "ture", "FileConfigProvider"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_reference_that_cannot_be_resolved_is_a_wrong_setting() {
    let providers = [
        ("config.providers", "file,env"),
        ("config.providers.file.class", "FileConfigProvider"),
        ("config.providers.env.class", "EnvVarConfigProvider"),
    ];
    let wrong = understand(&read("group.id=${env:NO_SUCH_VARIABLE_HERE}", &providers)).unwrap_err();
    assert_eq!(wrong.wrong.len(), 1, "{wrong}");
    assert!(wrong.wrong[0].key == "group.id" && wrong.wrong[0].message.contains("NO_SUCH_VARIABLE_HERE"), "{wrong}");
    let wrong = understand(&read("offset.flush.timeout.ms=1${env:NO_SUCH_VARIABLE_HERE}", &providers)).unwrap_err();
    assert_eq!(wrong.wrong.len(), 1, "{wrong}");
    let wrong = understand(&read("group.id=${file:/no/such/file:group}", &providers)).unwrap_err();
    assert!(wrong.wrong[0].key == "group.id" && wrong.wrong[0].message.contains("/no/such/file"), "{wrong}");
}

#[test]
fn a_wrong_value_is_shown_as_it_was_written() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "ms=never-shown\n").unwrap();
    let reference = format!("${{file:{}:ms}}", file.path().display());
    let sets = [
        ("config.providers", "file"),
        ("config.providers.file.class", "FileConfigProvider"),
        ("offset.flush.timeout.ms", reference.as_str()),
        ("producer.linger.ms", reference.as_str()),
    ];
    let wrong = understand(&read("", &sets)).unwrap_err().to_string();
    assert!(wrong.contains(&reference) && !wrong.contains("never-shown"), "{wrong}");
}

#[test]
fn the_common_images_environment() {
    let environment = [
        ("CONNECT_BOOTSTRAP_SERVERS", "kafka:9092"),
        ("CONNECT_GROUP_ID", "g"),
        ("CONNECT_CONFIG_STORAGE_TOPIC", "c"),
        ("CONNECT_OFFSET_STORAGE_TOPIC", "o"),
        ("CONNECT_STATUS_STORAGE_TOPIC", "s"),
        ("CONNECT_REST_ADVERTISED_HOST_NAME", "connect"),
        ("CONNECT_REST_PORT", "8083"),
        ("CONNECT_LOG4J_ROOT_LOGLEVEL", "WARN"),
        ("CONNECT_LOG4J_LOGGERS", "org.reflections=ERROR"),
        ("CONNECT_LOG4J_APPENDER_STDOUT_LAYOUT_CONVERSIONPATTERN", "%m"),
        ("CONNECT_PRODUCER_COMPRESSION_TYPE", "zstd"),
        ("CONNECT_CUB_KAFKA_TIMEOUT", "300"),
        // What Kubernetes adds for a service of the name "connect".
        ("CONNECT_PORT", "tcp://10.0.0.1:8083"),
        ("CONNECT_PORT_8083_TCP_ADDR", "10.0.0.1"),
        ("CONNECT_SERVICE_HOST", "10.0.0.1"),
        ("CONNECT_SERVICE_PORT_REST", "8083"),
        ("HOME", "/root"),
    ];
    let environment = environment.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    let raw = sources::read(None, environment, &[]).unwrap();
    let understood = understand(&raw).unwrap();
    assert_eq!(named(&understood.warnings), ["rest.port"]);
    let c = understood.config;
    assert_eq!((c.group_id.as_str(), c.advertised_host.as_deref(), c.log_level.as_str()), ("g", Some("connect"), "warn"));
    assert_eq!(c.raw["producer.compression.type"], "zstd");
}

/// What has no effect is in the user's documentation, all of it.
#[test]
fn settings_without_effect_are_documented() {
    let page = include_str!("../../../../docs/worker.md");
    for key in keys::all() {
        if let keys::Support::NoEffect(_) = key.support {
            assert!(page.contains(&format!("`{}`", key.name)), "docs/worker.md does not name {}", key.name);
        }
    }
}

/// Every setting of Kafka Connect 4.3's distributed and standalone worker.
#[test]
fn every_setting_of_connects_is_known() {
    for name in include_str!("fixtures/connect-4.3-keys.txt").lines() {
        assert!(keys::find(name).is_some(), "{name}");
    }
}
