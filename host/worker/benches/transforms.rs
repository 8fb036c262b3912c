//! A chain of three of Kafka Connect's transforms over batches, with a schema and without: nanoseconds a record, the least and
//! the median of several runs, of each transform alone too. `cargo bench -p millrace --bench transforms` prints a table.

use std::sync::Arc;
use std::time::Instant;

use millrace_record::convert::converter;
use millrace_record::row::{BatchWriter, RecordMeta};
use millrace_record::{Batch, RawConfig, Schemas, TaskContext, Transform, Wake};
use millrace_worker::plugins;

const ROUNDS: usize = 25;
const RECORDS: usize = 2_000;

const SCHEMA: &str = r#"{"type":"struct","optional":false,"name":"shop.public.orders.Value","fields":[{"field":"id","type":"int64","optional":false},{"field":"customer_id","type":"int32","optional":false},{"field":"sku","type":"string","optional":false},{"field":"quantity","type":"int32","optional":false},{"field":"price","type":"double","optional":false},{"field":"currency","type":"string","optional":false},{"field":"email","type":"string","optional":true},{"field":"note","type":"string","optional":true},{"field":"paid","type":"boolean","optional":false},{"field":"created_at","type":"int64","optional":false}]}"#;
const ORDER: &str = r#"{"id":48210017,"customer_id":90211,"sku":"SKU-000481-BLUE","quantity":3,"price":129.95,"currency":"EUR","email":"someone.with.a.name@example.com","note":"leave it with the neighbour, ring twice please","paid":true,"created_at":1763700000123}"#;

const CHAIN: [(&str, &[(&str, &str)]); 3] = [
    ("MaskField$Value", &[("fields", "email"), ("replacement", "***")]),
    ("ReplaceField$Value", &[("exclude", "note"), ("renames", "sku:article")]),
    ("Cast$Value", &[("spec", "quantity:int64,id:string")]),
];
const MORE: [(&str, &[(&str, &str)]); 3] = [
    ("InsertField$Value", &[("topic.field", "topic"), ("timestamp.field", "at")]),
    ("TimestampConverter$Value", &[("field", "created_at"), ("target.type", "string"), ("format", "yyyy-MM-dd HH:mm:ss.SSS")]),
    ("ValueToKey", &[("fields", "id,customer_id")]),
];

fn batch(schemas: &Arc<Schemas>, with_schema: bool) -> Batch {
    let config = RawConfig::from([("schemas.enable".to_owned(), with_schema.to_string())]);
    let mut json = converter("JsonConverter", false, &config, schemas).expect("a converter");
    let text = if with_schema { format!("{{\"schema\":{SCHEMA},\"payload\":{ORDER}}}") } else { ORDER.to_owned() };
    let mut writer = BatchWriter::new();
    for i in 0..RECORDS as i64 {
        let topic = writer.topic("orders");
        let meta = RecordMeta {
            topic,
            partition: Some(0),
            offset: Some(i),
            timestamp: Some(1_763_700_000_123 + i),
            key_schema: None,
            value_schema: None,
        };
        writer.begin(meta);
        writer.value_with(|rows| json.decode("orders", Some(text.as_bytes()), rows)).expect("it is read");
        writer.end();
    }
    Batch::trusted(writer)
}

async fn make(schemas: &Arc<Schemas>, name: &str, settings: &[(&str, &str)]) -> Box<dyn Transform> {
    let all = plugins::native_transforms(&Arc::default());
    let plugin = all.iter().find(|p| p.info().name == name).expect("a transform of this name");
    let context = TaskContext {
        connector: "bench".into(),
        task: 0,
        config: settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        alias: Some("t".into()),
        schemas: schemas.clone(),
        wake: Wake::default(),
        grants: Vec::new(),
        services: Default::default(),
    };
    plugin.transform(context).await.expect("its settings are right")
}

/// Least and median nanoseconds a record.
async fn time(chain: &mut [Box<dyn Transform>], batch: &Batch) -> (f64, f64) {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut at = batch.clone();
        for transform in chain.iter_mut() {
            let outcome = transform.apply(&at).await.expect("no fatal error");
            assert!(outcome.failures.is_empty() && outcome.records.len() == batch.len());
            at = outcome.records;
        }
        rounds.push(start.elapsed().as_nanos() as f64 / batch.len() as f64);
    }
    rounds.sort_by(f64::total_cmp);
    (rounds[0], rounds[ROUNDS / 2])
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("nanoseconds a record of {} bytes, {RECORDS} a batch: least, median", ORDER.len());
    for with_schema in [true, false] {
        let schemas = Schemas::new();
        let batch = batch(&schemas, with_schema);
        println!("\n{}", if with_schema { "with a schema" } else { "without a schema" });
        let mut chain = Vec::new();
        for (name, settings) in CHAIN {
            chain.push(make(&schemas, name, settings).await);
        }
        let (least, median) = time(&mut chain, &batch).await;
        println!("{:28}{least:9.0}{median:9.0}", "chain of the next three");
        for (name, settings) in CHAIN.into_iter().chain(MORE) {
            let mut alone = [make(&schemas, name, settings).await];
            let (least, median) = time(&mut alone, &batch).await;
            println!("{name:28}{least:9.0}{median:9.0}");
        }
    }
}
