//! `HeaderFrom`: fields are copied or moved into headers.

use millrace_record::config::{ConfigType, Default, Importance, Validator};
use millrace_record::row::{BatchWriter, Header, Row, RowBuf};
use millrace_record::{Schema, Schemas};

use super::object::{self, Object};
use super::rows::{BySchema, Shape, Take, like, refused_null, require_struct};
use super::{Definition, Each, Incoming, Make, Operand, Part, key, replace_null_key};

struct HeaderFrom {
    part: Part,
    /// Field and header.
    pairs: Vec<(String, String)>,
    /// The fields go.
    moves: bool,
    purpose: String,
    replace_null: bool,
    plans: BySchema<Plan>,
}

/// What is done where there is a schema.
struct Plan {
    /// Of each pair: the field, and the id of its schema.
    headers: Vec<(Take, u32)>,
    /// What is left of the struct.
    rest: Shape,
}

pub(super) fn definition(part: Part) -> Definition {
    let required = |name: &str, kind, documentation: &str| key(name, kind, Default::Required, Importance::High, documentation);
    let mut operation =
        required("operation", ConfigType::String, "move: the fields leave the record. copy: they stay in it too.");
    operation.allowed = vec!["move".into(), "copy".into()];
    Definition {
        name: "HeaderFrom",
        documentation: "Makes headers of fields.",
        keys: vec![
            required("fields", ConfigType::List, "The fields.").must(Validator::NonEmptyList),
            required("headers", ConfigType::List, "The headers that they become, in the order of the fields.")
                .must(Validator::NonEmptyList),
            operation,
            replace_null_key(),
        ],
        make: Make::Of(part, |part, settings, schemas| {
            let (fields, headers) = (settings.names("fields"), settings.names("headers"));
            for (key, names) in [("fields", &fields), ("headers", &headers)] {
                if names.is_empty() {
                    return Err((key, format!("Invalid value [] for configuration {key}: Empty list")));
                }
            }
            if fields.len() != headers.len() {
                let why = "'fields' config must have the same number of elements as 'headers' config.";
                return Err(("headers", why.into()));
            }
            let operation = settings.required("operation").trim().to_owned();
            Ok(Box::new(HeaderFrom {
                part,
                pairs: fields.into_iter().zip(headers).collect(),
                moves: operation == "move",
                purpose: format!("header {operation}"),
                replace_null: settings.yes("replace.null.with.default"),
                plans: BySchema::new(schemas),
            }))
        }),
    }
}

impl HeaderFrom {
    fn plan(
        schema: &Schema,
        schemas: &Schemas,
        pairs: &[(String, String)],
        purpose: &str,
        replace_null: bool,
    ) -> Result<Plan, String> {
        require_struct(schema, purpose)?;
        let mut headers = Vec::new();
        for (field, _) in pairs {
            // So Connect.
            let slot = schema.index(field).ok_or("Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the return value of \"org.apache.kafka.connect.data.Schema.field(String)\" is null")?;
            let of = &schema.fields[slot].schema;
            headers.push((Take::new(slot, of, replace_null), schemas.intern((**of).clone())));
        }
        let (mut made, mut takes) = (like(schema), Vec::new());
        for (slot, field) in schema.fields.iter().enumerate() {
            if !pairs.iter().any(|(name, _)| **name == *field.name) {
                made.fields.push(field.clone());
                takes.push(Take::new(slot, &field.schema, replace_null));
            }
        }
        Ok(Plan { headers, rest: Shape { schema: schemas.intern(made), takes } })
    }
}

/// Appends a header; a row of no bytes is null.
fn add(out: &mut BatchWriter, name: &str, schema: Option<u32>, rows: &RowBuf, some: bool) {
    out.header(Header { name, schema, value: Row::new(rows.as_bytes()).filter(|_| some) });
}

impl Each for HeaderFrom {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let HeaderFrom { part, pairs, moves, purpose, replace_null, plans } = self;
        let mut rows = RowBuf::new();
        match record.operand(*part) {
            Operand::Null(schema) => Err(refused_null(schema, purpose)),
            Operand::Free(text) => {
                let mut map = Object::required(text, purpose)?;
                let values: Vec<Option<String>> = pairs.iter().map(|(field, _)| map.get(field).map(str::to_owned)).collect();
                if *moves {
                    map.retain(|name| !pairs.iter().any(|(field, _)| field == name));
                }
                record.with_part_open(*part, out, |rows| Ok(map.write(rows)))?;
                for ((_, header), value) in pairs.iter().zip(&values) {
                    rows.clear();
                    let some = value.as_ref().and_then(|value| object::text(value, &mut rows)).is_some();
                    add(out, header, None, &rows, some);
                }
                out.end();
                Ok(())
            }
            Operand::Typed(id, root) => {
                let plan = plans.get(id, |s, schemas| Self::plan(s, schemas, pairs, purpose, *replace_null))?;
                record.with_part_open(*part, out, |rows| {
                    if !*moves {
                        rows.append(root);
                        return Ok(Some(Some(id)));
                    }
                    plan.rest.write(&root, 0, rows);
                    Ok(Some(Some(plan.rest.schema)))
                })?;
                for ((take, schema), (_, header)) in plan.headers.iter().zip(pairs.iter()) {
                    rows.clear();
                    let some = take.root(&root, &mut rows);
                    add(out, header, Some(*schema), &rows, some);
                }
                out.end();
                Ok(())
            }
        }
    }
}
