//! Records as simple values, for the interface `plain`, and back.

use std::sync::Arc;

use millrace_record::row::{BatchWriter, Header, Record, RecordMeta, Row, RowBuf};
use millrace_record::view::Documents;
use millrace_record::{Batch, Fitter, Schemas};

use super::batch::{Failed, part};
use crate::bindings::plain::exports::millrace::plugin::plain::PlainRecord;

/// A header value or a part of a record as JSON; none: it is null.
type Json = Option<String>;

pub(crate) fn lower(batch: &Batch, schemas: &Arc<Schemas>) -> Result<Vec<PlainRecord>, String> {
    let mut json = Documents::new(schemas)?;
    let mut text = |schema: Option<u32>, row: Option<Row<'_>>| row.map(|row| json.text(schema, row)).transpose();
    let view = batch.view();
    let record = |record: Record<'_>| {
        let mut headers = Vec::new();
        for header in record.headers() {
            headers.push((header.name.to_owned(), text(header.schema, header.value)?));
        }
        Ok(PlainRecord {
            topic: view.topic_of(&record).to_owned(),
            partition: record.partition(),
            offset: record.offset(),
            timestamp: record.timestamp(),
            key: text(record.key_schema(), record.key())?,
            value: text(record.value_schema(), record.value())?,
            headers,
        })
    };
    view.iter().map(record).collect()
}

/// Appends what a plugin made of a record. `given`: that record as the plugin had it.
pub(crate) fn lift(
    made: &PlainRecord,
    given: &PlainRecord,
    of: &Record<'_>,
    fitter: &mut Fitter,
    out: &mut BatchWriter,
) -> Result<(), Failed> {
    let topic = out.topic(&made.topic);
    let meta = RecordMeta {
        topic,
        partition: made.partition,
        offset: of.offset(),
        timestamp: made.timestamp,
        key_schema: None,
        value_schema: None,
    };
    out.begin(meta);
    let written = (|| {
        out.value_with(|rows| one(rows, &made.value, &given.value, (of.value_schema(), of.value()), fitter))?;
        out.key_with(|rows| one(rows, &made.key, &given.key, (of.key_schema(), of.key()), fitter))?;
        if made.headers == given.headers {
            out.headers_from(of);
            return Ok(());
        }
        for (name, value) in &made.headers {
            header(out, name, value, given, of, fitter)?;
        }
        Ok(())
    })();
    match written {
        Ok(()) => out.end(),
        Err(_) => out.undo(),
    }
    written
}

/// A key or value: as it was where its text is.
fn one(
    rows: &mut RowBuf,
    made: &Json,
    given: &Json,
    of: (Option<u32>, Option<Row<'_>>),
    fitter: &mut Fitter,
) -> Result<Option<Option<u32>>, Failed> {
    let Some(json) = made else { return Ok(None) };
    let same = given.as_ref() == Some(json);
    part(rows, (!same).then_some(json.as_str()), Some(of), Some(fitter))
}

fn header(
    out: &mut BatchWriter,
    name: &str,
    value: &Json,
    given: &PlainRecord,
    of: &Record<'_>,
    fitter: &mut Fitter,
) -> Result<(), Failed> {
    if name.len() > usize::from(u16::MAX) {
        return Err(Failed(format!("a header's name has {} bytes, and {} is the most", name.len(), u16::MAX)));
    }
    let before = given.headers.iter().position(|(n, _)| n == name);
    let before = before.and_then(|i| Some((&given.headers[i].1, of.headers().nth(i)?)));
    let mut rows = RowBuf::new();
    match (value, before) {
        (None, _) => out.header(Header { name, schema: before.and_then(|(_, h)| h.schema), value: None }),
        (Some(_), Some((text, header))) if text == value => out.header(header),
        (Some(json), _) if json.trim() == "null" => out.header(Header { name, schema: None, value: None }),
        (Some(json), before) => {
            let id = fitter.fit(before.and_then(|(_, h)| h.schema), json, &mut rows).map_err(Failed)?;
            out.header(Header { name, schema: Some(id), value: Row::new(rows.as_bytes()) });
        }
    }
    Ok(())
}
