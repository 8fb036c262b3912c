//! Converters by hand-picked cases; `vectors` compares them with Connect.

mod data;
mod differences;
mod vectors;

use std::sync::Arc;

use millrace_row::{Row, RowBuf, RowMark};

use super::*;
use crate::{Kind, Schema};

/// A row of one slot.
pub(super) fn row_of(write: impl FnOnce(&mut RowBuf, RowMark)) -> RowBuf {
    let mut rows = RowBuf::new();
    let mark = rows.begin(1);
    write(&mut rows, mark);
    rows
}

fn make(class: &str, schemas: &Arc<Schemas>) -> Box<dyn Converter> {
    converter(class, false, &RawConfig::new(), schemas).unwrap()
}

#[test]
fn every_class_is_found_by_both_names() {
    let schemas = Schemas::new();
    for of in BUILT_IN {
        for name in [of.class, of.simple(), of.alias] {
            assert!(BuiltIn::find(name).is_some_and(|found| found.class == of.class));
            // Those of a registry are made where its client is.
            if of.class.starts_with("org.apache.kafka.") {
                make(name, &schemas);
            }
        }
    }
    assert!(BuiltIn::find("json").is_none() && BuiltIn::find("").is_none());
    assert!(BUILT_IN.is_sorted_by_key(|b| b.class));
    let error = converter("AvroThing", false, &RawConfig::new(), &schemas).err().unwrap();
    assert!(error.contains("AvroThing") && error.contains("JsonConverter"), "{error}");
}

#[test]
fn numbers_survive_and_wrong_lengths_are_refused() {
    let schemas = Schemas::new();
    for (class, kind, bytes) in [
        ("BooleanConverter", Kind::Boolean, &[1u8][..]),
        ("ShortConverter", Kind::Int16, &[0xff, 0xfe]),
        ("IntegerConverter", Kind::Int32, &[0, 0, 1, 0]),
        ("LongConverter", Kind::Int64, &[0x80, 0, 0, 0, 0, 0, 0, 1]),
        ("FloatConverter", Kind::Float32, &[0x3f, 0x80, 0, 0]),
        ("DoubleConverter", Kind::Float64, &[0x3f, 0xf8, 0, 0, 0, 0, 0, 0]),
    ] {
        let mut c = make(class, &schemas);
        let mut rows = RowBuf::new();
        let id = c.decode("t", Some(bytes), &mut rows).unwrap().unwrap();
        assert_eq!(schemas.get(id.unwrap()).unwrap().kind, kind);
        let mut out = Vec::new();
        assert!(c.encode("t", id, Row::new(rows.as_bytes()), &mut out).unwrap());
        assert_eq!(out, bytes, "{class}");
        assert!(c.decode("t", Some(&[9, 9, 9]), &mut rows).is_err(), "{class}");
        let size = rows.size();
        assert_eq!(c.decode("t", None, &mut rows).unwrap().flatten(), id, "null has the converter's schema");
        assert_eq!(rows.size(), size);
    }
}

#[test]
fn strings_take_java_s_form_of_other_values() {
    let schemas = Schemas::new();
    let mut c = make("StringConverter", &schemas);
    let mut check = |schema: Schema, rows: RowBuf, expected: &str| {
        let mut out = Vec::new();
        c.encode("t", Some(schemas.intern(schema)), Row::new(rows.as_bytes()), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    };
    check(Schema::new(Kind::Int32), row_of(|r, m| r.i64(m, 0, -5)), "-5");
    check(Schema::new(Kind::Float64), row_of(|r, m| r.f64(m, 0, 1.0)), "1.0");
    check(Schema::new(Kind::Boolean), row_of(|r, m| r.bool(m, 0, true)), "true");
    let mut rows = RowBuf::new();
    let m = rows.begin(3);
    rows.i64(m, 0, 1);
    rows.text(m, 2, "x");
    let s = Schema::record([
        ("a", Schema::new(Kind::Int32)),
        ("gone", Schema::new(Kind::Int32).optional()),
        ("b", Schema::new(Kind::Text)),
    ]);
    check(s, rows, "Struct{a=1,b=x}");
}

#[test]
fn headers_are_inferred() {
    let schemas = Schemas::new();
    let mut c = make("SimpleHeaderConverter", &schemas);
    for (text, kind) in [
        ("true", Kind::Boolean),
        ("7", Kind::Int8),
        ("-300", Kind::Int16),
        ("70000", Kind::Int32),
        ("5000000000", Kind::Int64),
        ("1.5", Kind::Float32),
        ("0.1", Kind::Float32),
        ("1234567.891", Kind::Float64),
        ("trace-1", Kind::Text),
        ("NaN", Kind::Text),
        ("", Kind::Text),
    ] {
        let mut rows = RowBuf::new();
        let id = c.decode("t", Some(text.as_bytes()), &mut rows).unwrap().unwrap().unwrap();
        assert_eq!(schemas.get(id).unwrap().kind, kind, "{text}");
        let mut out = Vec::new();
        c.encode("t", Some(id), Row::new(rows.as_bytes()), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
    assert!(c.decode("t", Some(b"null"), &mut RowBuf::new()).unwrap().is_none());
}
