use super::*;
use crate::info::info;

/// The connector of Debezium's tutorial.
fn tutorial() -> Config {
    Config::new([
        ("connector.class", "io.debezium.connector.postgresql.PostgresConnector"),
        ("tasks.max", "1"),
        ("database.hostname", "postgres"),
        ("database.port", "5432"),
        ("database.user", "postgres"),
        ("database.password", "postgres"),
        ("database.dbname", "postgres"),
        ("topic.prefix", "dbserver1"),
        ("schema.include.list", "inventory"),
    ])
    .with_defaults(&info().keys)
}

fn issue_of(config: Config, key: &str) -> String {
    let (_, issues) = Options::check(&config);
    let [issue] = issues.as_slice() else { panic!("{issues:?}") };
    assert_eq!(issue.name, key);
    issue.message.clone()
}

#[test]
fn the_tutorial_s_connector_is_right() {
    let options = Options::parse(&tutorial()).unwrap();
    assert_eq!((options.slot_name.as_str(), options.publication_name.as_str()), ("debezium", "dbz_publication"));
    assert_eq!((options.snapshot_mode, options.publication_mode), (SnapshotMode::Initial, PublicationMode::AllTables));
    assert!(options.tombstones_on_delete && options.skips(Operation::Truncate) && !options.skips(Operation::Delete));
    assert!(options.filter.table("inventory", "customers") && !options.filter.table("public", "customers"));
    assert_eq!(options.modes, Modes::default());
    assert_eq!(options.transaction_topic(), None);
}

#[test]
fn everything_wrong_is_reported_at_once_with_the_value_and_the_remedy() {
    let config = tutorial()
        .with("snapshot.mode", "sometimes")
        .with("slot.name", "My-Slot")
        .with("table.include.list", "a.b,(c")
        .with("heartbeat.interval.ms", "soon")
        .with("signal.data.collection", "public.signals");
    let (_, issues) = Options::check(&config);
    let names: Vec<&str> = issues.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["slot.name", "heartbeat.interval.ms", "snapshot.mode", "table.include.list", "signal.data.collection"]);
    assert_eq!(
        issues[2].message,
        "\"snapshot.mode\" is \"sometimes\"; give it one of initial, always, initial_only, no_data, when_needed, never, schema_only, exported"
    );
}

#[test]
fn what_cannot_be_together_is_said() {
    let config = tutorial().with("schema.exclude.list", "x");
    assert!(issue_of(config, "schema.exclude.list").contains("exclude each other"));
    assert!(issue_of(tutorial().with("plugin.name", "wal2json"), "plugin.name").contains("set it to pgoutput"));
    let key = "snapshot.select.statement.overrides";
    assert!(issue_of(tutorial().with(key, "a.b"), key).contains("snapshot.select.statement.overrides.a.b"));
}

#[test]
fn keys_and_masks_are_found_by_their_names() {
    let options = Options::parse(
        &tutorial()
            .with("message.key.columns", "inventory.orders:id,line;(.*).log:at")
            .with("column.mask.with.5.chars", "inventory.customers.email")
            .with("column.truncate.to.3.chars", r".*\.note"),
    )
    .unwrap();
    assert_eq!(options.message_key("inventory.orders"), Some(&["id".to_owned(), "line".to_owned()][..]));
    assert_eq!(options.message_key("any.log"), Some(&["at".to_owned()][..]));
    assert_eq!(options.message_key("any.other"), None);
    assert_eq!(options.mask("inventory", "customers", "email"), Some(Mask::Stars(5)));
    assert_eq!(options.mask("a", "b", "note"), Some(Mask::Prefix(3)));
}

#[test]
fn the_log_is_kept_for_who_turned_the_flush_off_by_its_older_name() {
    let flushes = |pairs: &[(&str, &str)]| {
        let config = pairs.iter().fold(tutorial(), |c, (k, v)| c.with(*k, *v));
        Options::parse(&config).map(|o| o.flushes_lsn).map_err(|e| e.field)
    };
    assert_eq!(flushes(&[]), Ok(true));
    assert_eq!(flushes(&[("flush.lsn.source", "false")]), Ok(false));
    assert_eq!(flushes(&[("flush.lsn.source", "true")]), Ok(true));
    assert_eq!(flushes(&[("lsn.flush.mode", "manual")]), Ok(false));
    assert_eq!(flushes(&[("lsn.flush.mode", "connector_and_driver")]), Ok(true));
    let both = [("flush.lsn.source", "false"), ("lsn.flush.mode", "connector")];
    assert_eq!(flushes(&both), Err(Some("flush.lsn.source".to_owned())));
}

#[test]
fn messages_are_chosen_by_either_name() {
    for key in ["message.prefix.include.list", "logical.decoding.message.prefix.include.list"] {
        let options = Options::parse(&tutorial().with(key, "audit.*")).unwrap();
        assert!(options.filter.message("audit.x") && !options.filter.message("other"), "{key}");
    }
}

#[test]
fn what_would_be_passed_over_in_silence_is_named() {
    assert!(issue_of(tutorial().with("table.whitelist", "a.b"), "table.whitelist").contains("table.include.list"));
    assert!(issue_of(tutorial().with("slot.nmae", "x"), "slot.nmae").contains("did you mean \"slot.name\""));
    assert!(issue_of(tutorial().with("xmin.fetch.interval.ms", "5"), "xmin.fetch.interval.ms").contains("set it to 0"));
    assert!(!issue_of(tutorial().with("database.sslpassword", "hush"), "database.sslpassword").contains("hush"));
    let harmless = tutorial().with("slot.max.retries", "3").with("max.batch.size", "10").with("poll.interval.ms", "1");
    assert!(Options::check(&harmless).1.is_empty());
}
