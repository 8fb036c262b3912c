//! `Cast`: fields, or the whole key or value, become another type.

use std::borrow::Cow;
use std::sync::Arc;

use millrace_record::config::{ConfigType, Default, Importance, Parsed, Validator};
use millrace_record::row::BatchWriter;
use millrace_record::{Field, Kind, Schema, Schemas, decimal, default_row, row::Row};
use serde_json::Value;

use super::object::{self, Object};
use super::print::hash_order;
use super::rows::{BySchema, Take, free, like, type_name};
use super::scalar::{Scalar, Type, lower_bits};
use super::{Definition, Each, Incoming, Make, Operand, Part, Wrong, key, replace_null_key};

const PURPOSE: &str = "cast types";

/// Connect's names of the types that are cast to; from these and `BYTES` is cast.
const TARGETS: [(&str, Kind); 8] = [
    ("INT8", Kind::Int8),
    ("INT16", Kind::Int16),
    ("INT32", Kind::Int32),
    ("INT64", Kind::Int64),
    ("FLOAT32", Kind::Float32),
    ("FLOAT64", Kind::Float64),
    ("BOOLEAN", Kind::Boolean),
    ("STRING", Kind::Text),
];

struct Cast {
    part: Part,
    /// What the whole part becomes; none: only fields are cast.
    whole: Option<Kind>,
    fields: Vec<(String, Kind)>,
    replace_null: bool,
    plans: BySchema<Plan>,
}

/// What is done where there is a schema.
struct Plan {
    schema: u32,
    /// Of the whole part; none: it is a struct's fields.
    whole: Option<(Type, Kind)>,
    /// Where they come from, and what those that are cast become.
    fields: Vec<(Take, Option<(Type, Kind)>)>,
}

pub(super) fn definition(part: Part) -> Definition {
    Definition {
        name: "Cast",
        documentation: "Makes fields, or the whole key or value, values of another type. Bytes become base 64.",
        keys: vec![
            key(
                "spec",
                ConfigType::List,
                Default::Required,
                Importance::High,
                "Fields and their new types, field:type, or one type for the whole. Types are int8, int16, int32, int64, float32, float64, boolean and string.",
            )
            .must(Validator::Custom(|_, value| match value {
                Some(Parsed::List(given)) => spec(given).map(drop).map_err(|(_, why)| why),
                _ => spec(&[]).map(drop).map_err(|(_, why)| why),
            })),
            replace_null_key(),
        ],
        make: Make::Of(part, |part, settings, schemas| {
            let (whole, fields) = spec(&settings.names("spec"))?;
            Ok(Box::new(Cast {
                part,
                whole,
                fields,
                replace_null: settings.yes("replace.null.with.default"),
                plans: BySchema::new(schemas),
            }))
        }),
    }
}

type Spec = (Option<Kind>, Vec<(String, Kind)>);

fn spec(mappings: &[String]) -> Result<Spec, Wrong> {
    let (mut whole, mut fields) = (None, Vec::<(String, Kind)>::new());
    let wrong = |why: String| Err(("spec", why));
    if mappings.is_empty() {
        return wrong("Must specify at least one field to cast.".into());
    }
    for mapping in mappings {
        // As Java splits: what is empty at the end does not count.
        if !mapping.is_empty() && mapping.bytes().all(|b| b == b':') {
            return wrong("Index 1 out of bounds for length 0".into());
        }
        let parts: Vec<&str> = mapping.trim_end_matches(':').split(':').map(str::trim).collect();
        match parts[..] {
            [name] => whole = Some(target(name)?),
            [field, name] => {
                let kind = target(name)?;
                fields.retain(|(f, _)| f != field);
                fields.push((field.to_owned(), kind));
            }
            _ => {
                let all = mappings.join(", ");
                return wrong(format!("Invalid value [{all}] for configuration renames: Invalid rename mapping: {mapping}"));
            }
        }
    }
    if whole.is_some() && mappings.len() > 1 {
        return wrong(
            "Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec"
                .into(),
        );
    }
    hash_order(&mut fields, |(name, _)| name);
    Ok((whole, fields))
}

fn target(name: &str) -> Result<Kind, Wrong> {
    let upper = name.to_uppercase();
    if let Some((_, kind)) = TARGETS.iter().find(|(n, _)| *n == upper) {
        return Ok(*kind);
    }
    let names = TARGETS.map(|(n, _)| n).join(", ");
    Err((
        "spec",
        match upper.as_str() {
            "BYTES" | "ARRAY" | "MAP" | "STRUCT" => {
                format!("Cast transformation does not support casting to {upper}; supported types are [{names}]")
            }
            _ => format!(
                "Invalid value java.lang.IllegalArgumentException: No enum constant org.apache.kafka.connect.data.Schema.Type.{upper} for configuration Invalid type found in casting spec: {name}"
            ),
        },
    ))
}

/// Connect's refusal of structs and collections.
fn unsupported(name: &str) -> String {
    let names = TARGETS.map(|(n, _)| n).join(", ");
    format!("Cast transformation does not support casting from {name}; supported types are [{names}, BYTES]")
}

fn of_kind(kind: Kind) -> String {
    unsupported(type_name(kind))
}

fn of_json(value: &Value, to: Kind) -> Result<Value, String> {
    let from = Scalar::of_json(value);
    let from = from.ok_or_else(|| unsupported(if value.is_array() { "ARRAY" } else { "MAP" }))?;
    Ok(cast(&from, to)?.to_json())
}

/// A value of a row.
fn of_row<'a>(row: &Row<'a>, slot: usize, (from, to): (Type, Kind)) -> Result<Scalar<'a>, String> {
    match (from.read(row, slot), from) {
        (Some(value), _) => cast_owned(value, to),
        (None, Type::Plain(kind)) => Err(of_kind(kind)),
        (None, _) => Ok(Scalar::Null),
    }
}

/// The default of a cast schema.
fn default(schema: &Schema, to: Kind) -> Result<Option<Arc<str>>, String> {
    let Some(row) = default_row(schema) else { return Ok(None) };
    let Some(row) = Row::new(&row) else { return Ok(None) };
    let made = of_row(&row, 0, (Type::of(schema), to))?;
    Ok((made != Scalar::Null).then(|| made.to_json().to_string().into()))
}

impl Plan {
    fn new(
        schema: &Schema,
        schemas: &Schemas,
        whole: Option<Kind>,
        casts: &[(String, Kind)],
        replace_null: bool,
    ) -> Result<Plan, String> {
        let mut made = Schema { optional: schema.optional, ..like(schema) };
        if let Some(to) = whole {
            made.kind = to;
            made.default = default(schema, to)?;
            return Ok(Plan { schema: schemas.intern(made), whole: Some((Type::of(schema), to)), fields: Vec::new() });
        }
        if schema.kind != Kind::Struct {
            return Err("Cannot list fields on non-struct type".into());
        }
        let mut fields = Vec::new();
        for (slot, field) in schema.fields.iter().enumerate() {
            let of = &field.schema;
            let to = casts.iter().find(|(name, _)| **name == *field.name).map(|(_, to)| *to);
            let schema = match to {
                None => of.clone(),
                Some(to) => Arc::new(Schema { optional: of.optional, default: default(of, to)?, ..Schema::new(to) }),
            };
            made.fields.push(Field { name: field.name.clone(), schema });
            fields.push((Take::new(slot, of, replace_null), to.map(|to| (Type::of(of), to))));
        }
        if schema.default.is_some() {
            return Err(of_kind(Kind::Struct));
        }
        Ok(Plan { schema: schemas.intern(made), whole: None, fields })
    }
}

impl Each for Cast {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let Cast { part, whole, fields, replace_null, plans } = self;
        match record.operand(*part) {
            Operand::Null(_) => {
                record.pass(out);
                Ok(())
            }
            Operand::Free(text) => {
                if let Some(to) = whole {
                    let made = of_json(&object::value(text)?, *to)?;
                    return record.with_part(*part, out, |rows| Ok(free(&made, rows)));
                }
                let mut map = Object::required(text, PURPOSE)?;
                for (field, to) in fields.iter() {
                    let made = of_json(&map.value(field)?, *to)?;
                    map.set(field, &made);
                }
                record.with_part(*part, out, |rows| Ok(map.write(rows)))
            }
            Operand::Typed(id, root) => {
                let plan = plans.get(id, |s, schemas| Plan::new(s, schemas, *whole, fields, *replace_null))?;
                record.with_part(*part, out, |rows| {
                    if let Some(cast) = plan.whole {
                        if let Type::Plain(Kind::Struct) = cast.0 {
                            return Err(of_kind(Kind::Struct));
                        }
                        let value = of_row(&root, 0, cast)?;
                        let row = rows.begin(1);
                        value.write(rows, row, 0);
                        return Ok(Some(Some(plan.schema)));
                    }
                    let row = rows.begin(plan.fields.len());
                    for (to, (take, cast)) in plan.fields.iter().enumerate() {
                        match cast {
                            None => take.write(&root, rows, row, to),
                            Some(cast) => {
                                let (from, slot) = take.place(&root);
                                of_row(&from, slot, *cast)?.write(rows, row, to);
                            }
                        }
                    }
                    Ok(Some(Some(plan.schema)))
                })
            }
        }
    }
}

fn out_of_range(value: &str) -> String {
    format!("Value ({value}) was out of range for requested data type")
}

fn cast_owned<'a>(value: Scalar<'a>, to: Kind) -> Result<Scalar<'a>, String> {
    match (value, to) {
        (Scalar::Text(t), Kind::Text) => Ok(Scalar::Text(t)),
        (value, _) => cast(&value, to),
    }
}

/// Java's conversions of numbers: of integers the lower bits are kept, of fractions the nearest integer there is.
fn cast(value: &Scalar<'_>, to: Kind) -> Result<Scalar<'static>, String> {
    if let Scalar::Null = value {
        return Ok(Scalar::Null);
    }
    if to == Kind::Text {
        return Ok(Scalar::Text(Cow::Owned(value.to_java())));
    }
    if let Scalar::Text(text) = value {
        return parse(text, to).ok_or_else(|| out_of_range(text));
    }
    let (long, int, double) = match *value {
        Scalar::Boolean(b) => (i64::from(b), i64::from(b), f64::from(u8::from(b))),
        Scalar::Integer(n) | Scalar::Instant(_, n) => (n, n, n as f64),
        Scalar::Float(f) => (f as i64, i64::from(f as i32), f64::from(f)),
        Scalar::Double(d) => (d as i64, i64::from(d as i32), d),
        Scalar::Decimal(unscaled, scale) => {
            let whole = lower_bits(unscaled, scale);
            (whole, whole, decimal::to_text(unscaled, scale).parse().unwrap_or(f64::NAN))
        }
        _ => return Err("Unexpected type in Cast transformation: class [B".into()),
    };
    Ok(match to {
        // To less than 32 bits a fraction goes by way of an int.
        Kind::Int8 => Scalar::Integer(i64::from(int as i8)),
        Kind::Int16 => Scalar::Integer(i64::from(int as i16)),
        Kind::Int32 => Scalar::Integer(i64::from(int as i32)),
        Kind::Int64 => Scalar::Integer(long),
        Kind::Float32 => Scalar::Float(match *value {
            // Rounded once, from what is exact.
            Scalar::Integer(n) | Scalar::Instant(_, n) => n as f32,
            Scalar::Decimal(unscaled, scale) => decimal::to_text(unscaled, scale).parse().unwrap_or(f32::NAN),
            _ => double as f32,
        }),
        Kind::Float64 => Scalar::Double(double),
        _ => Scalar::Boolean(long != 0),
    })
}

/// A text as a number or boolean, as Java parses it.
fn parse(text: &str, to: Kind) -> Option<Scalar<'static>> {
    Some(match to {
        Kind::Int8 => Scalar::Integer(text.parse::<i8>().ok()?.into()),
        Kind::Int16 => Scalar::Integer(text.parse::<i16>().ok()?.into()),
        Kind::Int32 => Scalar::Integer(text.parse::<i32>().ok()?.into()),
        Kind::Int64 => Scalar::Integer(text.parse().ok()?),
        Kind::Float32 => Scalar::Float(floating(text)?),
        Kind::Float64 => Scalar::Double(floating(text)?),
        _ => Scalar::Boolean(text.eq_ignore_ascii_case("true")),
    })
}

/// `Float.parseFloat` and `Double.parseDouble`: white space around, a type's letter behind, words in Java's case, base 16.
fn floating<F: std::str::FromStr>(text: &str) -> Option<F> {
    let text = text.trim_matches(|c| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.parse().ok();
    }
    let digits = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    if let Some(hex) = unsigned.strip_prefix("0x").or(unsigned.strip_prefix("0X")) {
        let sign = if text.starts_with('-') { "-" } else { "" };
        return format!("{sign}{:e}", hexadecimal(hex.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(hex))?).parse().ok();
    }
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    digits.chars().all(plain).then(|| digits.parse().ok())?
}

/// `1.8p3`: digits in base 16, times two to a power that has to be there.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    // What has more digits than 64 bits hold is not read.
    let value = u64::from_str_radix(&digits, 16).ok().filter(|_| !digits.starts_with('+'))? as f64;
    let power = exponent.parse::<i32>().ok()?.saturating_sub(4 * i32::try_from(fraction.len()).ok()?);
    // In two steps: one alone could leave the range although the result is in it.
    Some(value * 2f64.powi(power / 2) * 2f64.powi(power - power / 2))
}
