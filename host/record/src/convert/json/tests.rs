use proptest::prelude::*;

use super::super::{Settings, tests::row_of};
use super::*;
use crate::{Field, Kind, RawConfig};

fn json(options: &[(&str, &str)], schemas: &Arc<Schemas>) -> JsonConverter {
    let config: RawConfig = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    JsonConverter::new(&Settings::new(&config), schemas).unwrap()
}

fn named(kind: Kind, name: &str) -> Schema {
    Schema::new(kind).named(name)
}

/// Decodes, and encodes again.
fn round(options: &[(&str, &str)], text: &str) -> Result<Option<String>, String> {
    let schemas = Schemas::new();
    let mut c = json(options, &schemas);
    let mut again = Vec::new();
    // Twice: the second takes the path of what was seen before.
    for _ in 0..2 {
        let mut rows = RowBuf::new();
        let Some(id) = c.decode("t", Some(text.as_bytes()), &mut rows).map_err(|e| e.failed().to_string())? else {
            return Ok(None);
        };
        again.clear();
        c.encode("t", id, Row::new(rows.as_bytes()), &mut again).map_err(|e| e.failed().to_string())?;
    }
    Ok(Some(String::from_utf8(again).unwrap()))
}

#[test]
fn envelopes_come_back_to_the_letter() {
    for payload in [
        r#"{"schema":{"type":"string","optional":false},"payload":"a\"b\\\u0001ä"}"#,
        r#"{"schema":{"type":"int8","optional":true},"payload":-7}"#,
        r#"{"schema":{"type":"array","items":{"type":"int32","optional":true},"optional":false},"payload":[1,null,3]}"#,
        r#"{"schema":{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"boolean","optional":false},"optional":false},"payload":{"x":true,"y":false}}"#,
        r#"{"schema":{"type":"map","keys":{"type":"int32","optional":false},"values":{"type":"string","optional":false},"optional":false},"payload":[[1,"a"],[2,"b"]]}"#,
        r#"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},{"type":"struct","fields":[{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"amount"}],"optional":true,"name":"v","field":"after"}],"optional":false,"name":"e","version":2},"payload":{"id":1,"after":{"amount":"Bfk="}}}"#,
        r#"{"schema":null,"payload":{"a":[1,2.50,"x"]}}"#,
    ] {
        assert_eq!(round(&[], payload).unwrap().as_deref(), Some(payload));
    }
}

#[test]
fn other_order_white_space_and_unknown_keys_are_read() {
    let text = r#" { "payload" : { "b":2 , "x":[{}], "a": 1 }, "schema": {"type":"struct","optional":false,"fields":[{"field":"a","type":"int32","optional":false},{"field":"b","type":"int32","optional":false},{"field":"c","type":"string","optional":true},{"field":"d","type":"int32","optional":true,"default":9}]} } "#;
    let out = round(&[], text).unwrap().unwrap();
    assert!(out.ends_with(r#""payload":{"a":1,"b":2,"c":null,"d":9}}"#), "{out}");
}

#[test]
fn without_schemas_the_text_passes_through() {
    let off = [("schemas.enable", "false")];
    assert_eq!(round(&off, r#" {"a": 1.50} "#).unwrap().as_deref(), Some(r#"{"a": 1.50}"#));
    assert_eq!(round(&off, "null").unwrap(), None);
    assert!(round(&off, "{").is_err());
    assert!(round(&off, "1 2").is_err());
}

#[test]
fn wrong_values_are_data_errors_by_name() {
    let typed = |kind: &str, payload: &str| round(&[], &format!(r#"{{"schema":{kind},"payload":{payload}}}"#));
    let field = r#"{"type":"struct","optional":false,"fields":[{"field":"n","type":"int8","optional":false}]}"#;
    assert!(typed(field, r#"{"n":300}"#).unwrap_err().contains("300 does not fit"));
    assert!(typed(field, r#"{"n":300}"#).unwrap_err().contains('n'));
    assert!(typed(field, "{}").unwrap_err().contains("Invalid null value for required INT8 field"));
    assert!(typed(r#"{"type":"int32"}"#, r#""x""#).unwrap_err().contains("STRING"));
    assert!(typed(r#"{"type":"nope"}"#, "1").unwrap_err().contains("Unknown schema type: nope"));
    assert!(round(&[], r#"{"a":1}"#).unwrap_err().contains("requires \"schema\" and \"payload\""));
    assert!(round(&[], r#"{"schema":null,"payload":1,"more":2}"#).is_err());
}

#[test]
fn numeric_decimals_and_null_values() {
    let schemas = Schemas::new();
    let mut schema = named(Kind::Bytes, "org.apache.kafka.connect.data.Decimal").optional();
    schema.parameters.push(("scale".into(), "2".into()));
    let id = schemas.intern(schema);
    let (rows, mut out) = (row_of(|r, m| r.bytes(m, 0, &[0x05, 0xf9])), Vec::new());
    let mut c = json(&[("schemas.enable", "false"), ("decimal.format", "NUMERIC")], &schemas);
    assert!(c.encode("t", Some(id), Row::new(rows.as_bytes()), &mut out).unwrap());
    assert_eq!(out, b"15.29");
    out.clear();
    assert!(c.encode("t", Some(id), None, &mut out).unwrap() && out == b"null");
    assert!(!c.encode("t", None, None, &mut out).unwrap());
}

#[test]
fn wrong_options_name_key_value_and_remedy() {
    let config: RawConfig = [("decimal.format".into(), "HEX".into())].into();
    let error = JsonConverter::new(&Settings::new(&config), &Schemas::new()).err().unwrap();
    assert!(error.contains("decimal.format") && error.contains("HEX") && error.contains("NUMERIC"), "{error}");
}

proptest! {
    /// Garbage is refused or read, never a panic; what is left in the buffer is what was there.
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..400) {
        let schemas = Schemas::new();
        let good = r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"a"},{"type":"array","items":{"type":"int32","optional":true},"optional":true,"field":"l"}],"optional":false},"payload":{"a":"xé\n","l":[1,null]}}"#;
        let mut c = json(&[], &schemas);
        let mut rows = RowBuf::new();
        prop_assert!(c.decode("t", Some(good.as_bytes()), &mut rows).is_ok());
        let size = rows.size();
        let mut broken = good.as_bytes()[..cut.min(good.len())].to_vec();
        broken.extend_from_slice(&bytes);
        for b in [&broken, &bytes] {
            if c.decode("t", Some(b), &mut rows).is_err() {
                prop_assert_eq!(rows.size(), size);
            }
            rows.truncate(size);
        }
    }

    /// Texts and numbers survive a round trip through bytes.
    #[test]
    fn values_survive(text in any::<String>(), n in any::<i64>(), f in any::<f64>(), flag in any::<bool>()) {
        let schemas = Schemas::new();
        let mut s = Schema::new(Kind::Struct);
        for (name, kind) in [("t", Kind::Text), ("n", Kind::Int64), ("f", Kind::Float64), ("b", Kind::Boolean)] {
            s.fields.push(Field { name: name.into(), schema: Arc::new(Schema::new(kind)) });
        }
        let id = schemas.intern(s);
        let mut rows = RowBuf::new();
        let m = rows.begin(4);
        rows.text(m, 0, &text);
        rows.i64(m, 1, n);
        rows.f64(m, 2, f);
        rows.bool(m, 3, flag);
        let mut c = json(&[], &schemas);
        let mut out = Vec::new();
        c.encode("t", Some(id), Row::new(rows.as_bytes()), &mut out).unwrap();
        let mut back = RowBuf::new();
        prop_assert_eq!(c.decode("t", Some(&out), &mut back).unwrap(), Some(Some(id)));
        let row = Row::new(back.as_bytes()).unwrap();
        prop_assert_eq!((row.text(0), row.i64(1), row.bool(3)), (text.as_str(), n, flag));
        prop_assert!(row.f64(2) == f || (f.is_nan() && row.f64(2).is_nan()));
    }
}

/// A struct that is null but has a default is the default's own row, which a batch's check accepts.
#[test]
fn a_null_root_becomes_its_default() {
    let schemas = Schemas::new();
    let mut converter = crate::convert::converter("JsonConverter", false, &crate::RawConfig::new(), &schemas).unwrap();
    let text = br#"{"schema":{"type":"struct","fields":[{"type":"int32","field":"a"},{"type":"string","optional":true,"field":"b"}],"default":{"a":5}},"payload":null}"#;
    for _ in 0..2 {
        let mut rows = RowBuf::new();
        let id = converter.decode("t", Some(text), &mut rows).unwrap().flatten().unwrap();
        assert_eq!(schemas.get(id).unwrap().fields.len(), 2);
        let row = Row::new(rows.as_bytes()).unwrap();
        assert_eq!((row.len(), row.i64(0), row.is_null(1)), (2, 5, true));
    }
}
