//! What the SDK's codec can do, as the header `do` of each record asks.

use std::collections::HashMap;
use std::rc::Rc;

use millrace_plugin::row::Header;
use millrace_plugin::{
    Batch, BatchWriter, ConfigKey, Error, Kind, Outcome, PluginInfo, Record, RecordFailure, RecordMeta, Row, RowBuf, RowMark,
    Schema, TaskContext, Transform, export_transform, schema,
};

export_transform!(Conform);

struct Conform {
    broken: bool,
    /// The schema without the field `note`, by the id of the schema.
    without: HashMap<u32, u32>,
}

impl Transform for Conform {
    fn info() -> PluginInfo {
        PluginInfo::transform("conform-rust", env!("CARGO_PKG_VERSION"))
            .doc("Does what the header \"do\" of each record asks.")
            .key(ConfigKey::boolean("broken").default("false").doc("Whether every batch is an error."))
    }

    fn configure(ctx: TaskContext) -> Result<Self, Error> {
        Ok(Conform { broken: ctx.config.get("broken") == Some("true"), without: HashMap::new() })
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        if self.broken {
            return Err(Error::fatal("conform.broken", "as asked"));
        }
        let rows = batch.rows()?;
        let mut out = BatchWriter::with_capacity(rows.bytes().len());
        let (mut origin, mut failures) = (Vec::new(), Vec::new());
        for (i, record) in rows.iter().enumerate() {
            let name = rows.topic_of(&record);
            let wish = wish(&record);
            match wish {
                "drop" => continue,
                "fail" => {
                    failures.push(RecordFailure::poison(i, "conform.asked", "as asked"));
                    continue;
                }
                _ => {}
            }
            let topic = if wish == "route" { out.topic(&format!("{name}-routed")) } else { out.topic(name) };
            for _ in 0..if wish == "twice" { 2 } else { 1 } {
                self.write(&mut out, &record, topic, wish)?;
                origin.push(i as u32);
            }
        }
        Ok(Outcome::replace(out, origin).failing(failures))
    }
}

/// The header `do`.
fn wish<'r>(record: &Record<'r>) -> &'r str {
    let header = record.headers().filter(|h| h.name == "do").last();
    header.and_then(|h| h.value).and_then(|row| row.try_text(0)).unwrap_or("copy")
}

impl Conform {
    fn write(&mut self, out: &mut BatchWriter, record: &Record<'_>, topic: u32, wish: &str) -> Result<(), Error> {
        let of = record.value_schema().map(schema::get).transpose()?;
        let value_schema = match (record.value_schema(), &of) {
            (Some(id), Some(of)) if wish == "remove" => Some(self.without(id, of)?),
            (id, _) => id,
        };
        out.begin(RecordMeta {
            topic,
            partition: record.partition(),
            offset: record.offset(),
            timestamp: record.timestamp(),
            key_schema: record.key_schema(),
            value_schema,
        });
        if let Some(row) = record.value() {
            let mark = root(out.rows(), of.as_deref(), row, wish);
            out.end_value(mark);
        }
        if let Some(row) = record.key() {
            let of = record.key_schema().map(schema::get).transpose()?;
            let mark = root(out.rows(), of.as_deref(), row, "copy");
            out.end_key(mark);
        }
        for header in record.headers() {
            let mut rows = RowBuf::new();
            if let Some(row) = header.value {
                let of = header.schema.map(schema::get).transpose()?;
                root(&mut rows, of.as_deref(), row, "copy");
            }
            out.header(Header { value: header.value.and_then(|_| Row::new(rows.as_bytes())), ..header });
        }
        out.end();
        Ok(())
    }

    fn without(&mut self, id: u32, of: &Schema) -> Result<u32, Error> {
        if let Some(known) = self.without.get(&id) {
            return Ok(*known);
        }
        let mut changed = of.clone();
        changed.fields.retain(|f| f.name != "note");
        let made = schema::intern(&Rc::new(changed))?;
        self.without.insert(id, made);
        Ok(made)
    }
}

/// A key, value or header, value by value. Without a schema it is one text.
fn root(out: &mut RowBuf, schema: Option<&Schema>, row: Row<'_>, wish: &str) -> RowMark {
    match schema {
        Some(schema) if schema.kind == Kind::Struct => fields(out, schema, row, wish),
        schema => {
            let mark = out.begin(1);
            slot(out, mark, 0, schema, row, 0);
            mark
        }
    }
}

fn fields(out: &mut RowBuf, schema: &Schema, row: Row<'_>, wish: &str) -> RowMark {
    let kept = || schema.fields.iter().enumerate().filter(|(_, f)| wish != "remove" || f.name != "note");
    let mark = out.begin(kept().count());
    for (to, (from, field)) in kept().enumerate() {
        if wish == "edit" && field.name == "note" {
            out.text(mark, to, "edited");
        } else {
            slot(out, mark, to, Some(&field.schema), row, from);
        }
    }
    mark
}

fn slot(out: &mut RowBuf, mark: RowMark, to: usize, schema: Option<&Schema>, row: Row<'_>, from: usize) {
    if row.is_null(from) {
        return out.null(mark, to);
    }
    let nested = || row.row(from).expect("the host has checked it");
    match schema.map_or(Kind::Any, |s| s.kind) {
        Kind::Boolean => out.bool(mark, to, row.bool(from)),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => out.i64(mark, to, row.i64(from)),
        Kind::Float32 | Kind::Float64 => out.f64(mark, to, row.f64(from)),
        Kind::Text | Kind::Any => out.text(mark, to, row.text(from)),
        Kind::Bytes => out.bytes(mark, to, row.get_bytes(from)),
        Kind::Struct => {
            let inner = fields(out, schema.expect("of a struct"), nested(), "copy");
            out.end_nested(mark, to, inner);
        }
        Kind::List => {
            let inner = list(out, schema.and_then(|s| s.element.as_deref()), nested());
            out.end_nested(mark, to, inner);
        }
        Kind::Map => {
            let (of, both) = (nested(), out.begin(2));
            for (i, part) in [schema.and_then(|s| s.key.as_deref()), schema.and_then(|s| s.element.as_deref())].iter().enumerate()
            {
                let inner = list(out, *part, of.row(i).expect("the host has checked it"));
                out.end_nested(both, i, inner);
            }
            out.end_nested(mark, to, both);
        }
    }
}

fn list(out: &mut RowBuf, element: Option<&Schema>, row: Row<'_>) -> RowMark {
    let mark = out.begin(row.len());
    for i in 0..row.len() {
        slot(out, mark, i, element, row, i);
    }
    mark
}
