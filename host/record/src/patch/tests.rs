use super::*;
use crate::view::{column, documents};

fn batch(schemas: &Schemas) -> Batch {
    let after = Schema::record([("id", Schema::new(Kind::Int32)), ("email", Schema::new(Kind::Text).optional())]).optional();
    let value = schemas.intern(Schema::record([
        ("after", after),
        ("op", Schema::new(Kind::Text)),
        ("tags", Schema::list(Schema::new(Kind::Text))),
    ]));
    let key = schemas.intern(Schema::record([("id", Schema::new(Kind::Int32))]));
    let mut w = BatchWriter::new();
    let topic = w.topic("t");
    for i in 0..3i64 {
        let meta = RecordMeta {
            topic,
            partition: None,
            offset: Some(i),
            timestamp: Some(5),
            key_schema: Some(key),
            value_schema: Some(value),
        };
        w.begin(meta);
        let row = w.rows().begin(3);
        if i < 2 {
            let after = w.rows().begin(2);
            w.rows().i64(after, 0, i);
            w.rows().text(after, 1, &format!("user{i}@example.com"));
            w.rows().end_nested(row, 0, after);
        }
        w.rows().text(row, 1, "c");
        let tags = w.rows().begin(2);
        w.rows().text(tags, 0, "x");
        w.rows().text(tags, 1, "y");
        w.rows().end_nested(row, 2, tags);
        w.end_value(row);
        let row = w.rows().begin(1);
        w.rows().i64(row, 0, i);
        w.end_key(row);
        w.end();
    }
    let json = RecordMeta { topic, partition: None, offset: Some(3), timestamp: None, key_schema: None, value_schema: None };
    w.begin(json);
    let row = w.rows().begin(1);
    w.rows().text(row, 0, r#"{"after":{"email":"json@example.com","id":9},"op":"u"}"#);
    w.end_value(row);
    w.end();
    w.begin(json);
    w.end();
    Batch::trusted(w)
}

fn texts(values: &[&str], nulls: Vec<u8>) -> Column {
    Column { nulls, data: ColumnData::Texts(values.iter().map(|v| v.to_string()).collect()) }
}

#[test]
fn columns_are_found_at_any_depth() {
    let schemas = Schemas::new();
    let batch = batch(&schemas);
    let check = |path: &str, expected: Column| assert_eq!(column(&batch, &schemas, path, false).unwrap(), expected, "{path}");
    check("value.after.email", texts(&["user0@example.com", "user1@example.com", "", "json@example.com", ""], vec![0b10100]));
    check("value.after.id", Column { nulls: vec![0b10100], data: ColumnData::Int64s(vec![0, 1, 0, 9, 0]) });
    check("key.id", Column { nulls: vec![0b11000], data: ColumnData::Int64s(vec![0, 1, 2, 0, 0]) });
    check("offset", Column { nulls: vec![], data: ColumnData::Int64s(vec![0, 1, 2, 3, 3]) });
    check("topic", texts(&["t"; 5], vec![]));
    check("value.tags", texts(&["[\"x\",\"y\"]", "[\"x\",\"y\"]", "[\"x\",\"y\"]", "", ""], vec![0b11000]));
    let packed = column(&batch, &schemas, "value.op", true).unwrap();
    assert_eq!(packed.data, ColumnData::Packed { offsets: vec![0, 1, 2, 3, 4, 4], data: b"cccu".to_vec() });
    assert!(column(&batch, &schemas, "value.nothing", false).unwrap_err().contains("value.nothing"));
    assert!(column(&batch, &schemas, "nothing", false).is_err());
    let docs = documents(&batch, &schemas, "value").unwrap();
    assert_eq!(docs[0].as_deref(), Some(r#"{"after":{"id":0,"email":"user0@example.com"},"op":"c","tags":["x","y"]}"#));
    assert_eq!(docs[4], None);
    assert!(documents(&batch, &schemas, "headers").is_err());
}

#[test]
fn packed_columns_are_those_of_cells() {
    let schemas = Schemas::new();
    // Without the record that has no schema: all texts have one place.
    let patch = Patch { drop_rows: vec![3], ..Patch::default() };
    let (batch, _) = apply(&batch(&schemas), &schemas, &Quota::default(), &patch).unwrap();
    let check = |path: &str, nulls: u8, offsets: [u32; 5], data: &str| {
        let expected = ColumnData::Packed { offsets: offsets.to_vec(), data: data.as_bytes().to_vec() };
        assert_eq!(column(&batch, &schemas, path, true).unwrap(), Column { nulls: vec![nulls], data: expected }, "{path}");
    };
    check("value.after.email", 0b1100, [0, 17, 34, 34, 34], "user0@example.comuser1@example.com");
    check("value.op", 0b1000, [0, 1, 2, 3, 3], "ccc");
    check("value.tags", 0b1000, [0, 9, 18, 27, 27], &"[\"x\",\"y\"]".repeat(3));
    assert!(column(&batch, &schemas, "value.nothing", true).unwrap_err().contains("value.nothing"));
    assert_eq!(column(&batch, &schemas, "key.id", true).unwrap().data, ColumnData::Int64s(vec![0, 1, 2, 0]));
}

#[test]
fn a_patch_edits_what_it_names() {
    let schemas = Schemas::new();
    let batch = batch(&schemas);
    let patch = Patch {
        drop_rows: vec![1],
        remove_fields: vec!["value.tags".into(), "value.missing".into(), "header.none".into()],
        set: vec![
            ("value.after.email".into(), texts(&["***"; 5], vec![])),
            ("value.seen".into(), Column { nulls: vec![], data: ColumnData::Int64s(vec![7; 5]) }),
            ("header.trace".into(), texts(&["a", "b", "c", "d", "e"], vec![])),
        ],
    };
    let (out, origin) = apply(&batch, &schemas, &Quota::default(), &patch).unwrap();
    Batch::check(out.bytes().clone(), &schemas).unwrap();
    assert_eq!(origin, Some(vec![0, 2, 3, 4]));
    let docs = documents(&out, &schemas, "value").unwrap();
    assert_eq!(docs[0].as_deref(), Some(r#"{"after":{"id":0,"email":"***"},"op":"c","seen":7}"#));
    assert_eq!(docs[1].as_deref(), Some(r#"{"after":null,"op":"c","seen":7}"#));
    assert_eq!(docs[2].as_deref(), Some(r#"{"after":{"email":"***","id":9},"op":"u","seen":7}"#));
    assert_eq!(docs[3], None);
    assert_eq!(column(&out, &schemas, "header.trace", false).unwrap(), texts(&["a", "c", "d", "e"], vec![]));
    assert_eq!(column(&out, &schemas, "key.id", false).unwrap().data, ColumnData::Int64s(vec![0, 2, 0, 0]));

    let only_drops = Patch { drop_rows: vec![0, 1, 2, 3], ..Patch::default() };
    assert_eq!(apply(&batch, &schemas, &Quota::default(), &only_drops).unwrap().0.len(), 1);
    let nothing = apply(&batch, &schemas, &Quota::default(), &Patch::default()).unwrap();
    assert_eq!((nothing.0.bytes(), nothing.1), (batch.bytes(), None));
}

#[test]
fn patches_that_cannot_be_are_refused() {
    let schemas = Schemas::new();
    let batch = batch(&schemas);
    let check = |patch: Patch, words: &str| {
        let error = apply(&batch, &schemas, &Quota::default(), &patch).unwrap_err();
        assert!(error.contains(words), "{error}");
    };
    let setting = |path: &str, column: Column| Patch { set: vec![(path.into(), column)], ..Patch::default() };
    let ints = |values: Vec<i64>| Column { nulls: vec![], data: ColumnData::Int64s(values) };
    check(Patch { drop_rows: vec![5], ..Patch::default() }, "row 5 to drop of a batch of 5");
    check(Patch { remove_fields: vec!["value".into()], ..Patch::default() }, "only what is below");
    check(setting("value.op", ints(vec![1; 4])), "4 values for 5 rows");
    check(setting("value.op", ints(vec![1; 5])), "does not fit its schema, a Text");
    check(setting("key.id", ints(vec![1 << 40; 5])), "does not fit its schema, a Int32");
    check(setting("value.op", texts(&[""; 5], vec![1])), "null, but required");
    check(setting("value.tags.x", ints(vec![1; 5])), "a field below \"tags\"");
    check(setting("value", texts(&["x"; 5], vec![])), "is a struct: set its fields");
    check(setting("nonsense", ints(vec![1; 5])), "not a path of a record");
    let packed = Column { nulls: vec![], data: ColumnData::Packed { offsets: vec![0, 9, 1, 1, 1, 1], data: vec![1] } };
    check(setting("value.op", packed), "do not rise");
}

/// Numbers that no double holds survive an edit beside them; a decimal is set by its number.
#[test]
fn what_is_not_touched_keeps_its_digits() {
    let schemas = Schemas::new();
    let mut price = Schema::new(Kind::Bytes).named("org.apache.kafka.connect.data.Decimal");
    price.parameters.push(("scale".into(), "2".into()));
    let typed = schemas.intern(Schema::record([("price", price)]));
    let mut w = BatchWriter::new();
    let topic = w.topic("t");
    let meta = RecordMeta { topic, partition: None, offset: None, timestamp: None, key_schema: None, value_schema: None };
    w.begin(meta);
    let row = w.rows().begin(1);
    w.rows().text(row, 0, r#"{"price":0,"n":1.10,"big":123456789012345678901234567890}"#);
    w.end_value(row);
    w.end();
    w.begin(RecordMeta { value_schema: Some(typed), ..meta });
    let row = w.rows().begin(1);
    w.rows().bytes(row, 0, &[1]);
    w.end_value(row);
    w.end();
    let patch = Patch { set: vec![("value.price".into(), texts(&["x", "1.50"], vec![0b01]))], ..Patch::default() };
    let (out, _) = apply(&Batch::trusted(w), &schemas, &Quota::default(), &patch).unwrap();
    let documents = documents(&out, &schemas, "value").unwrap();
    let untouched = r#"{"price":null,"n":1.10,"big":123456789012345678901234567890}"#;
    assert_eq!(documents[0].as_deref(), Some(untouched));
    assert_eq!(documents[1].as_deref(), Some(r#"{"price":"AJY="}"#));
}
