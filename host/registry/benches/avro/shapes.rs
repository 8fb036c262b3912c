//! The records that are measured: for each shape a schema in JsonConverter's form and a thousand different values of it.

use serde_json::{Map, Value, json};

pub struct Shape {
    pub name: &'static str,
    pub schema: Value,
    pub value: fn(&mut Dice) -> Value,
}

/// Numbers that look like chance and are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
    /// Words of lower case letters, together of `min` to `max` bytes.
    fn text(&mut self, min: u64, max: u64) -> String {
        let n = min + self.below(max - min + 1);
        (0..n).map(|i| if i % 7 == 6 { ' ' } else { (b'a' + self.below(26) as u8) as char }).collect()
    }
    fn maybe(&mut self, value: impl FnOnce(&mut Self) -> Value) -> Value {
        if self.below(2) == 0 { Value::Null } else { value(self) }
    }
}

pub fn all() -> Vec<Shape> {
    vec![
        Shape { name: "flat", schema: order("shop.Order"), value: order_value },
        Shape { name: "strings", schema: strings(), value: strings_value },
        Shape { name: "nested", schema: nested(), value: nested_value },
        Shape { name: "array", schema: array(), value: array_value },
        Shape { name: "map", schema: map(), value: map_value },
        Shape { name: "envelope", schema: envelope(), value: envelope_value },
        Shape { name: "logical", schema: logical(), value: logical_value },
        Shape { name: "nullable", schema: nullable(), value: nullable_value },
    ]
}

fn field(name: &str, kind: &str) -> Value {
    json!({ "field": name, "type": kind, "optional": false })
}

fn optional(name: &str, kind: &str) -> Value {
    json!({ "field": name, "type": kind, "optional": true })
}

fn named(mut field: Value, name: &str) -> Value {
    field["name"] = name.into();
    field["version"] = 1.into();
    field
}

fn record(name: &str, fields: impl Into<Value>) -> Value {
    json!({ "type": "struct", "name": name, "optional": false, "fields": fields.into() })
}

fn within(mut schema: Value, name: &str, optional: bool) -> Value {
    schema["field"] = name.into();
    schema["optional"] = optional.into();
    schema
}

fn order(name: &str) -> Value {
    let fields = vec![
        field("id", "int64"),
        field("customer_id", "int32"),
        field("sku", "string"),
        field("quantity", "int32"),
        field("price", "double"),
        field("currency", "string"),
        optional("email", "string"),
        optional("note", "string"),
        field("paid", "boolean"),
        field("created_at", "int64"),
    ];
    record(name, fields)
}

fn order_value(dice: &mut Dice) -> Value {
    let currency = ["EUR", "USD", "JPY"][dice.below(3) as usize];
    json!({
        "id": 48_000_000 + dice.below(1_000_000), "customer_id": dice.below(100_000),
        "sku": format!("SKU-{:06}-BLUE", dice.below(1_000_000)), "quantity": 1 + dice.below(9),
        "price": 0.25 + dice.below(100_000) as f64 / 4.0, "currency": currency,
        "email": format!("someone.{}@example.com", dice.below(10_000)),
        "note": dice.maybe(|d| d.text(20, 60).into()), "paid": dice.below(2) == 1,
        "created_at": 1_763_700_000_000_000 + dice.below(1 << 31),
    })
}

fn strings() -> Value {
    record("shop.Texts", (0..12).map(|i| field(&format!("text_{i}"), "string")).collect::<Vec<_>>())
}

fn strings_value(dice: &mut Dice) -> Value {
    (0..12).map(|i| (format!("text_{i}"), dice.text(5, 100).into())).collect::<Map<_, Value>>().into()
}

fn nested() -> Value {
    let address = record(
        "shop.Address",
        vec![field("street", "string"), field("city", "string"), field("zip", "string"), field("country", "string")],
    );
    let fields = vec![
        field("id", "int64"),
        field("name", "string"),
        within(address.clone(), "address", false),
        within(address, "billing", true),
    ];
    let customer = record("shop.Customer", fields);
    record("shop.Sale", vec![field("id", "int64"), within(customer, "customer", false), field("total", "double")])
}

fn nested_value(dice: &mut Dice) -> Value {
    let address = |d: &mut Dice| json!({ "street": d.text(8, 24), "city": d.text(4, 16), "zip": "10115", "country": "DE" });
    let customer = json!({
        "id": dice.below(1 << 30), "name": dice.text(8, 30), "address": address(dice), "billing": dice.maybe(address),
    });
    json!({ "id": dice.below(1 << 40), "customer": customer, "total": dice.below(100_000) as f64 / 4.0 })
}

fn array() -> Value {
    let item = record("shop.Item", vec![field("sku", "string"), field("quantity", "int32"), field("price", "double")]);
    let list = |name: &str, items: Value| json!({ "field": name, "type": "array", "optional": false, "items": items });
    let fields = vec![
        field("id", "int64"),
        list("items", item),
        list("tags", json!({ "type": "string", "optional": false })),
        list("readings", json!({ "type": "int64", "optional": false })),
    ];
    record("shop.Basket", fields)
}

fn array_value(dice: &mut Dice) -> Value {
    let item = |d: &mut Dice| json!({ "sku": d.text(8, 16), "quantity": 1 + d.below(9), "price": d.below(1000) as f64 / 4.0 });
    let items: Vec<Value> = (0..2 + dice.below(6)).map(|_| item(dice)).collect();
    let tags: Vec<Value> = (0..dice.below(6)).map(|_| dice.text(3, 12).into()).collect();
    let readings: Vec<Value> = (0..20).map(|_| dice.below(1 << 20).into()).collect();
    json!({ "id": dice.below(1 << 40), "items": items, "tags": tags, "readings": readings })
}

fn map() -> Value {
    let map = |name: &str, values: &str| {
        json!({ "field": name, "type": "map", "optional": false, "keys": { "type": "string", "optional": false },
                "values": { "type": values, "optional": false } })
    };
    record("shop.Labels", vec![field("id", "int64"), map("labels", "string"), map("counts", "int64")])
}

fn map_value(dice: &mut Dice) -> Value {
    let keys = ["colour", "size", "season", "origin", "fabric", "supplier", "warehouse", "shelf"];
    let labels: Map<String, Value> = keys.iter().map(|k| ((*k).to_owned(), dice.text(3, 20).into())).collect();
    let counts: Map<String, Value> = keys.iter().map(|k| ((*k).to_owned(), dice.below(1 << 20).into())).collect();
    json!({ "id": dice.below(1 << 40), "labels": labels, "counts": counts })
}

fn envelope() -> Value {
    let row = order("shop.public.orders.Value");
    let fields = vec![
        field("version", "string"),
        field("connector", "string"),
        field("name", "string"),
        field("ts_ms", "int64"),
        optional("snapshot", "string"),
        field("db", "string"),
        optional("sequence", "string"),
        field("schema", "string"),
        field("table", "string"),
        optional("txId", "int64"),
        optional("lsn", "int64"),
        optional("xmin", "int64"),
        optional("origin", "string"),
    ];
    let source = record("io.debezium.connector.postgresql.Source", fields);
    let fields = vec![
        within(row.clone(), "before", true),
        within(row, "after", true),
        within(source, "source", false),
        field("op", "string"),
        optional("ts_ms", "int64"),
    ];
    record("shop.public.orders.Envelope", fields)
}

fn envelope_value(dice: &mut Dice) -> Value {
    let lsn = 24_000_000 + dice.below(1_000_000);
    let source = json!({
        "version": "3.6.0.Final", "connector": "postgresql", "name": "shop", "ts_ms": 1_763_700_000_000u64 + dice.below(1 << 20),
        "snapshot": "false", "db": "shop", "sequence": format!("[\"{lsn}\",\"{}\"]", lsn + 72), "schema": "public",
        "table": "orders", "txId": 700 + dice.below(1000), "lsn": lsn, "xmin": null, "origin": null,
    });
    let (before, op) = match dice.below(2) {
        0 => (Value::Null, "c"),
        _ => (order_value(dice), "u"),
    };
    json!({ "before": before, "after": order_value(dice), "source": source, "op": op, "ts_ms": 1_763_700_000_200u64 })
}

fn logical() -> Value {
    let data = |name: &str| format!("org.apache.kafka.connect.data.{name}");
    let mut price = named(field("price", "bytes"), &data("Decimal"));
    price["parameters"] = json!({ "scale": "2", "connect.decimal.precision": "18" });
    let mut discount = price.clone();
    (discount["field"], discount["optional"]) = ("discount".into(), true.into());
    let fields = vec![
        field("id", "int64"),
        price,
        discount,
        named(field("day", "int32"), &data("Date")),
        named(optional("shipped", "int32"), &data("Date")),
        named(field("clock", "int32"), &data("Time")),
        named(field("moment", "int64"), &data("Timestamp")),
        named(optional("changed", "int64"), &data("Timestamp")),
    ];
    record("shop.Times", fields)
}

fn logical_value(dice: &mut Dice) -> Value {
    use base64::Engine;
    let decimal = |d: &mut Dice| {
        let unscaled = (1_000_000 + d.below(1 << 22)) as u32;
        Value::from(base64::engine::general_purpose::STANDARD.encode(&unscaled.to_be_bytes()[1..]))
    };
    json!({
        "id": dice.below(1 << 40), "price": decimal(dice), "discount": dice.maybe(decimal), "day": 20_000 + dice.below(1000),
        "shipped": dice.maybe(|d| (20_000 + d.below(1000)).into()), "clock": dice.below(86_400_000),
        "moment": 1_763_700_000_000u64 + dice.below(1 << 30),
        "changed": dice.maybe(|d| (1_763_700_000_000 + d.below(1 << 30)).into()),
    })
}

/// What the twenty nullable fields hold, by turns.
const NULLABLE: [&str; 5] = ["int64", "string", "boolean", "double", "int32"];

fn nullable() -> Value {
    record("shop.Sparse", (0..20).map(|i| optional(&format!("field_{i}"), NULLABLE[i % 5])).collect::<Vec<_>>())
}

fn nullable_value(dice: &mut Dice) -> Value {
    let value = |i: usize, d: &mut Dice| match NULLABLE[i % 5] {
        "int64" => d.below(1 << 40).into(),
        "string" => d.text(3, 20).into(),
        "boolean" => (d.below(2) == 1).into(),
        "double" => (0.25 + d.below(1000) as f64).into(),
        _ => d.below(1 << 20).into(),
    };
    (0..20).map(|i| (format!("field_{i}"), dice.maybe(|d| value(i, d)))).collect::<Map<_, Value>>().into()
}
