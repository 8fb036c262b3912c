//! What needs no plugin: the rest is held against the recorded answers of Kafka Connect in the end-to-end suite.

use millrace_record::config::{Checked, Default};

use super::*;

#[test]
fn a_configuration_is_shown_without_its_secrets() {
    let config = RawConfig::from([("name".into(), "a".into()), ("db.password".into(), "hunter2".into())]);
    let text = shown(&config, &["topic".into()]);
    assert!(text.contains("name=a") && text.contains("topic=null") && text.contains("db.password=[hidden]"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn every_connector_has_connects_keys_in_connects_order() {
    let names = |definitions: &[Definition]| definitions.iter().map(|d| d.0.name.clone()).collect::<Vec<_>>();
    let shared = names(common::shared());
    assert_eq!(shared[..4], ["name", "connector.class", "connector.plugin.version", "tasks.max"]);
    assert_eq!(shared.len(), 19);
    assert_eq!(names(common::of_kind(PluginKind::Source)).len(), 5);
    assert_eq!(names(common::of_kind(PluginKind::Sink))[..2], ["topics", "topics.regex"]);
    assert!(common::of_kind(PluginKind::Transform).is_empty());
    assert!(common::extensions(PluginKind::Sink).all(|d| d.0.extension));
}

#[test]
fn defaults_are_of_their_types() {
    let all = [common::shared(), common::of_kind(PluginKind::Source), common::of_kind(PluginKind::Sink)];
    for definition in all.into_iter().flatten().chain(common::extensions(PluginKind::Sink)) {
        let key = &definition.0;
        if let Default::Value(default) = &key.default {
            assert!(Parsed::new(key.kind, default).is_ok(), "{}: {default}", key.name);
        }
        if key.default != Default::Required {
            let errors = key.check(&key.name, &key.name, Given::Absent).errors;
            assert_eq!(errors, Vec::<String>::new(), "{}", key.name);
        }
    }
}

#[test]
fn an_error_without_a_key_gets_one() {
    let mut infos = ConfigInfos::default();
    infos.configs.push(ConfigInfo::new(infos::unknown("a", "").into(), Checked::default()));
    for _ in 0..2 {
        infos.error("a", "wrong");
        infos.error("b", "wrong too");
    }
    assert_eq!(infos.error_count(), 2);
    let json = serde_json::to_value(&infos).expect("JSON");
    assert_eq!(json["error_count"], 2);
    assert_eq!(json["configs"][1]["value"]["name"], "b");
    assert_eq!(json["configs"][0]["definition"]["order_in_group"], -1);
}
