//! `MaskField`: values of fields become the zero of their type, or a text or number of one's own.

use millrace_record::config::{ConfigType, Default, Importance, Validator};
use millrace_record::row::{BatchWriter, RowBuf, RowMark};
use millrace_record::{Kind, Schema};
use serde_json::{Value, json};

use super::object::Object;
use super::print::hash_order;
use super::rows::{BySchema, Take, java_class, refused_null, require_struct};
use super::scalar::{big_decimal, lower_bits};
use super::{Definition, Each, Incoming, Make, Operand, Part, key, replace_null_key};

const PURPOSE: &str = "mask fields";

struct MaskField {
    part: Part,
    fields: Vec<String>,
    replacement: Option<String>,
    replace_null: bool,
    plans: BySchema<Vec<(Take, Option<Mask>)>>,
}

/// What a value becomes that is not null.
#[derive(Debug)]
enum Mask {
    Slot(u64),
    Bytes(Vec<u8>),
    List,
    Map,
    /// Connect's refusal.
    Refused(String),
}

impl Mask {
    fn of(schema: &Schema, replacement: Option<&str>) -> Mask {
        let class = java_class(schema);
        let Some(replacement) = replacement else {
            return match schema.kind {
                Kind::Text => Mask::Bytes(Vec::new()),
                Kind::List => Mask::List,
                Kind::Map => Mask::Map,
                Kind::Bytes if schema.scale().is_some() => Mask::Bytes(vec![0]),
                Kind::Bytes | Kind::Struct | Kind::Any => Mask::Refused(format!("Cannot mask value of type: class {class}")),
                // Zero, false and the epoch.
                _ => Mask::Slot(0),
            };
        };
        let number = big_decimal(replacement);
        let bits = number.as_ref().map(|(unscaled, scale)| lower_bits(unscaled, *scale));
        let double = number.as_ref().and_then(|_| replacement.parse::<f64>().ok());
        // Outer none: the type takes no replacement; inner none: the replacement is not a number of it.
        let made = match schema.kind {
            _ if class == "java.util.Date" => None,
            Kind::Text => Some(Some(Mask::Bytes(replacement.into()))),
            // Java keeps the lower bits.
            Kind::Int8 => Some(bits.map(|n| Mask::Slot(i64::from(n as i8) as u64))),
            Kind::Int16 => Some(bits.map(|n| Mask::Slot(i64::from(n as i16) as u64))),
            Kind::Int32 => Some(bits.map(|n| Mask::Slot(i64::from(n as i32) as u64))),
            Kind::Int64 => Some(bits.map(|n| Mask::Slot(n as u64))),
            Kind::Float32 => Some(double.map(|d| Mask::Slot(f64::from(d as f32).to_bits()))),
            Kind::Float64 => Some(double.map(|d| Mask::Slot(d.to_bits()))),
            Kind::Bytes => match schema.scale() {
                Some(_) if number.is_none() => {
                    return Mask::Refused(format!("Unable to convert {replacement} (class java.lang.String) to number"));
                }
                Some(scale) => {
                    let text = replacement.strip_prefix('+').unwrap_or(replacement);
                    Some(millrace_record::decimal::from_text(text, scale).map(Mask::Bytes))
                }
                None => None,
            },
            _ => None,
        };
        match made {
            Some(made) => made.unwrap_or_else(|| Mask::Refused(not_a_number(replacement))),
            None => Mask::Refused(no_replacement(class)),
        }
    }

    fn write(&self, rows: &mut RowBuf, row: RowMark, to: usize) -> Result<(), String> {
        match self {
            Mask::Slot(n) => rows.slot(row, to, *n),
            Mask::Bytes(bytes) => rows.bytes(row, to, bytes),
            Mask::List => {
                let list = rows.begin(0);
                rows.end_nested(row, to, list);
            }
            Mask::Map => {
                let map = rows.begin(2);
                for i in 0..2 {
                    let list = rows.begin(0);
                    rows.end_nested(map, i, list);
                }
                rows.end_nested(row, to, map);
            }
            Mask::Refused(why) => return Err(why.clone()),
        }
        Ok(())
    }
}

fn not_a_number(replacement: &str) -> String {
    format!("Unable to convert {replacement} (class java.lang.String) to a number")
}

fn no_replacement(class: &str) -> String {
    format!("Cannot mask value of type class {class} with custom replacement.")
}

/// A value without a schema.
fn masked(value: &Value, replacement: Option<&str>) -> Result<Value, String> {
    let number = |n: Option<Value>| n.ok_or_else(|| not_a_number(replacement.unwrap_or_default()));
    let refused = |class: &str| Err(no_replacement(class));
    match (value, replacement) {
        (Value::Null, _) => Ok(Value::Null),
        (Value::Bool(_), None) => Ok(json!(false)),
        (Value::Number(n), None) => Ok(if n.is_f64() { json!(0.0) } else { json!(0) }),
        (Value::String(_), None) => Ok(json!("")),
        (Value::Array(_), None) => Ok(json!([])),
        (Value::Object(_), None) => Ok(json!({})),
        (Value::Number(n), Some(r)) if n.is_f64() => number(big_decimal(r).and_then(|_| r.parse::<f64>().ok()).map(|f| json!(f))),
        (Value::Number(_), Some(r)) => number(big_decimal(r).map(|(unscaled, scale)| json!(lower_bits(&unscaled, scale)))),
        (Value::String(_), Some(r)) => Ok(json!(r)),
        (Value::Bool(_), Some(_)) => refused("java.lang.Boolean"),
        (Value::Array(_), Some(_)) => refused("java.util.ArrayList"),
        (Value::Object(_), Some(_)) => refused("java.util.HashMap"),
    }
}

pub(super) fn definition(part: Part) -> Definition {
    Definition {
        name: "MaskField",
        documentation: "Puts the zero of its type, or a replacement, in the place of a field's value.",
        keys: vec![
            key("fields", ConfigType::List, Default::Required, Importance::High, "The fields.")
                .must(Validator::Distinct { empty: false }),
            key("replacement", ConfigType::String, Default::Null, Importance::Low, "What numbers and strings become instead.")
                .must(Validator::NonEmpty),
            replace_null_key(),
        ],
        make: Make::Of(part, |part, settings, schemas| {
            let mut fields = settings.names("fields");
            hash_order(&mut fields, |name| name);
            if fields.is_empty() {
                let why = "Configuration 'fields' must not be empty. Valid values include: any non-empty value";
                return Err(("fields", why.into()));
            }
            let replacement = settings.text("replacement").map(str::to_owned);
            if replacement.as_deref() == Some("") {
                let why = "Invalid value  for configuration replacement: String must be non-empty";
                return Err(("replacement", why.into()));
            }
            Ok(Box::new(MaskField {
                part,
                fields,
                replacement,
                replace_null: settings.yes("replace.null.with.default"),
                plans: BySchema::new(schemas),
            }))
        }),
    }
}

impl Each for MaskField {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let MaskField { part, fields, replacement, replace_null, plans } = self;
        record.with_part(*part, out, |rows| match record.operand(*part) {
            Operand::Null(schema) => Err(refused_null(schema, PURPOSE)),
            Operand::Free(text) => {
                let mut map = Object::required(text, PURPOSE)?;
                for field in fields.iter() {
                    // One that is not there is null then, as Connect has it.
                    let made = masked(&map.value(field)?, replacement.as_deref())?;
                    map.set(field, &made);
                }
                Ok(map.write(rows))
            }
            Operand::Typed(id, root) => {
                let plan = plans.get(id, |schema, _| {
                    require_struct(schema, PURPOSE)?;
                    let of = |(slot, f): (usize, &millrace_record::Field)| {
                        let mask = fields.iter().any(|n| **n == *f.name).then(|| Mask::of(&f.schema, replacement.as_deref()));
                        (Take::new(slot, &f.schema, *replace_null), mask)
                    };
                    Ok(schema.fields.iter().enumerate().map(of).collect())
                })?;
                let row = rows.begin(plan.len());
                for (to, (take, mask)) in plan.iter().enumerate() {
                    match mask {
                        None => take.write(&root, rows, row, to),
                        Some(mask) if take.some(&root) => mask.write(rows, row, to)?,
                        Some(_) => {}
                    }
                }
                Ok(Some(Some(id)))
            }
        })
    }
}
