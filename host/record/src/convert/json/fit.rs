//! JSON documents that plugins made of records, put under the schemas of those records.
//!
//! A document that still has the record's fields keeps the record's schema. Fields that it lacks are gone from the schema too,
//! new ones are appended as optional and have the type of their JSON: `BOOLEAN`, `INT64`, `FLOAT64`, `STRING`, `STRUCT` or
//! `ARRAY`. Maps keep their type. A document is walked twice, once for its shape; the schema of each shape is made once.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_row::RowBuf;

use super::plan::Node;
use super::{Form, decode};
use crate::convert::{Fault, Logical};
use crate::json::{Bad, NodeType, Scanner};
use crate::{Field, Kind, Schema, Schemas};

/// How plugins are shown documents, and write them.
const FORM: Form = Form { schemas: false, numeric: false, replace_null: false };
/// Schemas are never forgotten, so that a plugin that names its fields after what is in records has to be stopped somewhere.
const SHAPES_MAX: usize = 1000;
/// A document's names and types.
const SHAPE_BYTES_MAX: usize = 64 << 10;
/// How deep objects and arrays may lie in each other: the walk is recursive, and documents come from plugins.
const DEPTH_MAX: usize = 100;

/// Puts documents under schemas; one for each task, so that it knows the shapes that it has met.
pub struct Fitter {
    schemas: Arc<Schemas>,
    /// By the schema that a document was made under, and its shape.
    known: HashMap<Option<u32>, HashMap<Box<[u8]>, Fitted>>,
    shapes: usize,
    shape: Vec<u8>,
}

struct Fitted {
    id: u32,
    node: Node,
}

impl Fitter {
    pub fn new(schemas: &Arc<Schemas>) -> Self {
        Fitter { schemas: schemas.clone(), known: HashMap::new(), shapes: 0, shape: Vec::new() }
    }

    /// Appends a document that is not `null` as a root row, and answers its schema. `from`: the schema of the key or value that
    /// it was made of; none: all of it is new. The error says which field does not fit, and nothing of `rows` is changed then.
    pub fn fit(&mut self, from: Option<u32>, document: &str, rows: &mut RowBuf) -> Result<u32, String> {
        let failed = |e: Fault| crate::convert::ConvertError::from(e).to_string();
        self.shape.clear();
        let of = match from {
            Some(id) => Some(self.schemas.get(id).ok_or_else(|| format!("no schema has the id {id}"))?),
            None => None,
        };
        let of = of.as_deref();
        let mut json = Scanner::new(document);
        shape(of, &mut json, DEPTH_MAX, &mut self.shape).and_then(|()| json.end()).map_err(|e| failed(e.into()))?;
        let known = self.known.entry(from).or_default();
        let fitted = match known.get(&*self.shape) {
            Some(fitted) => fitted,
            None if self.shapes == SHAPES_MAX => {
                return Err(format!(
                    "the plugin has made records of {SHAPES_MAX} different shapes, and schemas are kept for ever: put values of \
                     which the names vary into a text, or use records without a schema"
                ));
            }
            None => {
                let schema = derive(of, &mut Scanner::new(document), false).map_err(failed)?;
                let schema = schema.unwrap_or_else(|| Schema::new(Kind::Text).optional());
                let node = Node::compile(&schema, FORM);
                self.shapes += 1;
                known.entry(self.shape.as_slice().into()).or_insert(Fitted { id: self.schemas.intern(schema), node })
            }
        };
        let start = rows.size();
        match decode::root(&fitted.node, FORM, &mut Scanner::new(document), rows) {
            Ok(()) => Ok(fitted.id),
            Err(fault) => {
                rows.truncate(start);
                Err(failed(fault))
            }
        }
    }
}

/// Whether what is below a node is told by the schema alone.
fn open(schema: Option<&Schema>) -> bool {
    schema.is_some_and(|s| matches!(s.kind, Kind::Any | Kind::Map))
}

/// What decides on the schema of a document: its names, and the types of its values.
fn shape(schema: Option<&Schema>, json: &mut Scanner<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), Bad> {
    let found = json.node_type()?;
    if depth == 0 || out.len() > SHAPE_BYTES_MAX {
        return json.bad("a document that is too deep or has too many fields");
    }
    if open(schema) {
        out.push(if found == NodeType::Null { b'n' } else { b'*' });
        return json.skip().map(drop);
    }
    match found {
        NodeType::Object => {
            out.push(b'{');
            json.members(|key, json| {
                // Not the bare name: one may look like the types of another.
                crate::json::quoted(key.as_bytes(), out);
                shape(field(schema, &key).map(|f| &*f.schema), json, depth - 1, out)
            })?;
            out.push(b'}');
            Ok(())
        }
        NodeType::Array => {
            let element = schema.and_then(|s| s.element.as_deref());
            out.push(b'[');
            // Elements of one shape count once, in whatever order.
            let mut shapes: Vec<Vec<u8>> = Vec::new();
            json.elements(|json| {
                let mut one = Vec::new();
                shape(element, json, depth - 1, &mut one)?;
                if let Err(at) = shapes.binary_search(&one) {
                    shapes.insert(at, one);
                }
                Ok::<_, Bad>(())
            })?;
            out.extend(shapes.concat());
            out.push(b']');
            Ok(())
        }
        scalar => {
            let text = json.skip()?;
            out.push(if schema.is_some_and(|s| is_named_float(s.kind, text)) { b'f' } else { letter(scalar, text) });
            Ok(())
        }
    }
}

/// The type of a value that is neither object nor array.
fn letter(found: NodeType, text: &str) -> u8 {
    match found {
        NodeType::Null => b'n',
        NodeType::Boolean => b'b',
        NodeType::Number if text.bytes().all(|b| b == b'-' || b.is_ascii_digit()) => b'i',
        NodeType::Number => b'f',
        _ => b's',
    }
}

/// Floats that JSON has no numbers for are texts, as Jackson writes them.
fn is_named_float(kind: Kind, text: &str) -> bool {
    matches!(kind, Kind::Float32 | Kind::Float64) && matches!(text, "\"NaN\"" | "\"Infinity\"" | "\"-Infinity\"")
}

fn field<'s>(schema: Option<&'s Schema>, name: &str) -> Option<&'s Field> {
    schema?.fields.iter().find(|f| &*f.name == name)
}

/// The schema of a value that stood under `schema`, or is new. None: it is null, and new. `several`: it is one of the elements
/// of a list, whose fields are those of all.
fn derive(schema: Option<&Schema>, json: &mut Scanner<'_>, several: bool) -> Result<Option<Schema>, Fault> {
    let found = json.node_type()?;
    if found == NodeType::Null || open(schema) {
        json.skip()?;
        let null = found == NodeType::Null;
        return Ok(schema.map(|s| if null { s.clone().optional() } else { s.clone() }));
    }
    let kept = schema.filter(|s| fits(s, found, json));
    if let (None, Some(schema), true) = (kept, schema, several) {
        let wider = matches!((schema.kind, found), (Kind::Int64, NodeType::Number));
        if !wider {
            let what = format!("a list has both {} and {found}", schema.kind.connect_name());
            return Err(Fault::new(what));
        }
    }
    let mut made = match found {
        NodeType::Object => {
            let mut made = kept.cloned().unwrap_or_else(|| Schema::new(Kind::Struct).optional());
            structure(&mut made, json, several)?;
            made
        }
        NodeType::Array => {
            let mut element = kept.and_then(|s| s.element.as_deref().cloned());
            let mut null = false;
            json.elements(|json| {
                match derive(element.as_ref(), json, true)? {
                    Some(derived) => element = Some(derived),
                    None => null = true,
                }
                Ok::<_, Fault>(())
            })?;
            let mut element = element.unwrap_or_else(|| Schema::new(Kind::Text).optional());
            element.optional |= null;
            let mut made = kept.cloned().unwrap_or_else(|| Schema::new(Kind::List).optional());
            made.element = Some(Arc::new(element));
            made
        }
        scalar => {
            let text = json.skip()?;
            match kept {
                Some(kept) => kept.clone(),
                None => Schema::new(match letter(scalar, text) {
                    b'b' => Kind::Boolean,
                    b'i' => Kind::Int64,
                    b'f' => Kind::Float64,
                    _ => Kind::Text,
                })
                .optional(),
            }
        }
    };
    // A default may not fit what it is the default of any longer.
    if kept.is_none_or(|kept| *kept != made) {
        made.default = None;
    }
    Ok(Some(made))
}

/// The fields of an object, in the order that they had; new ones behind.
fn structure(made: &mut Schema, json: &mut Scanner<'_>, several: bool) -> Result<(), Fault> {
    let mut fields: Vec<Option<Field>> = vec![None; made.fields.len()];
    let mut new: Vec<Field> = Vec::new();
    json.members(|name, json| {
        let name = &*name;
        let at = made.index(name);
        let before = at.map(|i| made.fields[i].schema.clone());
        let derived = derive(before.as_deref(), json, several && before.is_some()).map_err(|e| e.within(name))?;
        let Some(schema) = derived else { return Ok(()) };
        let schema = before.filter(|before| **before == schema).unwrap_or_else(|| Arc::new(schema));
        match at {
            Some(i) => fields[i] = Some(Field { name: made.fields[i].name.clone(), schema }),
            None => {
                new.retain(|f| &*f.name != name);
                new.push(Field { name: name.into(), schema });
            }
        }
        Ok::<_, Fault>(())
    })?;
    let before = std::mem::take(&mut made.fields);
    for (field, before) in fields.into_iter().zip(before) {
        match field {
            Some(field) => made.fields.push(field),
            // Other elements have it.
            None if several => {
                let schema = Arc::new(Schema::clone(&before.schema).optional());
                made.fields.push(Field { name: before.name, schema });
            }
            None => {}
        }
    }
    made.fields.append(&mut new);
    Ok(())
}

/// Whether a value can stand under a schema, by its type.
fn fits(schema: &Schema, found: NodeType, json: &Scanner<'_>) -> bool {
    let whole = || letter(found, json.clone().skip().unwrap_or_default()) == b'i';
    match (schema.kind, found) {
        (Kind::Any, _) => true,
        (Kind::Boolean, NodeType::Boolean) => true,
        (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, NodeType::Number) => whole(),
        (Kind::Float32 | Kind::Float64, NodeType::Number) => true,
        (Kind::Float32 | Kind::Float64, NodeType::String) => is_named_float(schema.kind, json.clone().skip().unwrap_or_default()),
        (Kind::Text | Kind::Bytes, NodeType::String) => true,
        (Kind::Bytes, NodeType::Number) => matches!(Logical::of(schema), Logical::Decimal { .. }),
        (Kind::Struct, NodeType::Object) | (Kind::List, NodeType::Array) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::convert::converter;
    use crate::row::Row;

    const ORDER: &str = r#"{"schema":{"type":"struct","optional":false,"name":"shop.Order","fields":[
        {"field":"id","type":"int32","optional":false},
        {"field":"at","type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","version":1},
        {"field":"price","type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,
         "parameters":{"scale":"2"}},
        {"field":"tags","type":"map","keys":{"type":"string","optional":false},"values":{"type":"int32","optional":false},
         "optional":true},
        {"field":"lines","type":"array","optional":true,"items":{"type":"struct","optional":false,"fields":[
            {"field":"sku","type":"string","optional":false},{"field":"n","type":"int16","optional":false}]}}
        ]},"payload":null}"#;
    const DOCUMENT: &str = r#"{"id":1,"at":1700000000000,"price":"Bfk=","tags":{"a":1},"lines":[{"sku":"x","n":2}]}"#;

    fn order(schemas: &Arc<Schemas>) -> u32 {
        let config = Default::default();
        let mut json = converter("org.apache.kafka.connect.json.JsonConverter", false, &config, schemas).unwrap();
        let text = ORDER.replace("\"payload\":null", &format!("\"payload\":{DOCUMENT}"));
        json.decode("t", Some(text.as_bytes()), &mut RowBuf::new()).unwrap().unwrap().unwrap()
    }

    /// The schema that a document gets, and what it is read back as.
    fn fitted(document: &str) -> Result<(Schema, String), String> {
        let schemas = Schemas::new();
        let from = order(&schemas);
        let (mut fitter, mut rows) = (Fitter::new(&schemas), RowBuf::new());
        let id = fitter.fit(Some(from), document, &mut rows)?;
        let config = crate::RawConfig::from([("schemas.enable".to_owned(), "false".to_owned())]);
        let mut json = converter("org.apache.kafka.connect.json.JsonConverter", false, &config, &schemas).unwrap();
        let mut text = Vec::new();
        json.encode("t", Some(id), Row::new(rows.as_bytes()), &mut text).map_err(|e| e.failed().to_string())?;
        Ok((Schema::clone(&schemas.get(id).unwrap()), String::from_utf8(text).unwrap()))
    }

    #[test]
    fn what_has_the_fields_keeps_the_schema() {
        let schemas = Schemas::new();
        let from = order(&schemas);
        let mut fitter = Fitter::new(&schemas);
        let float = schemas.intern(Schema::record([("f", Schema::new(Kind::Float64))]));
        for document in [r#"{"f":"NaN"}"#, r#"{"f":1}"#, r#"{"f":"-Infinity"}"#] {
            assert_eq!(fitter.fit(Some(float), document, &mut RowBuf::new()), Ok(float), "{document}");
        }
        assert_ne!(fitter.fit(Some(float), r#"{"f":"Nan"}"#, &mut RowBuf::new()), Ok(float));
        for document in [DOCUMENT, r#"{"lines":[],"tags":{},"price":null,"at":null,"id":7}"#] {
            assert_eq!(fitter.fit(Some(from), document, &mut RowBuf::new()), Ok(from), "{document}");
        }
        assert_eq!(fitted(DOCUMENT).unwrap().1, DOCUMENT);
    }

    #[test]
    fn fields_come_and_go() {
        let (schema, text) =
            fitted(r#"{"new":[{"a":1},{"b":"x"}],"id":1,"lines":[{"sku":"x","n":2,"paid":true}],"none":null}"#).unwrap();
        assert_eq!(text, r#"{"id":1,"lines":[{"sku":"x","n":2,"paid":true}],"new":[{"a":1,"b":null},{"a":null,"b":"x"}]}"#);
        assert_eq!(schema.name.as_deref(), Some("shop.Order"));
        let paid = &schema.fields[1].schema.element.as_ref().unwrap().fields[2];
        assert_eq!((&*paid.name, paid.schema.kind, paid.schema.optional), ("paid", Kind::Boolean, true));
        // Of another type, and a required one that is null now.
        let (schema, text) = fitted(r#"{"id":"one","at":1.5}"#).unwrap();
        assert_eq!(text, r#"{"id":"one","at":1.5}"#);
        assert_eq!(schema.fields[0].schema, Arc::new(Schema::new(Kind::Text).optional()));
        assert_eq!(schema.fields[1].schema, Arc::new(Schema::new(Kind::Float64).optional()));
        let (schema, _) = fitted(r#"{"id":null}"#).unwrap();
        assert_eq!(schema.fields[0].schema, Arc::new(Schema::new(Kind::Int32).optional()));
        // Something else altogether.
        let (schema, text) = fitted("[1,2.5]").unwrap();
        assert_eq!((schema.kind, schema.element.unwrap().kind, &*text), (Kind::List, Kind::Float64, "[1.0,2.5]"));
        assert_eq!(fitted(r#""x""#).unwrap().0.kind, Kind::Text);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (document, expected) in [
            (r#"{"id":5000000000}"#, "id"),
            (r#"{"id":1,"tags":{"a":"x"}}"#, "tags"),
            (r#"{"id":1,"lines":[{"sku":"x","n":2},7]}"#, "lines"),
            (r#"{"id":1,"x":[1,"a"]}"#, "a list has both"),
            (r#"{"id":1"#, "serialization error"),
            (r#"{"id":1} x"#, "serialization error"),
        ] {
            let error = fitted(document).unwrap_err();
            assert!(error.contains(expected), "{document}: {error}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(fitted(&deep).unwrap_err().contains("too deep"));
    }

    #[test]
    fn shapes_are_bounded_and_nothing_is_written_of_what_is_refused() {
        let schemas = Schemas::new();
        let from = order(&schemas);
        let (mut fitter, mut rows) = (Fitter::new(&schemas), RowBuf::new());
        let made = |i: usize| format!("{{\"id\":1,\"f{i}\":1}}");
        for i in 0..SHAPES_MAX {
            fitter.fit(Some(from), &made(i), &mut rows).unwrap();
        }
        let size = rows.size();
        assert!(fitter.fit(Some(from), &made(SHAPES_MAX), &mut rows).unwrap_err().contains("different shapes"));
        assert!(fitter.fit(Some(from), r#"{"id":"x","f1":"#, &mut rows).is_err());
        assert_eq!(rows.size(), size);
        fitter.fit(Some(from), &made(3), &mut rows).unwrap();
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-1_000_000_000i64..1_000_000_000).prop_map(Value::from),
            (-1_000_000i64..1_000_000).prop_map(|n| Value::from(n as f64 / 4.0)),
            "[a-z\"\\\\{}\\[\\]]{0,5}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("id|at|tags|lines|sku|[a-c]{1}", inner, 0..5)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    /// Without the nulls in objects, which a document may have more or fewer of, and with whole numbers as floats.
    fn bare(value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::Object(m) => {
                Value::Object(m.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), bare(v))).collect())
            }
            Value::Array(a) => a.iter().map(bare).collect(),
            Value::Number(n) => serde_json::json!(n.as_f64()),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_was_given(document in value()) {
            prop_assume!(!document.is_null());
            if let Ok((_, text)) = fitted(&document.to_string()) {
                let read: serde_json::Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(bare(&read), bare(&document));
            }
        }
    }
}
