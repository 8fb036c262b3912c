use std::rc::Rc;

use millrace_plugin::{
    Batch, BatchWriter, Config, Encoded, Outcome, Output, RecordMeta, Schema, TaskContext, Transform, row, schema,
};

use crate::{MaskEmail, address};

fn masked(text: &str) -> Result<String, &'static str> {
    let mut out = Vec::new();
    address::mask(text, &mut out).map(|()| String::from_utf8(out).unwrap())
}

#[test]
fn addresses() {
    assert_eq!(masked("ada@example.com").unwrap(), "a**@example.com");
    assert_eq!(masked("é@x").unwrap(), "é@x");
    for wrong in ["", "ada", "@example.com", "ada@", "a@b@c", "ada@ex ample"] {
        assert!(masked(wrong).is_err(), "{wrong}");
    }
}

fn customer() -> Schema {
    Schema::record().field("id", Schema::int32()).field("email", Schema::text().optional())
}

fn event() -> Schema {
    let row = Rc::new(customer().optional());
    Schema::record().field("before", row.clone()).field("after", row).field("op", Schema::text())
}

/// A batch of change events, or of flat structs; a null address is `None`.
fn batch(is_event: bool, emails: &[Option<&str>]) -> Batch<'static> {
    let id = schema::intern(&Rc::new(if is_event { event() } else { customer() })).unwrap();
    let mut w = BatchWriter::new();
    let topic = w.topic("shop.public.customers");
    for email in emails {
        w.begin(RecordMeta {
            topic,
            partition: Some(0),
            offset: Some(1),
            timestamp: None,
            key_schema: None,
            value_schema: Some(id),
        });
        let root = is_event.then(|| w.rows().begin(3));
        let customer = w.rows().begin(2);
        w.rows().i64(customer, 0, 7);
        if let Some(email) = email {
            w.rows().text(customer, 1, email);
        }
        if let Some(root) = root {
            w.rows().end_nested(root, 1, customer);
            w.rows().text(root, 2, "c");
        }
        w.end_value(root.unwrap_or(customer));
        w.end();
    }
    Batch::from_rows(w.finish())
}

fn apply(batch: &Batch<'_>) -> Outcome {
    let config = Config::new([("field", "email")]);
    MaskEmail::configure(TaskContext::for_test(config)).unwrap().apply(batch).unwrap()
}

fn output(outcome: &Outcome) -> (Vec<u8>, Vec<u32>) {
    match &outcome.output {
        Output::Replace(r) => match &r.records {
            Encoded::Rows(bytes) => (bytes.clone(), r.origin.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn flat_structs_and_change_events_are_masked_and_nulls_stay() {
    for is_event in [false, true] {
        let outcome = apply(&batch(is_event, &[Some("ada@example.com"), None]));
        let (bytes, origin) = output(&outcome);
        let out = row::Batch::parse(&bytes).unwrap();
        assert_eq!(origin, [0, 1]);
        let email = |i: usize| {
            let value = out.record(i).value().unwrap();
            let customer = if is_event { value.row(1).unwrap() } else { value };
            assert_eq!(customer.i64(0), 7);
            (!customer.is_null(1)).then(|| customer.text(1).to_owned())
        };
        assert_eq!((email(0).as_deref(), email(1)), (Some("a**@example.com"), None));
    }
}

#[test]
fn a_malformed_address_is_poison_and_not_told() {
    let outcome = apply(&batch(true, &[Some("ada@example.com"), Some("secret"), Some("bob@example.com")]));
    assert_eq!(output(&outcome).1, [0, 2]);
    let failure = &outcome.failures[0];
    assert_eq!((failure.row, failure.retriable), (1, false));
    assert_eq!(failure.message, "\"email\" holds no e-mail address: there is no \"@\" in it");
}

#[test]
fn what_has_no_schema_is_never_let_through() {
    let mut w = BatchWriter::new();
    let topic = w.topic("t");
    w.begin(RecordMeta { topic, partition: None, offset: None, timestamp: None, key_schema: None, value_schema: None });
    let row = w.rows().begin(1);
    w.rows().text(row, 0, "{\"email\":\"ada@example.com\"}");
    w.end_value(row);
    w.end();
    let outcome = apply(&Batch::from_rows(w.finish()));
    assert!(output(&outcome).1.is_empty());
    assert!(outcome.failures[0].message.contains("no schema"));
}

/// Nanoseconds a record, natively: `cargo test --release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let batch = batch(true, &[Some("ada.lovelace@example.com"); 500]);
    let mut transform = MaskEmail::configure(TaskContext::for_test(Config::new([("field", "email")]))).unwrap();
    let start = std::time::Instant::now();
    let calls = 20_000;
    for _ in 0..calls {
        std::hint::black_box(transform.apply(&batch).unwrap());
    }
    println!("{:.0} ns a record", start.elapsed().as_nanos() as f64 / (calls as f64 * 500.0));
}
