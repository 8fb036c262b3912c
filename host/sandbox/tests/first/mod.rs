//! A component of the contract's first version still runs: what is published is never taken back.

use millrace_record::config::Default as Given;
use millrace_record::{Batch, Kind, Schema, row};

use super::*;

/// How it was made: see `README.md` beside it.
const COMPONENT: &[u8] = include_bytes!("mask-email.wasm");

#[tokio::test]
async fn a_component_of_the_first_version_runs() {
    let host = Host::new();
    let file = host.file("mask-email.wasm", COMPONENT);
    let plugin = host.sandbox.load(&file, &host.schemas).await.unwrap();
    let info = plugin.info();
    assert_eq!((info.name.as_str(), info.version.as_str()), ("mask-email", "0.1.0"));
    assert_eq!(info.class_names, ["com.example.MaskEmail"]);
    let key = info.config.get("field").unwrap();
    assert_eq!((&key.default, key.documentation.as_str()), (&Given::Required, "The field that holds the address."));
    assert!(plugin.validate(&RawConfig::from([("field".to_owned(), "email".to_owned())])).await.unwrap().is_empty());
    // What it says of itself is kept beside its code, and read again.
    let again = host.sandbox.load(&file, &host.schemas).await.unwrap();
    assert_eq!(again.info().config.keys.len(), 1);

    let mut transform = again.transform(host.ctx(&[("field", "email")])).await.unwrap();
    transform.configure().await.unwrap();
    let schema = host.schemas.intern(Schema::record([("id", Schema::new(Kind::Int64)), ("email", Schema::new(Kind::Text))]));
    let mut out = row::BatchWriter::new();
    let topic = out.topic("customers");
    for address in ["ada@example.com", "no address"] {
        out.begin(row::RecordMeta {
            topic,
            partition: None,
            offset: None,
            timestamp: None,
            key_schema: None,
            value_schema: Some(schema),
        });
        let value = out.rows().begin(2);
        out.rows().i64(value, 0, 1);
        out.rows().text(value, 1, address);
        out.end_value(value);
        out.end();
    }
    let outcome = transform.apply(&Batch::trusted(out)).await.unwrap();
    assert_eq!(outcome.records.view().record(0).value().unwrap().text(1), "a**@example.com");
    assert_eq!((outcome.records.len(), outcome.failures.len()), (1, 1));
    assert_eq!(outcome.failures[0].code, "mask-email.refused");
    transform.close().await;

    let mut wrong = again.transform(host.ctx(&[])).await.unwrap();
    assert_eq!(wrong.configure().await.unwrap_err().field.as_deref(), Some("field"));
}
