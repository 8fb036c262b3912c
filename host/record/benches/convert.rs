//! JSON to packed rows and back, beside `serde_json::Value` and a typed struct by serde: nanoseconds a record, the least and
//! the median of several runs. Prints a table; asserts nothing but that both ways agree.

use std::hint::black_box;
use std::time::Instant;

use millrace_record::convert::{Converter, converter};
use millrace_record::row::{BatchWriter, RecordMeta, Row, RowBuf};
use millrace_record::{Batch, Kind, RawConfig, Schema, Schemas};
use serde::{Deserialize, Serialize};

const ROUNDS: usize = 15;
const RECORDS: usize = 20_000;

/// The least and the median over rounds of the time of one call, in nanoseconds: on a busy machine the least says more.
fn time(mut f: impl FnMut()) -> (f64, f64) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..RECORDS {
                f();
            }
            start.elapsed().as_nanos() as f64 / RECORDS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    (rounds[0], rounds[ROUNDS / 2])
}

#[derive(Serialize, Deserialize)]
struct Order {
    id: i64,
    customer_id: i32,
    sku: String,
    quantity: i32,
    price: f64,
    currency: String,
    email: Option<String>,
    note: Option<String>,
    paid: bool,
    created_at: i64,
}

#[derive(Serialize, Deserialize)]
struct Origin {
    version: String,
    connector: String,
    name: String,
    ts_ms: i64,
    snapshot: Option<String>,
    db: String,
    sequence: Option<String>,
    schema: String,
    table: String,
    #[serde(rename = "txId")]
    tx_id: Option<i64>,
    lsn: Option<i64>,
    xmin: Option<i64>,
    origin: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    before: Option<Order>,
    after: Option<Order>,
    source: Origin,
    op: String,
    ts_ms: Option<i64>,
}

const ORDER: &str = r#"{"id":48210017,"customer_id":90211,"sku":"SKU-000481-BLUE","quantity":3,"price":129.95,"currency":"EUR","email":"someone.with.a.name@example.com","note":"leave it with the neighbour, ring twice please","paid":true,"created_at":1763700000123456}"#;
const SOURCE: &str = r#"{"version":"3.6.0.Final","connector":"postgresql","name":"shop","ts_ms":1763700000123,"snapshot":"false","db":"shop","sequence":"[\"24023128\",\"24023200\"]","schema":"public","table":"orders","txId":771,"lsn":24023200,"xmin":null,"origin":null}"#;

fn order() -> Schema {
    let optional = |kind| Schema::new(kind).optional();
    Schema::record([
        ("id", Schema::new(Kind::Int64)),
        ("customer_id", Schema::new(Kind::Int32)),
        ("sku", Schema::new(Kind::Text)),
        ("quantity", Schema::new(Kind::Int32)),
        ("price", Schema::new(Kind::Float64)),
        ("currency", Schema::new(Kind::Text)),
        ("email", optional(Kind::Text)),
        ("note", optional(Kind::Text)),
        ("paid", Schema::new(Kind::Boolean)),
        ("created_at", Schema::new(Kind::Int64).named("io.debezium.time.MicroTimestamp")),
    ])
}

fn envelope() -> Schema {
    let optional = |kind| Schema::new(kind).optional();
    let source = Schema::record([
        ("version", Schema::new(Kind::Text)),
        ("connector", Schema::new(Kind::Text)),
        ("name", Schema::new(Kind::Text)),
        ("ts_ms", Schema::new(Kind::Int64)),
        ("snapshot", optional(Kind::Text)),
        ("db", Schema::new(Kind::Text)),
        ("sequence", optional(Kind::Text)),
        ("schema", Schema::new(Kind::Text)),
        ("table", Schema::new(Kind::Text)),
        ("txId", optional(Kind::Int64)),
        ("lsn", optional(Kind::Int64)),
        ("xmin", optional(Kind::Int64)),
        ("origin", optional(Kind::Text)),
    ]);
    Schema::record([
        ("before", order().named("shop.public.orders.Value").optional()),
        ("after", order().named("shop.public.orders.Value").optional()),
        ("source", source.named("io.debezium.connector.postgresql.Source")),
        ("op", Schema::new(Kind::Text)),
        ("ts_ms", optional(Kind::Int64)),
    ])
    .named("shop.public.orders.Envelope")
}

fn json(schemas: &std::sync::Arc<Schemas>, enable: bool) -> Box<dyn Converter> {
    let config = RawConfig::from([("schemas.enable".to_owned(), enable.to_string())]);
    converter("JsonConverter", false, &config, schemas).expect("a converter")
}

fn compare<T: Serialize + for<'a> Deserialize<'a>>(name: &str, schema: Schema, payload: &str) {
    let schemas = Schemas::new();
    let id = schemas.intern(schema);
    let (mut with, mut without) = (json(&schemas, true), json(&schemas, false));
    // The envelope's opening, from a schema and no value.
    let mut enveloped = Vec::new();
    let placeholder = with.encode("t", Some(id), None, &mut enveloped);
    assert!(placeholder.is_err() && enveloped.is_empty(), "the root is required");
    let optional = schemas.intern((*schemas.get(id).expect("interned")).clone().optional());
    with.encode("t", Some(optional), None, &mut enveloped).expect("null is allowed");
    enveloped.truncate(enveloped.len() - "null}".len());
    enveloped.extend_from_slice(payload.as_bytes());
    enveloped.push(b'}');

    let mut rows = RowBuf::new();
    let read = with.decode("t", Some(&enveloped), &mut rows).expect("decodes");
    let id = read.flatten().expect("has a schema");
    let row = Row::new(rows.as_bytes()).expect("a row");
    let mut out = Vec::new();
    without.encode("t", Some(id), Some(row), &mut out).expect("encodes");
    assert_eq!(std::str::from_utf8(&out).expect("text"), payload);

    let mut out = Vec::with_capacity(16 << 10);
    let mut scratch = RowBuf::with_capacity(16 << 10);
    let value: serde_json::Value = serde_json::from_str(payload).expect("JSON");
    let typed: T = serde_json::from_str(payload).expect("fits");
    println!("{name}: payload {} B, with its schema {} B, row {} B", payload.len(), enveloped.len(), rows.size());
    let line = |what: &str, (least, median): (f64, f64)| println!("  {what:<42} {least:>8.0} {median:>8.0} ns");
    line(
        "encode, schemas off",
        time(|| {
            out.clear();
            black_box(without.encode("t", Some(id), Some(row), &mut out)).expect("encodes");
        }),
    );
    line(
        "encode, schemas on",
        time(|| {
            out.clear();
            black_box(with.encode("t", Some(id), Some(row), &mut out)).expect("encodes");
        }),
    );
    line(
        "encode, serde_json::Value",
        time(|| {
            out.clear();
            serde_json::to_writer(&mut out, black_box(&value)).expect("encodes");
        }),
    );
    line(
        "encode, typed struct by serde",
        time(|| {
            out.clear();
            serde_json::to_writer(&mut out, black_box(&typed)).expect("encodes");
        }),
    );
    line(
        "decode, schemas on, into typed rows",
        time(|| {
            scratch.clear();
            black_box(with.decode("t", Some(&enveloped), &mut scratch)).expect("decodes");
        }),
    );
    line(
        "decode, schemas off, schemaless",
        time(|| {
            scratch.clear();
            black_box(without.decode("t", Some(payload.as_bytes()), &mut scratch)).expect("decodes");
        }),
    );
    line(
        "decode, serde_json::Value, payload only",
        time(|| {
            black_box(serde_json::from_slice::<serde_json::Value>(black_box(payload.as_bytes()))).expect("decodes");
        }),
    );
    line(
        "decode, serde_json::Value, with its schema",
        time(|| {
            black_box(serde_json::from_slice::<serde_json::Value>(black_box(&enveloped))).expect("decodes");
        }),
    );
    line(
        "decode, typed struct by serde, payload only",
        time(|| {
            black_box(serde_json::from_slice::<T>(black_box(payload.as_bytes()))).expect("decodes");
        }),
    );

    let mut writer = BatchWriter::new();
    for _ in 0..500 {
        let topic = writer.topic("t");
        let meta = RecordMeta { topic, partition: None, offset: None, timestamp: None, key_schema: None, value_schema: Some(id) };
        writer.begin(meta);
        writer.value(row);
        writer.end();
    }
    let bytes = Batch::trusted(writer).bytes().clone();
    let mut rounds: Vec<f64> = (0..201)
        .map(|_| {
            let start = Instant::now();
            black_box(Batch::check(bytes.clone(), &schemas)).expect("fits");
            start.elapsed().as_nanos() as f64 / 500.0
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    line("check of a guest's batch of 500", (rounds[0], rounds[100]));
}

fn main() {
    compare::<Order>("order, 10 fields", order(), ORDER);
    let event = format!(r#"{{"before":null,"after":{ORDER},"source":{SOURCE},"op":"c","ts_ms":1763700000200}}"#);
    compare::<Envelope>("Debezium envelope", envelope(), &event);
}
