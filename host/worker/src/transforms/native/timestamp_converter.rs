//! `TimestampConverter`: times between texts, numbers and Connect's `Date`, `Time` and `Timestamp`, of a field or of the
//! whole key or value.

use std::borrow::Cow;
use std::sync::Arc;

use millrace_record::config::{ConfigType, Default, Importance};
use millrace_record::row::{BatchWriter, Row};
use millrace_record::{Field, Kind, Schema, Schemas, default_row};
use serde_json::{Map, Value};

use super::date_format::{DAY_MS, DateFormat};
use super::object::{self, Object};
use super::rows::{BySchema, Take, free, java_class, json_class, like, require_struct, schema_text};
use super::scalar::{Scalar, Type};
use super::timestamp_router::date_format;
use super::{Definition, Each, Incoming, Make, Operand, Part, key, replace_null_key};

const PURPOSE: &str = "converting timestamp formats";

/// Of a time whose day begins before there are times.
const NO_MIDNIGHT: &str = "Kafka Connect Date type should not have any time fields set to non-zero values.";

/// How a time is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

const FORMS: [(&str, Form); 5] =
    [("string", Form::Text), ("unix", Form::Unix), ("Date", Form::Date), ("Time", Form::Time), ("Timestamp", Form::Timestamp)];

/// Of a number: how many there are in a second.
const PRECISIONS: [(&str, i64); 4] =
    [("nanoseconds", 1_000_000_000), ("microseconds", 1_000_000), ("milliseconds", 1_000), ("seconds", 1)];

struct TimestampConverter {
    part: Part,
    /// Empty: the whole part.
    field: String,
    conversion: Conversion,
    replace_null: bool,
    plans: BySchema<Plan>,
}

struct Conversion {
    target: Form,
    format: Option<DateFormat>,
    per_second: i64,
}

/// What is done where there is a schema.
struct Plan {
    schema: u32,
    /// Where the fields come from; the one that is converted has the form it is in, or Connect's refusal of it.
    fields: Vec<(Take, Option<Result<Source, String>>)>,
    whole: Option<Source>,
}

#[derive(Clone, Copy)]
struct Source {
    kind: Type,
    form: Form,
    class: &'static str,
}

pub(super) fn definition(part: Part) -> Definition {
    let one_of = |name: &str, default, importance, allowed: &[&str], documentation: &str| {
        let mut key = key(name, ConfigType::String, default, importance, documentation);
        key.allowed = allowed.iter().map(|a| (*a).to_owned()).collect();
        key
    };
    Definition {
        name: "TimestampConverter",
        documentation: "Writes times in another form: as text, as a number since 1970, or as Connect's types.",
        keys: vec![
            key(
                "field",
                ConfigType::String,
                Default::Value(String::new()),
                Importance::High,
                "The field; empty: the whole key or value.",
            ),
            one_of(
                "target.type",
                Default::Required,
                Importance::High,
                &FORMS.map(|(n, _)| n),
                "The new form: string, unix, Date, Time or Timestamp.",
            ),
            key(
                "format",
                ConfigType::String,
                Default::Value(String::new()),
                Importance::Medium,
                "How times are written as text, as Java's SimpleDateFormat has it.",
            ),
            one_of(
                "unix.precision",
                Default::Value("milliseconds".into()),
                Importance::Low,
                &PRECISIONS.map(|(n, _)| n),
                "The unit of numbers: seconds, milliseconds, microseconds or nanoseconds. What is finer than a millisecond is lost.",
            ),
            replace_null_key(),
        ],
        make: Make::Of(part, |part, settings, schemas| {
            let target = settings.required("target.type").trim();
            let target = FORMS.iter().find(|(n, _)| *n == target).map_or(Form::Timestamp, |(_, form)| *form);
            let precision = settings.required("unix.precision").trim();
            let per_second = PRECISIONS.iter().find(|(n, _)| *n == precision).map_or(1_000, |(_, n)| *n);
            let pattern = settings.required("format");
            let format = match pattern.trim().is_empty() {
                true if target == Form::Text => {
                    let why = "TimestampConverter requires format option to be specified when using string timestamps";
                    return Err(("format", why.into()));
                }
                true => None,
                false => Some(date_format(pattern).map_err(|e| ("format", format!("Invalid value java.lang.IllegalArgumentException: {e} for configuration TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: {pattern}")))?),
            };
            Ok(Box::new(TimestampConverter {
                part,
                field: settings.required("field").to_owned(),
                conversion: Conversion { target, format, per_second },
                replace_null: settings.yes("replace.null.with.default"),
                plans: BySchema::new(schemas),
            }))
        }),
    }
}

impl Form {
    /// The schema of times in this form.
    fn schema(self, optional: bool) -> Schema {
        let logical = |kind, name: &str| Schema {
            version: Some(1),
            ..Schema::new(kind).named(&format!("org.apache.kafka.connect.data.{name}"))
        };
        let schema = match self {
            Form::Text => Schema::new(Kind::Text),
            Form::Unix => Schema::new(Kind::Int64),
            Form::Date => logical(Kind::Int32, "Date"),
            Form::Time => logical(Kind::Int32, "Time"),
            Form::Timestamp => logical(Kind::Int64, "Timestamp"),
        };
        Schema { optional, ..schema }
    }
}

impl Source {
    fn of(schema: &Schema) -> Result<Source, String> {
        let logical = schema.name.as_deref().and_then(|n| n.strip_prefix("org.apache.kafka.connect.data."));
        let form = match (logical, schema.kind) {
            (Some("Timestamp"), _) => Form::Timestamp,
            (Some("Date"), _) => Form::Date,
            (Some("Time"), _) => Form::Time,
            (_, Kind::Text) => Form::Text,
            (_, Kind::Int64) => Form::Unix,
            _ => return Err(format!("Schema {} does not correspond to a known timestamp type format", schema_text(schema))),
        };
        Ok(Source { kind: Type::of(schema), form, class: java_class(schema) })
    }

    fn read<'a>(&self, row: &Row<'a>, slot: usize) -> Result<Scalar<'a>, String> {
        let value = self.kind.read(row, slot);
        match (self.form, value) {
            (_, Some(Scalar::Null)) => Ok(Scalar::Null),
            (Form::Text | Form::Unix, Some(value)) => Ok(value),
            (_, Some(value @ Scalar::Instant(..))) => Ok(value),
            (form, _) => Err(format!("Expected {form:?} to be a java.util.Date, but found class {}", self.class)),
        }
    }
}

impl Conversion {
    /// Milliseconds since the epoch.
    fn raw(&self, value: &Scalar<'_>) -> Result<Option<i64>, String> {
        Ok(Some(match value {
            Scalar::Instant(ms, _) => *ms,
            Scalar::Integer(n) if self.per_second >= 1_000 => n / (self.per_second / 1_000),
            Scalar::Integer(n) => n.saturating_mul(1_000),
            Scalar::Text(text) => {
                // So Connect, where no format was asked for.
                let format = self
                    .format
                    .as_ref()
                    .ok_or("Cannot invoke \"java.text.SimpleDateFormat.parse(String)\" because \"config.format\" is null")?;
                format.parse(text).ok_or_else(|| {
                    format!("Could not parse timestamp: value ({text}) does not match pattern ({})", format.pattern())
                })?
            }
            _ => return Ok(None),
        }))
    }

    /// A time in the form that is wanted.
    fn told(&self, ms: i64) -> Result<Scalar<'static>, String> {
        Ok(match self.target {
            Form::Text => Scalar::Text(Cow::Owned(self.format.as_ref().map_or_else(String::new, |f| f.format(ms)))),
            Form::Unix if self.per_second >= 1_000 => Scalar::Integer(ms.saturating_mul(self.per_second / 1_000)),
            Form::Unix => Scalar::Integer(ms / 1_000),
            Form::Date => {
                let midnight = ms.checked_sub(ms.rem_euclid(DAY_MS)).ok_or(NO_MIDNIGHT)?;
                // Java keeps the lower bits of days that an int does not hold.
                Scalar::Instant(midnight, i64::from(ms.div_euclid(DAY_MS) as i32))
            }
            Form::Time => Scalar::Instant(ms.rem_euclid(DAY_MS), ms.rem_euclid(DAY_MS)),
            Form::Timestamp => Scalar::Instant(ms, ms),
        })
    }

    fn convert(&self, value: &Scalar<'_>) -> Result<Scalar<'static>, String> {
        self.raw(value)?.map_or(Ok(Scalar::Null), |ms| self.told(ms))
    }

    /// A value without a schema.
    fn free(&self, value: &Value) -> Result<Value, String> {
        let known = match value {
            Value::Null => return Ok(Value::Null),
            Value::String(_) => true,
            Value::Number(n) => !n.is_f64(),
            _ => false,
        };
        let Some(scalar) = Scalar::of_json(value).filter(|_| known) else {
            return Err(format!("TimestampConverter does not support class {} objects as timestamps", json_class(value)));
        };
        match self.convert(&scalar)? {
            // Nothing that is written without a schema can be a date; in Connect no converter takes it either.
            Scalar::Instant(..) => Err("Java class class java.util.Date does not have corresponding schema type.".into()),
            made => Ok(made.to_json()),
        }
    }
}

impl Plan {
    fn new(schema: &Schema, schemas: &Schemas, field: &str, conversion: &Conversion, replace_null: bool) -> Result<Plan, String> {
        if field.is_empty() {
            let whole = Some(Source::of(schema)?);
            return Ok(Plan { schema: schemas.intern(conversion.target.schema(schema.optional)), fields: Vec::new(), whole });
        }
        require_struct(schema, PURPOSE)?;
        let (mut made, mut fields) = (Schema { optional: schema.optional, ..like(schema) }, Vec::new());
        for (slot, f) in schema.fields.iter().enumerate() {
            let (mut source, mut of) = (None, f.schema.clone());
            if *f.name == *field {
                source = Some(Source::of(&of));
                of = Arc::new(conversion.target.schema(of.optional));
            }
            made.fields.push(Field { name: f.name.clone(), schema: of });
            fields.push((Take::new(slot, &f.schema, replace_null), source));
        }
        made.default = default(schema, field, conversion)?;
        Ok(Plan { schema: schemas.intern(made), fields, whole: None })
    }
}

/// A struct's default, with the field converted.
fn default(schema: &Schema, field: &str, conversion: &Conversion) -> Result<Option<Arc<str>>, String> {
    let (Some(default), Some(slot)) = (schema.default.as_deref(), schema.index(field)) else {
        return Ok(schema.default.clone());
    };
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(default) else { return Ok(None) };
    if let Some(value) = fields.get_mut(field) {
        let of = &schema.fields[slot].schema;
        let row = default_row(&Schema { default: Some(value.to_string().into()), ..(**of).clone() });
        if let Some(row) = row.as_deref().and_then(Row::new) {
            *value = conversion.convert(&Source::of(of)?.read(&row, 0)?)?.to_json();
        }
    }
    Ok(Some(Value::Object(fields).to_string().into()))
}

impl Each for TimestampConverter {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let TimestampConverter { part, field, conversion, replace_null, plans } = self;
        match record.operand(*part) {
            Operand::Null(None) => {
                record.pass(out);
                Ok(())
            }
            Operand::Free(text) => {
                if field.is_empty() {
                    let made = conversion.free(&object::value(text)?)?;
                    return record.with_part(*part, out, |rows| Ok(free(&made, rows)));
                }
                let mut map = Object::required(text, PURPOSE)?;
                let made = conversion.free(&map.value(field)?)?;
                map.set(field, &made);
                record.with_part(*part, out, |rows| Ok(map.write(rows)))
            }
            Operand::Null(Some(id)) => {
                if !field.is_empty() && record.schemas.get(id).is_some_and(|s| s.kind != Kind::Struct) {
                    return Err("Cannot list fields on non-struct type".into());
                }
                let plan = plans.get(id, |s, schemas| Plan::new(s, schemas, field, conversion, *replace_null))?;
                record.with_part(*part, out, |_| Ok(Some(Some(plan.schema))))
            }
            Operand::Typed(id, root) => {
                let plan = plans.get(id, |s, schemas| Plan::new(s, schemas, field, conversion, *replace_null))?;
                record.with_part(*part, out, |rows| {
                    let row = rows.begin(plan.fields.len().max(plan.whole.iter().len()));
                    if let Some(source) = &plan.whole {
                        conversion.convert(&source.read(&root, 0)?)?.write(rows, row, 0);
                    }
                    for (to, (take, source)) in plan.fields.iter().enumerate() {
                        match source {
                            None => take.write(&root, rows, row, to),
                            Some(source) => {
                                let (from, slot) = take.place(&root);
                                let source = source.as_ref().map_err(Clone::clone)?;
                                conversion.convert(&source.read(&from, slot)?)?.write(rows, row, to);
                            }
                        }
                    }
                    Ok(Some(Some(plan.schema)))
                })
            }
        }
    }
}
