//! Orders of ten fields and some 300 bytes: what the benchmarks give to transforms.

use millrace_record::{Batch, Kind, Schema, Schemas, row};

pub const FIELDS: [(&str, Kind); 10] = [
    ("id", Kind::Int64),
    ("customer", Kind::Text),
    ("email", Kind::Text),
    ("city", Kind::Text),
    ("note", Kind::Text),
    ("amount", Kind::Float64),
    ("quantity", Kind::Int32),
    ("paid", Kind::Boolean),
    ("created", Kind::Int64),
    ("updated", Kind::Int64),
];

/// `n` of them, all different.
pub fn batch(schemas: &Schemas, n: usize) -> Batch {
    let schema = schemas.intern(Schema::record(FIELDS.map(|(name, kind)| (name, Schema::new(kind)))));
    let key = schemas.intern(Schema::record([("id", Schema::new(Kind::Int64))]));
    let mut out = row::BatchWriter::new();
    let topic = out.topic("shop.public.orders");
    for i in 0..n {
        out.begin(row::RecordMeta {
            topic,
            partition: Some(0),
            offset: Some(i as i64),
            timestamp: Some(1_700_000_000_000),
            key_schema: Some(key),
            value_schema: Some(schema),
        });
        let rows = out.rows();
        let value = rows.begin(FIELDS.len());
        rows.i64(value, 0, i as i64);
        rows.text(value, 1, &format!("customer number {i}"));
        rows.text(value, 2, &format!("customer.{i}@example.com"));
        rows.text(value, 3, "Saint-Germain-en-Laye");
        rows.text(value, 4, "leave it with the neighbours, the bell does not ring and the dog is friendly enough");
        rows.f64(value, 5, 99.5);
        rows.i64(value, 6, 3);
        rows.bool(value, 7, true);
        rows.i64(value, 8, 1_700_000_000_000);
        rows.i64(value, 9, 1_700_000_000_001);
        out.end_value(value);
        let row = out.rows().begin(1);
        out.rows().i64(row, 0, i as i64);
        out.end_key(row);
        out.end();
    }
    Batch::trusted(out)
}
