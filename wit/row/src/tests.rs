use super::*;

fn one_record() -> Vec<u8> {
    let mut w = BatchWriter::new();
    let topic = w.topic("shop.public.orders");
    w.begin(RecordMeta {
        topic,
        partition: None,
        offset: Some(7),
        timestamp: Some(1_000),
        key_schema: Some(1),
        value_schema: None,
    });
    let row = w.rows().begin(70);
    w.rows().i64(row, 0, -5);
    w.rows().text(row, 69, "naïve");
    let nested = w.rows().begin(2);
    w.rows().f64(nested, 1, 1.5);
    w.rows().end_nested(row, 65, nested);
    w.end_value(row);
    let key = w.rows().begin(1);
    w.rows().bool(key, 0, true);
    w.end_key(key);
    let mut h = RowBuf::new();
    let m = h.begin(1);
    h.text(m, 0, "trace");
    w.header(Header { name: "x", schema: Some(3), value: Row::new(h.as_bytes()) });
    w.header(Header { name: "empty", schema: None, value: None });
    w.end();
    w.begin(RecordMeta { topic, partition: Some(2), offset: None, timestamp: None, key_schema: None, value_schema: None });
    w.end();
    w.finish()
}

#[test]
fn reads_back_what_was_written() {
    let bytes = one_record();
    let batch = Batch::parse(&bytes).unwrap();
    assert_eq!(batch.len(), 2);
    let r = batch.record(0);
    assert_eq!(
        (batch.topic_of(&r), r.partition(), r.offset(), r.timestamp()),
        ("shop.public.orders", None, Some(7), Some(1_000))
    );
    assert_eq!((r.key_schema(), r.value_schema()), (Some(1), None));
    let v = r.value().unwrap();
    assert_eq!((v.len(), v.i64(0), v.text(69)), (70, -5, "naïve"));
    assert!(v.is_null(1) && v.is_null(64) && !v.is_null(69) && v.is_null(70));
    let nested = v.row(65).unwrap();
    assert!(nested.is_null(0) && nested.f64(1) == 1.5);
    assert!(r.key().unwrap().bool(0));
    let headers: Vec<_> = r.headers().map(|h| (h.name, h.schema, h.value.map(|v| v.text(0)))).collect();
    assert_eq!(headers, [("x", Some(3), Some("trace")), ("empty", None, None)]);
    let t = batch.record(1);
    assert!(t.value().is_none() && t.key().is_none() && t.timestamp().is_none());
    assert_eq!(t.partition(), Some(2));
}

#[test]
fn values_are_taken_in_any_order() {
    // Twenty texts, every third null, of which some share their bytes, with a number between each.
    let (mut source, all) = (RowBuf::new(), "the quick brown fox jumps over the lazy dog");
    let row = source.begin(70);
    for i in 0..20 {
        source.i64(row, 2 * i, i as i64 - 7);
        if i % 3 != 0 {
            source.text(row, 2 * i + 1, &all[i..i + 2 * (i % 4)]);
        }
    }
    source.text(row, 69, "last");
    let shared = u64::from_le_bytes(source.as_bytes()[4 + 16 + 8 * 3..][..8].try_into().unwrap());
    source.slot(row, 60, shared);
    // One points outside: it is empty, wherever it goes.
    source.slot(row, 61, 40_000 | 9 << 32);
    let source = Row::new(source.as_bytes()).unwrap();

    let straight: Vec<_> = (0..70).map(|i| (i, i, i % 2 == 1 || i == 60)).collect();
    let turned: Vec<_> = (0..70).rev().map(|i| (69 - i, i, i % 2 == 1 || i == 60)).collect();
    let some: Vec<_> = [69, 3, 1, 60, 61, 38, 37].iter().enumerate().map(|(to, i)| (to, *i, i % 2 == 1 || *i == 60)).collect();
    for (slots, values) in [(70, straight), (75, turned), (7, some)] {
        let mut out = RowBuf::new();
        out.begin(3);
        let mark = out.begin(slots);
        out.take(mark, source, values.iter().copied());
        out.text(mark, slots - 1, "set behind");
        let made = Row::new(out.since(mark)).unwrap();
        assert_eq!((made.len(), made.text(slots - 1)), (slots, "set behind"));
        for (to, from, points) in values.into_iter().filter(|(to, ..)| *to != slots - 1) {
            assert_eq!(made.is_null(to), source.is_null(from), "{to} of {from}");
            match points {
                true => assert_eq!(made.text(to), source.text(from), "{to} of {from}"),
                false => assert_eq!(made.slot(to), source.slot(from), "{to} of {from}"),
            }
        }
    }
}

#[test]
fn copies_and_undoes() {
    let bytes = one_record();
    let batch = Batch::parse(&bytes).unwrap();
    let mut w = BatchWriter::new();
    w.topic("other");
    let topic = w.topic("shop.public.orders");
    w.copy(&batch.record(1), topic);
    w.copy(&batch.record(0), topic);
    w.undo();
    w.copy(&batch.record(0), topic);
    let copy = w.finish();
    let copy = Batch::parse(&copy).unwrap();
    assert_eq!(copy.len(), 2);
    assert_eq!(copy.topic_of(&copy.record(1)), "shop.public.orders");
    assert_eq!(copy.record(1).value().unwrap().text(69), "naïve");
    assert_eq!(copy.record(1).headers().count(), 2);
}

/// Every truncation and every flipped byte is refused or read without a panic.
#[test]
fn garbage_never_panics() {
    let bytes = one_record();
    let read = |b: &[u8]| {
        let Ok(batch) = Batch::parse(b) else { return };
        for r in batch.iter() {
            let _ = (batch.topic_of(&r), r.headers().count());
            for row in [r.key(), r.value()].into_iter().flatten() {
                for i in 0..row.len() {
                    let _ = (row.is_null(i), row.text(i), row.row(i).map(|n| n.len()));
                }
            }
        }
    };
    for n in 0..bytes.len() {
        read(&bytes[..n]);
    }
    for i in 0..bytes.len() {
        for x in [0x01, 0x80, 0xff] {
            let mut b = bytes.clone();
            b[i] ^= x;
            read(&b);
        }
    }
}

#[test]
fn parts_may_be_written_by_a_function_that_fails() {
    let mut w = BatchWriter::new();
    let topic = w.topic("t");
    w.begin(RecordMeta { topic, partition: None, offset: None, timestamp: None, key_schema: None, value_schema: None });
    w.value_with(|rows| {
        let m = rows.begin(1);
        rows.i64(m, 0, 9);
        Ok::<_, ()>(Some(Some(4)))
    })
    .unwrap();
    let failed = w.key_with(|rows| {
        rows.begin(3);
        Err("no")
    });
    assert_eq!(failed, Err("no"));
    w.key_with(|_| Ok::<_, ()>(None)).unwrap();
    w.end();
    let bytes = w.finish();
    for batch in [Batch::parse(&bytes).unwrap(), Batch::reopen(&bytes).unwrap()] {
        let r = batch.record(0);
        assert_eq!((r.value().unwrap().i64(0), r.value_schema(), r.key().is_none()), (9, Some(4), true));
    }
}

/// A record whose value is `{before: null, after: {id: 7, email: "ada@example.com"}}`.
fn envelope() -> Vec<u8> {
    let mut w = BatchWriter::new();
    let topic = w.topic("t");
    w.begin(RecordMeta { topic, partition: None, offset: None, timestamp: None, key_schema: None, value_schema: None });
    let root = w.rows().begin(2);
    let after = w.rows().begin(2);
    w.rows().i64(after, 0, 7);
    w.rows().text(after, 1, "ada@example.com");
    w.rows().end_nested(root, 1, after);
    w.end_value(root);
    w.end();
    w.finish()
}

#[test]
fn a_copied_record_is_changed_in_place_or_grows() {
    let bytes = envelope();
    let batch = Batch::parse(&bytes).unwrap();
    let record = batch.record(0);

    let mut w = BatchWriter::new();
    let topic = w.topic("t");
    w.copy(&record, topic);
    let root = w.last_value().unwrap();
    assert_eq!(w.rows().nested(root, 0), None, "null");
    let after = w.rows().nested(root, 1).unwrap();
    assert!(!w.rows().overwrite(after, 1, b"longer than it was"));
    assert!(w.rows().overwrite(after, 1, b"***"));

    w.begin(RecordMeta { topic, partition: None, offset: None, timestamp: None, key_schema: None, value_schema: None });
    let root = w.rows().copy(record.value().unwrap());
    let after = w.rows().lift(root, 1).unwrap();
    w.rows().text(after, 1, "longer than it was");
    w.rows().end_nested(root, 1, after);
    w.end_value(root);
    w.end();

    let out = w.finish();
    let out = Batch::parse(&out).unwrap();
    for (i, email) in ["***", "longer than it was"].into_iter().enumerate() {
        let after = out.record(i).value().unwrap().row(1).unwrap();
        assert_eq!((after.i64(0), after.text(1)), (7, email));
    }
}
